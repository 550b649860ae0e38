//! `[[notify.subscription]]`: what somebody wants to hear of by mail. The form is notify's;
//! this file says which keys it has.

use super::table_array::TableArray;

/// `[[notify.subscription]]` in the file.
pub(super) const TABLES: TableArray = TableArray {
    header: "notify.subscription",
    noun: "a subscription",
    keys: &[
        "name",
        "to",
        "patterns",
        "people",
        "packages",
        "apps",
        "severity_min",
        "except_agents",
    ],
};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use event::Severity;
    use notify::SubscriptionSettings;
    use toml::de::DeTable;

    use super::*;
    use crate::config::file::Document;

    fn parse(text: &str) -> Result<Vec<SubscriptionSettings>, String> {
        let document = Document { path: Path::new("t.toml"), text };
        let table = DeTable::parse(text).unwrap();
        let value = &table.get_ref()["s"];
        TABLES
            .read(document, value)
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
