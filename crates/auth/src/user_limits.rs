//! How much one user may have open at a time, whichever virtual hosts it is in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;

/// Limits of a user; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UserLimits {
    /// Open connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u64>,
    /// Open channels, of all connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_channels: Option<u64>,
}

impl UserLimits {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == UserLimits::default()
    }

    /// Sets a limit by RabbitMQ's name for it, or takes it away. A negative one is none.
    ///
    /// # Errors
    /// There is no limit of that name, or the value is no number.
    pub fn set(&mut self, name: &str, value: Option<&Value>) -> Result<(), Error> {
        let limit = match value {
            None => None,
            Some(value) => {
                let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
                let number = number.ok_or_else(|| invalid(format!("{name} should be a number")))?;
                u64::try_from(number).ok()
            }
        };
        match name {
            "max-connections" => self.max_connections = limit,
            "max-channels" => self.max_channels = limit,
            other => {
                let known = "known are max-connections and max-channels";
                return Err(invalid(format!("unrecognised limit '{other}'; {known}")));
            }
        }
        Ok(())
    }

    /// As a definitions file has them.
    ///
    /// # Errors
    /// As [`UserLimits::set`].
    pub fn of_definition(written: &Map<String, Value>) -> Result<UserLimits, Error> {
        let mut limits = UserLimits::default();
        written.iter().try_for_each(|(name, value)| limits.set(name, Some(value)))?;
        Ok(limits)
    }

    /// As a definitions file has them.
    pub fn definition(&self) -> Map<String, Value> {
        let named =
            [("max-connections", self.max_connections), ("max-channels", self.max_channels)];
        let there =
            named.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), limit?.into())));
        there.collect()
    }
}

fn invalid(reason: String) -> Error {
    Error::Limit { reason: reason.chars().take(200).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_numbers_known_by_name_and_a_negative_one_is_none() {
        let written = json!({"max-connections": 5, "max-channels": -1});
        let limits = UserLimits::of_definition(written.as_object().unwrap()).unwrap();
        assert_eq!((limits.max_connections, limits.max_channels), (Some(5), None));
        assert_eq!(Value::from(limits.definition()), json!({"max-connections": 5}));
        let mut limits = limits;
        limits.set("max-connections", None).unwrap();
        assert!(limits.is_none());
        for (name, value) in [("max-connections", json!("x")), ("max-fun", json!(1))] {
            let refused = limits.set(name, Some(&value)).unwrap_err().to_string();
            assert!(refused.contains(name), "{refused}");
        }
    }
}
