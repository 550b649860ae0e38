//! The rows of `crates/amqp10/requirements.toml`.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::FILE;

/// All rows, in the order of the sections.
pub(super) struct Requirements {
    pub(super) rows: Vec<Requirement>,
}

/// One demand of the specification.
pub(super) struct Requirement {
    pub(super) section: String,
    pub(super) name: String,
    pub(super) stand: Stand,
    who: String,
    says: String,
}

/// How the project stands to it.
pub(super) enum Stand {
    /// It has to be cited.
    Kept,
    /// Why not.
    NotKept(String),
    /// Whose it is.
    NotOurs(String),
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "§{} {} ({}): {}", self.section, self.name, self.who, self.says)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Row {
    who: String,
    says: String,
    not_kept: Option<String>,
    not_ours: Option<String>,
}

impl Requirements {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not as its first lines say, with line and column.
    pub(super) fn parse(text: &str) -> Result<Requirements> {
        let sections: BTreeMap<String, BTreeMap<String, Row>> =
            toml::from_str(text).with_context(|| format!("{FILE} is not as it should be"))?;
        let mut rows = Vec::new();
        for (section, of_section) in sections {
            for (name, row) in of_section {
                let Row { who, says, not_kept, not_ours } = row;
                let stand = match (not_kept, not_ours) {
                    (None, None) => Stand::Kept,
                    (Some(why), None) => Stand::NotKept(why),
                    (None, Some(whose)) => Stand::NotOurs(whose),
                    (Some(_), Some(_)) => {
                        anyhow::bail!("{FILE}: §{section} {name} has two excuses, leave one")
                    }
                };
                let row = Requirement { section: section.clone(), name, stand, who, says };
                ensure!(!row.says.is_empty(), "{FILE}: {row} demands nothing");
                rows.push(row);
            }
        }
        ensure!(!rows.is_empty(), "{FILE} is not there, or has no row");
        rows.sort_by_cached_key(|row| place(&row.section));
        Ok(Requirements { rows })
    }
}

/// 2.10 comes behind 2.9.
fn place(section: &str) -> Vec<u32> {
    section.split('.').map(|number| number.parse().unwrap_or(u32::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_stand_in_their_order() {
        let row = |section: &str| format!("[\"{section}\".a]\nwho = \"w\"\nsays = \"s\"\n");
        let text = ["2.10", "2.9", "10.1", "2.9.1"].map(row).concat();
        let read = Requirements::parse(&text).unwrap();
        let sections: Vec<&str> = read.rows.iter().map(|it| &*it.section).collect();
        assert_eq!(sections, ["2.9", "2.9.1", "2.10", "10.1"]);
    }

    #[test]
    fn a_row_that_is_wrong_is_refused() {
        for (row, words) in [
            ("who = \"w\"", "not as it should be"),
            ("who = \"w\"\nsays = \"\"", "demands nothing"),
            ("who = \"w\"\nsays = \"s\"\nkept = \"no\"", "not as it should be"),
            ("who = \"w\"\nsays = \"s\"\nnot-kept = \"a\"\nnot-ours = \"b\"", "two excuses"),
        ] {
            let error = Requirements::parse(&format!("[\"1\".a]\n{row}\n")).err().unwrap();
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
        assert!(Requirements::parse("").is_err());
    }
}
