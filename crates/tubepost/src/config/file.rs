//! The configuration file: which one, its syntax, its known keys. Knows nothing of what values
//! mean.

use std::{
    collections::HashMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use notify::SubscriptionSettings;
use toml::de::{DeTable, DeValue};

use super::{
    fault::{Fault, Origin},
    nearest::nearest,
    settings::{Environment, Setting, options},
    subscription,
    tls_name::{self, TlsName},
};

/// What the file says; nothing when there is none.
#[derive(Debug, Default)]
pub(crate) struct FileSettings {
    pub(crate) path: Option<PathBuf>,
    pub(crate) values: HashMap<&'static str, FileValue>,
    pub(crate) subscriptions: Vec<SubscriptionSettings>,
    pub(crate) tls_names: Vec<TlsName>,
}

/// One `key = value`.
#[derive(Debug)]
pub(crate) struct FileValue {
    pub(crate) setting: Setting,
    /// The line, with a mark below the value.
    pub(crate) excerpt: String,
}

/// Reads the file that `--config` or `TUBEPOST_CONFIG` names, else the system's or the user's if
/// it is there.
pub(crate) fn read(
    named: Option<&Path>,
    environment: &Environment,
) -> Result<FileSettings, Vec<Fault>> {
    let named =
        named.map(Path::to_owned).or_else(|| environment.get(CONFIG_VARIABLE).map(Into::into));
    let candidates = match &named {
        Some(path) => vec![path.clone()],
        None => usual_places(environment),
    };
    for path in candidates {
        match fs::read_to_string(&path) {
            Ok(text) => return Document { path: &path, text: &text }.settings(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {}
            Err(error) => return Err(vec![unreadable(&path, &error)]),
        }
    }
    Ok(FileSettings::default())
}

/// Names the file when `--config` does not.
pub(crate) const CONFIG_VARIABLE: &str = "TUBEPOST_CONFIG";

fn usual_places(environment: &Environment) -> Vec<PathBuf> {
    let user = environment
        .get("XDG_CONFIG_HOME")
        .or_else(|| environment.get("HOME").map(|home| format!("{home}/.config")));
    let user = user.map(|user| Path::new(&user).join("tubepost/tubepost.toml"));
    [PathBuf::from("/etc/tubepost/tubepost.toml")].into_iter().chain(user).collect()
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let mend = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; make it readable (secrets can stand in a password_file), or name another with --config"
        }
        _ => "; name a file that is there with --config, or none",
    };
    let problem = format!("cannot be read: {error}{mend}");
    Fault { place: path.display().to_string(), problem, excerpt: None }
}

/// A file's text, for messages that show where.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl<'a> Document<'a> {
    fn settings(self) -> Result<FileSettings, Vec<Fault>> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().unwrap_or(self.text.len()..self.text.len());
            vec![self.fault(at, error.message())]
        })?;
        let mut settings =
            FileSettings { path: Some(self.path.to_owned()), ..FileSettings::default() };
        let mut faults = Vec::new();
        self.flatten("", table.get_ref(), &mut settings, &mut faults);
        match faults.is_empty() {
            true => Ok(settings),
            false => Err(faults),
        }
    }

    fn flatten(
        self,
        prefix: &str,
        table: &DeTable<'a>,
        settings: &mut FileSettings,
        faults: &mut Vec<Fault>,
    ) {
        for (name, value) in table {
            let key = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            if key == SUBSCRIPTIONS {
                match subscription::TABLES.read(self, value) {
                    Ok(subscriptions) => settings.subscriptions = subscriptions,
                    Err(wrong) => faults.extend(wrong),
                }
                continue;
            }
            if key == TLS_NAMES {
                match tls_name::TABLES.read(self, value) {
                    Ok(names) => settings.tls_names = names,
                    Err(wrong) => faults.extend(wrong),
                }
                continue;
            }
            if let DeValue::Table(table) = value.get_ref() {
                self.flatten(&key, table, settings, faults);
                continue;
            }
            let known =
                options().map(|option| option.declaration().key).find(|known| *known == key);
            let Some(known) = known else {
                faults.push(self.unknown(name.span(), &key));
                continue;
            };
            match scalar(value.get_ref()) {
                Some(text) => {
                    let (line, excerpt) =
                        (self.position(value.span().start).0, self.excerpt(value.span()));
                    let origin = Origin::File { path: self.path.to_owned(), line, key };
                    let setting = Setting { text, origin };
                    settings.values.insert(known, FileValue { setting, excerpt });
                }
                None => {
                    let found = value.get_ref().type_str();
                    faults.push(
                        self.fault(value.span(), format!("{key}: expected text, found {found}")),
                    );
                }
            }
        }
    }

    fn unknown(self, at: Range<usize>, key: &str) -> Fault {
        let known =
            options().map(|option| option.declaration().key).chain([SUBSCRIPTIONS, TLS_NAMES]);
        let meant = match nearest(key, known) {
            Some(meant) => format!("; did you mean '{meant}'?"),
            None => "; tubepost config lists the known ones".to_owned(),
        };
        self.fault(at, format!("unknown key '{key}'{meant}"))
    }

    /// A fault with file, line, column, and the line shown.
    pub(super) fn fault(self, at: Range<usize>, problem: impl Into<String>) -> Fault {
        let (line, column) = self.position(at.start);
        let place = format!("{}:{line}:{column}", self.path.display());
        Fault { place, problem: problem.into(), excerpt: Some(self.excerpt(at)) }
    }

    /// Line and column, both from 1, columns in characters.
    pub(super) fn position(self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    fn excerpt(self, at: Range<usize>) -> String {
        let (line, column) = self.position(at.start);
        let content = self.text.lines().nth(line - 1).unwrap_or_default();
        let room = content.chars().count().saturating_sub(column - 1).max(1);
        let marked = self.text.get(at).map_or(1, |marked| marked.chars().count()).clamp(1, room);
        let (indent, mark) = (" ".repeat(column - 1), "^".repeat(marked));
        format!("{line:>5} | {content}\n      | {indent}{mark}")
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str();
            i128::from_str_radix(digits, number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

const SUBSCRIPTIONS: &str = "notify.subscription";
const TLS_NAMES: &str = "amqp.tls.name";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<FileSettings, Vec<Fault>> {
        Document { path: Path::new("t.toml"), text }.settings()
    }

    #[test]
    fn tables_and_dotted_keys_say_the_same_and_numbers_are_text() {
        for text in [
            "[amqp]\nchannel_max = 1_28\n",
            "amqp.channel_max = 0x80",
            "amqp = { channel_max = \"128\" }",
        ] {
            let settings = parse(text).unwrap();
            assert_eq!(settings.values["amqp.channel_max"].setting.text, "128", "{text}");
        }
    }

    #[test]
    fn wrong_syntax_is_shown_with_line_column_and_what_was_expected() {
        let faults = parse("[amqp]\nlisten \"x\"\n").unwrap_err();
        let said = faults[0].to_string();
        assert!(said.starts_with("t.toml:2:8: "), "{said}");
        assert!(said.contains("expected"), "{said}");
        assert!(said.ends_with("    2 | listen \"x\"\n      |        ^"), "{said}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let faults = parse("[ampq]\nlisten = \"x\"\n\n[colours]\nblue = 1\n").unwrap_err();
        assert_eq!(faults.len(), 2);
        let said = faults[0].to_string();
        assert!(
            said.starts_with("t.toml:2:1: unknown key 'ampq.listen'; did you mean 'amqp.listen'?"),
            "{said}"
        );
        assert!(faults[1].to_string().contains("unknown key 'colours.blue'; tubepost config"));
    }

    #[test]
    fn a_list_where_one_text_belongs_is_refused() {
        let said = parse("data_dir = [\"a\"]").unwrap_err()[0].to_string();
        assert!(said.starts_with("t.toml:1:12: data_dir: expected text, found array"), "{said}");
    }
}
