//! The text of every option and where it came from: flag, else variable, else file, else default.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    path::{Path, PathBuf},
};

use notify::SubscriptionSettings;

use super::{
    declared::{AnyDeclared, Declared, Fallback},
    fault::{Fault, Origin},
    file, table,
    tls_name::TlsName,
};

/// The environment variables of the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Those of this process.
    pub(crate) fn of_process() -> Environment {
        Environment { variables: std::env::vars_os().collect() }
    }

    /// A variable's text; one that is empty or not UTF-8 counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = self.variables.get(std::ffi::OsStr::new(name))?.to_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Environment {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Environment { variables: variables.collect() }
    }
}

/// An option's text and its origin.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// What was said, by whom. Every text in it is a value of its option.
#[derive(Debug)]
pub(crate) struct Settings {
    said: HashMap<&'static str, Setting>,
    subscriptions: Vec<SubscriptionSettings>,
    tls_names: Vec<TlsName>,
    file: Option<PathBuf>,
    environment: Environment,
}

impl Settings {
    /// Gathers what flags, environment and file say. `flag` gives the text of a flag by the
    /// option's key; `file` is what `--config` says.
    ///
    /// # Errors
    /// All faults at once: a file that cannot be read or parsed, unknown keys, texts that are no
    /// values.
    pub(crate) fn gather(
        flag: impl Fn(&str) -> Option<String>,
        environment: Environment,
        named_file: Option<&Path>,
    ) -> Result<Settings, Vec<Fault>> {
        let mut read = file::read(named_file, &environment)?;
        let mut faults = Vec::new();
        let mut said = HashMap::new();
        for option in options() {
            let declaration = option.declaration();
            let setting = said_by_flag(option, &flag)
                .or_else(|| said_by_variable(option, &environment))
                .map(|setting| (setting, None))
                .or_else(|| {
                    read.values.remove(declaration.key).map(|v| (v.setting, Some(v.excerpt)))
                });
            let Some((setting, excerpt)) = setting else { continue };
            if let Err(problem) = option.check(&setting.text) {
                let shown = declaration.mask.apply(&setting.text);
                let excerpt = excerpt.filter(|_| shown == setting.text);
                let problem = format!("'{shown}' {problem}");
                faults.push(Fault { excerpt, ..Fault::at(&setting.origin, problem) });
            }
            said.insert(declaration.key, setting);
        }
        match faults.is_empty() {
            true => Ok(Settings {
                said,
                subscriptions: read.subscriptions,
                tls_names: read.tls_names,
                file: read.path,
                environment,
            }),
            false => Err(faults),
        }
    }

    /// What somebody said of an option.
    pub(crate) fn said(&self, key: &str) -> Option<&Setting> {
        self.said.get(key)
    }

    /// The setting in force, `None` when nothing was said and there is no default.
    pub(crate) fn in_force(&self, option: &dyn AnyDeclared) -> Option<Setting> {
        let declaration = option.declaration();
        self.said(declaration.key).cloned().or_else(|| {
            let text = match declaration.default {
                Fallback::Text(text) => Some(text.to_owned()),
                Fallback::Unset(_) => None,
                Fallback::Derived(derive, _) => derive(self),
            };
            text.map(|text| Setting { text, origin: Origin::Default })
        })
    }

    /// The value in force.
    ///
    /// # Errors
    /// The text is no value; for what was said that was checked before.
    pub(crate) fn get<T>(&self, option: &Declared<T>) -> Result<Option<T>, Fault> {
        let Some(setting) = self.in_force(option) else { return Ok(None) };
        (option.parse)(&setting.text).map(Some).map_err(|problem| {
            let shown = option.declaration.mask.apply(&setting.text);
            Fault::at(&setting.origin, format!("{}: '{shown}' {problem}", option.declaration.key))
        })
    }

    /// As [`Settings::get`], of an option that always has a value.
    ///
    /// # Errors
    /// As [`Settings::get`]; also when there is none, with the mend.
    pub(crate) fn need<T>(&self, option: &Declared<T>) -> Result<T, Fault> {
        self.get(option)?.ok_or_else(|| {
            let declaration = &option.declaration;
            let problem = format!("is not set; set it with {}", declaration.variable);
            Fault { place: declaration.key.to_owned(), problem, excerpt: None }
        })
    }

    /// The mail subscriptions as the file has them.
    pub(crate) fn subscriptions(&self) -> &[SubscriptionSettings] {
        &self.subscriptions
    }

    /// The certificates for single names, as the file has them.
    pub(crate) fn tls_names(&self) -> &[TlsName] {
        &self.tls_names
    }

    /// The file that was read.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The process's variables.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// All options of the table.
pub(crate) fn options() -> impl Iterator<Item = &'static dyn AnyDeclared> {
    table::GROUPS.iter().flat_map(|group| group.options.iter().copied())
}

fn said_by_flag(
    option: &dyn AnyDeclared,
    flag: &impl Fn(&str) -> Option<String>,
) -> Option<Setting> {
    let declaration = option.declaration();
    let name = declaration.flag?;
    flag(declaration.key).map(|text| Setting { text, origin: Origin::Flag(format!("--{name}")) })
}

fn said_by_variable(option: &dyn AnyDeclared, environment: &Environment) -> Option<Setting> {
    let name = option.declaration().variable;
    environment.get(name).map(|text| Setting { text, origin: Origin::Variable(name.to_owned()) })
}

/// The bus when nobody named one: the broker of this machine.
pub(super) fn local_bus(settings: &Settings) -> Option<String> {
    let listen = settings.need(&table::AMQP_LISTEN).ok()?;
    // Without a path: "/" would be the virtual host of the empty name.
    Some(format!("amqp://guest:guest@{}", listen.local_authority()))
}

/// Where events wait when nobody named a place.
pub(super) fn spool_directory(settings: &Settings) -> Option<String> {
    let environment = settings.environment();
    let directory = client::usual_spool(|name| environment.get(name))?;
    Some(directory.display().to_string())
}

/// Where people's rules are when nobody named a place.
pub(super) fn notify_store(settings: &Settings) -> Option<String> {
    let directory = settings.need(&table::DATA_DIR).ok()?;
    Some(directory.join("notify.db").display().to_string())
}

/// Where the key is that browsers are subscribed with, when nobody named a file.
pub(super) fn push_key_file(settings: &Settings) -> Option<String> {
    let directory = settings.need(&table::DATA_DIR).ok()?;
    Some(directory.join("push.key").display().to_string())
}

/// Where people's feeds are fetched when nobody says what the machine is called outside.
pub(super) fn feed_url(settings: &Settings) -> Option<String> {
    let address = settings.need(&table::HTTP_LISTEN).ok()?;
    Some(format!("http://{}", address.local_authority()))
}

/// Where copies of registries are kept when nobody named a place.
pub(super) fn schemas_cache(settings: &Settings) -> Option<String> {
    let environment = settings.environment();
    let home = || environment.get("HOME").map(|home| format!("{home}/.cache"));
    let cache = environment.get("XDG_CACHE_HOME").or_else(home);
    Some(format!("{}/tubepost/schemas", cache.as_deref().unwrap_or("/var/cache")))
}

/// Where the agent listens when nobody named a place.
pub(super) fn agent_socket(settings: &Settings) -> Option<String> {
    let environment = settings.environment();
    let sockets = client::usual_sockets(|name| environment.get(name));
    Some(sockets.first()?.display().to_string())
}

/// The sender when nobody named one.
pub(super) fn mail_from(_: &Settings) -> Option<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok().filter(|name| !name.is_empty());
    Some(format!("tubepost@{}", name.unwrap_or("localhost")))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn settings(
        flags: &[(&str, &str)],
        variables: &[(&str, &str)],
        file: Option<&Path>,
    ) -> Result<Settings, Vec<Fault>> {
        let flags: HashMap<_, _> = flags.iter().copied().collect();
        // An absent home keeps the configuration of whoever runs the tests out of them.
        let base = [("HOME", "/nonexistent")];
        let environment = variables.iter().chain(&base).copied().collect();
        Settings::gather(|key| flags.get(key).map(|text| (*text).to_owned()), environment, file)
    }

    #[test]
    fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("t.toml");
        std::fs::write(&file, "[amqp]\nlisten = \"127.0.0.1:3\"\n").unwrap();
        let flag = [("amqp.listen", "127.0.0.1:1")];
        let variable = [("TUBEPOST_AMQP", "127.0.0.1:2")];
        let line = Origin::File { path: file.clone(), line: 2, key: "amqp.listen".to_owned() };
        for (flags, variables, file, port, origin) in [
            (
                &flag[..],
                &variable[..],
                Some(file.as_path()),
                "1",
                Origin::Flag("--amqp".to_owned()),
            ),
            (&[], &variable, Some(&file), "2", Origin::Variable("TUBEPOST_AMQP".to_owned())),
            (&[], &[], Some(&file), "3", line),
            (&[], &[], None, "5672", Origin::Default),
            (&[], &[("TUBEPOST_AMQP", "")], None, "5672", Origin::Default),
        ] {
            let settings = settings(flags, variables, file).unwrap();
            let setting = settings.in_force(&table::AMQP_LISTEN).unwrap();
            assert_eq!((setting.text, setting.origin), (format!("127.0.0.1:{port}"), origin));
        }
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_origin() {
        let faults = settings(
            &[("http.listen", "nowhere")],
            &[("TUBEPOST_AMQP", "x"), ("TUBEPOST_BUS", "http://ada:secret@host/")],
            None,
        )
        .unwrap_err();
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            said[0],
            "TUBEPOST_AMQP: 'x' is not an address: expected HOST:PORT such as 127.0.0.1:5672"
        );
        assert!(said[1].starts_with("--http: 'nowhere' is not an address"), "{said:?}");
        assert!(
            said[2].starts_with("TUBEPOST_BUS: 'http://ada:********@host/' is not"),
            "{said:?}"
        );
    }

    #[test]
    fn the_default_bus_is_the_broker_on_the_address_it_listens_on() {
        let settings = settings(&[], &[("TUBEPOST_AMQP", "0.0.0.0:7")], None).unwrap();
        assert_eq!(settings.need(&table::BUS_URL).unwrap(), "amqp://guest:guest@127.0.0.1:7");
    }

    #[test]
    fn every_option_is_declared_consistently() {
        let mut names = HashSet::new();
        for option in options() {
            let declaration = option.declaration();
            assert!(names.insert(declaration.key), "{}", declaration.key);
            assert!(names.insert(declaration.variable), "{}", declaration.variable);
            assert!(declaration.variable.starts_with("TUBEPOST_"), "{}", declaration.variable);
            assert!(
                declaration.flag.is_none_or(|flag| names.insert(flag)),
                "{:?}",
                declaration.flag
            );
            assert_eq!(option.check(declaration.example), Ok(()), "{}", declaration.key);
            if let Fallback::Text(text) = declaration.default {
                assert_eq!(option.check(text), Ok(()), "{}", declaration.key);
            }
            assert!(!declaration.help.ends_with('.'), "{}", declaration.key);
        }
    }
}
