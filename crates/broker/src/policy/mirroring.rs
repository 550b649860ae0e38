//! Settings of mirrored queues, which RabbitMQ had until 4.0. Definitions of that time have them;
//! here they are checked as there and have no effect: there is one node.

use serde_json::Value;

use super::{definition::Settings, erlang};

/// What is wrong with the settings together, in RabbitMQ's words.
pub(super) fn check(settings: &Settings) -> Result<(), String> {
    let get = |name: &str| settings.get(name);
    let Some(mode) = get("ha-mode") else {
        let others = [
            "ha-params",
            "ha-sync-mode",
            "ha-sync-batch-size",
            "ha-promote-on-shutdown",
            "ha-promote-on-failure",
        ];
        return match others.iter().any(|name| get(name).is_some()) {
            true => Err("ha-mode must be specified to specify ha-params, \
                         ha-sync-mode or ha-promote-on-shutdown"
                .to_owned()),
            false => Ok(()),
        };
    };
    check_mode(mode, get("ha-params"))?;
    let one_of = |name: &str, words: [&str; 2]| match get(name) {
        Some(value) if value.as_str().is_none_or(|word| !words.contains(&word)) => Err(format!(
            "{name} must be \"{}\" or \"{}\", got {}",
            words[0],
            words[1],
            erlang::term(value)
        )),
        _ => Ok(()),
    };
    one_of("ha-sync-mode", ["manual", "automatic"])?;
    if let Some(size) = get("ha-sync-batch-size")
        && size.as_u64().is_none_or(|size| size == 0)
    {
        return Err(format!(
            "ha-sync-batch-size takes an integer greater than 0, {} given",
            erlang::term(size)
        ));
    }
    one_of("ha-promote-on-shutdown", ["always", "when-synced"])?;
    one_of("ha-promote-on-failure", ["always", "when-synced"])
}

fn check_mode(mode: &Value, parameters: Option<&Value>) -> Result<(), String> {
    let given = parameters.map_or_else(|| "none".to_owned(), erlang::term);
    match mode.as_str() {
        Some("all") => Ok(()),
        Some("exactly") => match parameters.and_then(Value::as_u64) {
            Some(1..) => Ok(()),
            _ => Err(format!("ha-mode=\"exactly\" takes an integer, {given} given")),
        },
        Some("nodes") => match parameters.and_then(Value::as_array) {
            None => Err(format!("ha-mode=\"nodes\" takes a list, {given} given")),
            Some(nodes) if nodes.is_empty() => {
                Err("ha-mode=\"nodes\" list must be non-empty".to_owned())
            }
            Some(nodes) => {
                let wrong: Vec<Value> =
                    nodes.iter().filter(|node| !node.is_string()).cloned().collect();
                match wrong.is_empty() {
                    true => Ok(()),
                    false => Err(format!(
                        "ha-mode=\"nodes\" takes a list of strings, {} was not a string",
                        erlang::term(&Value::Array(wrong))
                    )),
                }
            }
        },
        _ => Err(format!("{} is not a valid ha-mode value", erlang::term(mode))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(value: Value) -> Result<(), String> {
        check(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn settings_of_mirrored_queues_are_checked_as_rabbitmq_3_did() {
        for good in [
            json!({}),
            json!({"ha-mode": "all", "ha-sync-mode": "automatic", "ha-sync-batch-size": 100}),
            json!({"ha-mode": "exactly", "ha-params": 2, "ha-promote-on-failure": "when-synced"}),
            json!({"ha-mode": "nodes", "ha-params": ["a"], "ha-promote-on-shutdown": "always"}),
        ] {
            assert_eq!(said(good), Ok(()));
        }
        for (bad, expected) in [
            (json!({"ha-params": 2}), "ha-mode must be specified"),
            (json!({"ha-mode": "some"}), "<<\"some\">> is not a valid ha-mode value"),
            (json!({"ha-mode": "exactly"}), "takes an integer, none given"),
            (json!({"ha-mode": "nodes", "ha-params": []}), "must be non-empty"),
            (json!({"ha-mode": "nodes", "ha-params": ["a", 1]}), "[1] was not a string"),
            (
                json!({"ha-mode": "all", "ha-sync-mode": "x"}),
                "ha-sync-mode must be \"manual\" or \"automatic\", got <<\"x\">>",
            ),
            (json!({"ha-mode": "all", "ha-sync-batch-size": 0}), "greater than 0, 0 given"),
        ] {
            let said = said(bad).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
