//! A value that is never shown.

use std::{fmt, fs, path::Path};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A password. `Debug`, `Display` and `Serialize` show stars; only [`Secret::expose`] shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Secret {
        Secret(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        // The value must not appear in the message when it is of the wrong type.
        match String::deserialize(from) {
            Ok(value) => Ok(Secret(value)),
            Err(_) => Err(serde::de::Error::custom("a password is a string in quotes")),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(MASK)
    }
}

/// A secret that is said, or stands in a file, `KEY_file`, and not both.
pub(crate) fn one_of(
    key: &str,
    said: Option<Secret>,
    file: Option<&Path>,
    wrong: &mut impl FnMut(String),
) -> Option<Secret> {
    match (said, file) {
        (Some(_), Some(_)) => {
            wrong(format!("{key} and {key}_file are both set; keep one"));
            None
        }
        (said, None) => said,
        (None, Some(path)) => {
            in_file(path).map_err(|why| wrong(format!("{key}_file {} {why}", path.display()))).ok()
        }
    }
}

fn in_file(path: &Path) -> Result<Secret, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let secret = text.trim_end_matches(['\r', '\n']);
    match secret.is_empty() || secret.contains(char::is_control) {
        true => Err("does not hold one line".to_owned()),
        false => Ok(Secret::from(secret.to_owned())),
    }
}

const MASK: &str = "********";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_nowhere() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(secret.expose(), "hunter2");
        for shown in [
            format!("{secret:?} {secret} {secret:#?}"),
            serde_json::to_string(&secret).unwrap(),
            serde_json::from_str::<Secret>("20260101").unwrap_err().to_string(),
        ] {
            assert!(!shown.contains("hunter2") && !shown.contains("20260101"), "{shown}");
        }
    }
}
