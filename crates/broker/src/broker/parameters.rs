//! Global parameters: words that tools keep with a broker, and its name. Kept in the ledger; what
//! they mean is not this crate's business.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{
    Broker, Error,
    ledger::Change,
    limits::{GLOBAL_PARAMETERS_MAX, NAME_BYTES_MAX, PARAMETER_BYTES_MAX},
    sync::{read, write},
};

/// Values by name.
pub(crate) type GlobalParameters = BTreeMap<String, Value>;

impl Broker {
    /// The global parameters as they are now, by name.
    pub fn global_parameters(&self) -> Arc<BTreeMap<String, Value>> {
        read(&self.parameters).clone()
    }

    /// Sets a global parameter, or takes it away. Says whether there was one of that name.
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`]: its name or value is too long, or there are too
    /// many; [`crate::error::Kind::DiskFull`].
    pub fn set_global_parameter(&self, name: &str, value: Option<Value>) -> Result<bool, Error> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Error::precondition(format!(
                "the name of a global parameter has 1 to {NAME_BYTES_MAX} bytes"
            )));
        }
        let size = value.as_ref().map_or(0, |value| value.to_string().len());
        if size > PARAMETER_BYTES_MAX {
            return Err(Error::precondition(format!(
                "global parameter '{name}' has {size} bytes; {PARAMETER_BYTES_MAX} are the most"
            )));
        }
        let _turn = self.ledger.turn();
        let mut after = (*self.global_parameters()).clone();
        let change = match value {
            Some(value) => {
                if !after.contains_key(name) && after.len() >= GLOBAL_PARAMETERS_MAX {
                    return Err(Error::precondition(format!(
                        "cannot set global parameter '{name}': there are {GLOBAL_PARAMETERS_MAX} \
                         already, the most"
                    )));
                }
                Change::GlobalParameter { name: name.to_owned(), value }
            }
            None if !after.contains_key(name) => return Ok(false),
            None => Change::GlobalParameterDeleted { name: name.to_owned() },
        };
        self.ledger.record(std::slice::from_ref(&change))?;
        let was_there = match change {
            Change::GlobalParameter { name, value } => after.insert(name, value).is_some(),
            _ => after.remove(name).is_some(),
        };
        *write(&self.parameters) = Arc::new(after);
        Ok(was_there)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Options;

    #[test]
    fn a_parameter_is_set_replaced_and_taken_away() {
        let broker = Broker::in_memory(&Options::default());
        assert!(!broker.set_global_parameter("a", Some(json!({"b": 1}))).unwrap());
        assert!(broker.set_global_parameter("a", Some(json!(2))).unwrap());
        assert_eq!(broker.global_parameters().get("a"), Some(&json!(2)));
        assert!(broker.set_global_parameter("a", None).unwrap());
        assert!(!broker.set_global_parameter("a", None).unwrap());
    }

    #[test]
    fn names_values_and_their_number_have_bounds() {
        let broker = Broker::in_memory(&Options::default());
        let set = |name: &str, value: String| broker.set_global_parameter(name, Some(json!(value)));
        assert!(set(&"x".repeat(255), "v".repeat(PARAMETER_BYTES_MAX - 2)).is_ok());
        assert!(set("", String::new()).is_err());
        assert!(set(&"x".repeat(256), String::new()).is_err());
        assert!(set("v", "v".repeat(PARAMETER_BYTES_MAX - 1)).is_err());
        for n in 1..GLOBAL_PARAMETERS_MAX {
            set(&n.to_string(), String::new()).unwrap();
        }
        assert!(set("one more", String::new()).unwrap_err().text.contains("already, the most"));
        assert!(set("1", "again".to_owned()).unwrap(), "one that is there can be changed still");
    }
}
