//! `[[notify.subscription]]`: what somebody wants to hear of by mail. The form is notify's;
//! this file finds out where in the document it is wrong.

use notify::SubscriptionSettings;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeValue, ValueDeserializer},
};

use super::{fault::Fault, file::Document, nearest::nearest};

/// Reads the value of `notify.subscription`.
pub(super) fn read_all<'a>(
    document: Document<'a>,
    value: &Spanned<DeValue<'a>>,
) -> Result<Vec<SubscriptionSettings>, Vec<Fault>> {
    let expected = "expected tables, each under [[notify.subscription]]";
    let DeValue::Array(items) = value.get_ref() else {
        return Err(vec![document.fault(value.span(), expected)]);
    };
    let mut subscriptions: Vec<SubscriptionSettings> = Vec::new();
    let mut faults = Vec::new();
    for item in items {
        match read(document, item) {
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
) -> Result<SubscriptionSettings, Box<Fault>> {
    if let DeValue::Table(table) = item.get_ref()
        && let Some(key) = table.keys().find(|key| !KEYS.contains(&key.get_ref().as_ref()))
    {
        let unknown = key.get_ref();
        let meant = match nearest(unknown, KEYS.into_iter()) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("known are {}", KEYS.join(", ")),
        };
        let problem = format!("unknown key '{unknown}' of a subscription; {meant}");
        return Err(Box::new(document.fault(key.span(), problem)));
    }
    SubscriptionSettings::deserialize(ValueDeserializer::from(item.clone())).map_err(|error| {
        let at = error.span().unwrap_or(item.span());
        Box::new(document.fault(at, error.message().trim_end()))
    })
}

const KEYS: [&str; 8] =
    ["name", "to", "patterns", "people", "packages", "apps", "severity_min", "except_agents"];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use event::Severity;
    use toml::de::DeTable;

    use super::*;

    fn parse(text: &str) -> Result<Vec<SubscriptionSettings>, String> {
        let document = Document { path: Path::new("t.toml"), text };
        let table = DeTable::parse(text).unwrap();
        let value = &table.get_ref()["s"];
        read_all(document, value)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_subscription_is_read_with_every_key_there_is() {
        let read = parse(
            "[[s]]\nname = \"bash\"\nto = \"ada@example.org\"\npatterns = [\"#.git.*\"]\n\
             people = [\"ada\"]\npackages = [\"bash\", \"zsh\"]\napps = [\"git\"]\n\
             severity_min = \"warning\"\nexcept_agents = [\"ada\"]\n",
        )
        .unwrap();
        let bash = &read[0];
        assert_eq!(
            (bash.name.as_deref(), bash.to.to_string()),
            (Some("bash"), "ada@example.org".to_owned())
        );
        assert_eq!(bash.patterns[0].as_str(), "#.git.*");
        assert_eq!(bash.packages, ["bash", "zsh"]);
        assert_eq!(bash.severity_min, Some(Severity::Warning));
        assert_eq!(bash.except_agents, ["ada"]);
    }

    #[test]
    fn what_is_missing_or_misspelled_is_refused_with_its_line() {
        for (text, place, said) in [
            ("[[s]]\nname = \"a\"\n", "t.toml:1:1: ", "missing field `to`"),
            (
                "[[s]]\nname = \"a\"\nto = \"nobody\"\n",
                "t.toml:3:6: ",
                "'nobody' is not a mail address",
            ),
            ("[[s]]\npattern = []\n", "t.toml:2:1: ", "did you mean 'patterns'?"),
            ("[[s]]\nto = \"a@b.c\"\npatterns = \"#\"\n", "t.toml:3:12: ", "expected a sequence"),
            (
                "[[s]]\nto = \"a@b.c\"\nseverity_min = \"bad\"\n",
                "t.toml:3:16: ",
                "'bad' is not a severity",
            ),
            ("s = 1", "t.toml:1:5: ", "expected tables"),
            ("s = [1]", "t.toml:1:6: ", "invalid type"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.starts_with(place) && fault.contains(said), "{fault}");
        }
    }
}
