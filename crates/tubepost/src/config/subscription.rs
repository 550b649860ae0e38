//! `[[notify.mail.subscription]]`: what somebody wants to hear of by mail.

use event::{Pattern, Severity};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{fault::Fault, file::Document, mail, nearest::nearest};

/// A subscription of the file, checked.
#[derive(Debug, Clone)]
pub(crate) struct RawSubscription {
    /// Unique; names the durable state of it.
    pub(crate) name: String,
    /// The mail address.
    pub(crate) to: String,
    /// Topics; none means all.
    pub(crate) patterns: Vec<Pattern>,
    /// Only events that concern one of these people; none means whoever.
    pub(crate) people: Vec<String>,
    /// Only events that concern one of these packages; none means whatever.
    pub(crate) packages: Vec<String>,
    /// Only events of one of these applications; none means all.
    pub(crate) apps: Vec<String>,
    /// Only events that matter at least so much.
    pub(crate) severity: Severity,
}

/// Reads the value of `notify.mail.subscription`.
pub(super) fn read_all<'a>(
    document: Document<'a>,
    value: &Spanned<DeValue<'a>>,
) -> Result<Vec<RawSubscription>, Vec<Fault>> {
    let expected = "expected tables, each under [[notify.mail.subscription]]";
    let DeValue::Array(items) = value.get_ref() else {
        return Err(vec![document.fault(value.span(), expected)]);
    };
    let mut subscriptions: Vec<RawSubscription> = Vec::new();
    let mut faults = Vec::new();
    for item in items {
        let DeValue::Table(table) = item.get_ref() else {
            faults.push(document.fault(item.span(), expected));
            continue;
        };
        match read(document, item, table) {
            Ok(subscription) if subscriptions.iter().any(|other| other.name == subscription.name) => {
                let problem = format!("a second subscription named '{}'", subscription.name);
                faults.push(document.fault(item.span(), problem));
            }
            Ok(subscription) => subscriptions.push(subscription),
            Err(fault) => faults.push(*fault),
        }
    }
    match faults.is_empty() {
        true => Ok(subscriptions),
        false => Err(faults),
    }
}

fn read<'a>(
    document: Document<'a>,
    item: &Spanned<DeValue<'a>>,
    table: &DeTable<'a>,
) -> Result<RawSubscription, Box<Fault>> {
    let mut subscription = RawSubscription {
        name: String::new(),
        to: String::new(),
        patterns: Vec::new(),
        people: Vec::new(),
        packages: Vec::new(),
        apps: Vec::new(),
        severity: Severity::Info,
    };
    for (key, value) in table {
        let fault = |problem: String| Box::new(document.fault(value.span(), problem));
        let one = || value.get_ref().as_str().ok_or_else(|| fault(format!("{}: expected text", key.get_ref())));
        let list = || texts(value.get_ref()).ok_or_else(|| {
            fault(format!("{}: expected a list of texts such as [\"a\", \"b\"]", key.get_ref()))
        });
        match key.get_ref().as_ref() {
            "name" => subscription.name = name(one()?).map_err(fault)?,
            "to" => {
                subscription.to =
                    mail::address(one()?).map_err(|problem| fault(format!("'{}' {problem}", one().unwrap_or_default())))?;
            }
            "patterns" => {
                subscription.patterns = list()?
                    .iter()
                    .map(|text| text.parse().map_err(|error: event::Error| fault(error.to_string())))
                    .collect::<Result<_, _>>()?;
            }
            "people" => subscription.people = list()?,
            "packages" => subscription.packages = list()?,
            "apps" => subscription.apps = list()?,
            "severity" => subscription.severity = one()?.parse().map_err(fault)?,
            unknown => {
                let meant = nearest(unknown, KEYS.into_iter())
                    .map_or_else(|| format!("; known are {}", KEYS.join(", ")), |meant| format!("; did you mean '{meant}'?"));
                let problem = format!("unknown key '{unknown}' of a subscription{meant}");
                return Err(Box::new(document.fault(key.span(), problem)));
            }
        }
    }
    for (key, text) in [("name", &subscription.name), ("to", &subscription.to)] {
        if text.is_empty() {
            let problem = format!("a subscription without '{key}'; add {key} = \"…\"");
            return Err(Box::new(document.fault(item.span(), problem)));
        }
    }
    Ok(subscription)
}

fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::Array(items) => {
            items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

// It becomes part of List-Id and of headers.
fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "'{text}' is not a subscription's name: expected up to 64 letters, digits, '-', '_' or '.'"
        )),
    }
}

const KEYS: [&str; 7] = ["name", "to", "patterns", "people", "packages", "apps", "severity"];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Result<Vec<RawSubscription>, String> {
        let document = Document { path: Path::new("t.toml"), text };
        let table = DeTable::parse(text).unwrap();
        let value = &table.get_ref()["s"];
        read_all(document, value)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_subscription_is_read_with_its_tests() {
        let read = parse(
            "[[s]]\nname = \"bash\"\nto = \"ada@example.org\"\npatterns = [\"#.git.*\"]\n\
             people = [\"ada\"]\npackages = [\"bash\", \"zsh\"]\napps = [\"git\"]\nseverity = \"warning\"\n",
        )
        .unwrap();
        let bash = &read[0];
        assert_eq!((bash.name.as_str(), bash.to.as_str()), ("bash", "ada@example.org"));
        assert_eq!(bash.patterns[0].as_str(), "#.git.*");
        assert_eq!(bash.packages, ["bash", "zsh"]);
        assert_eq!(bash.severity, Severity::Warning);
    }

    #[test]
    fn what_is_missing_twice_or_misspelled_is_refused_with_its_line() {
        for (text, expected) in [
            ("[[s]]\nname = \"a\"\n", "t.toml:1:1: a subscription without 'to'"),
            ("[[s]]\nname = \"a\"\nto = \"nobody\"\n", "t.toml:3:6: 'nobody' is not a mail address"),
            ("[[s]]\npattern = []\n", "t.toml:2:1: unknown key 'pattern' of a subscription; did you mean 'patterns'?"),
            ("[[s]]\npatterns = \"#\"\n", "t.toml:2:12: patterns: expected a list"),
            ("[[s]]\nseverity = \"bad\"\n", "t.toml:2:12: 'bad' is not a severity"),
            ("[[s]]\nname = \"a b\"\n", "t.toml:2:8: 'a b' is not a subscription's name"),
            ("s = 1", "t.toml:1:5: expected tables"),
            (
                "[[s]]\nname = \"a\"\nto = \"a@b\"\n[[s]]\nname = \"a\"\nto = \"a@b\"\n",
                "t.toml:4:1: a second subscription named 'a'",
            ),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
