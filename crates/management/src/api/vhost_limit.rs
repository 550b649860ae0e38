//! Limits of virtual hosts.

use broker::{
    VirtualHost, VirtualHostLimits,
    authorize::{Action, Resource},
};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
};

/// `GET /api/vhost-limits`, `/api/vhost-limits/VHOST`: of those that have some.
pub(crate) fn list(call: &Call) -> Outcome {
    let vhosts = match call.places.first() {
        Some(name) => {
            let vhost = call.known_vhost(name)?;
            call.need(Action::SeeVirtualHost, &Resource::VirtualHost(name))?;
            vec![vhost]
        }
        None => call.vhosts_for(Action::SeeVirtualHost),
    };
    let limited = vhosts.iter().filter(|it| it.limits() != VirtualHostLimits::default());
    let row = |it: &std::sync::Arc<VirtualHost>| {
        Row::of(json!({"vhost": &**it.name(), "value": it.limits()}))
    };
    list::answer(limited.map(row).collect(), &call.query)
}

/// `PUT /api/vhost-limits/VHOST/NAME`.
pub(crate) fn put(call: &Call) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.need(Action::LimitVirtualHost, &Resource::VirtualHost(vhost))?;
    let mut limits = call.known_vhost(vhost)?.limits();
    let fields = call.object()?;
    fields.need(&["value"])?;
    set(&mut limits, name, fields.get("value"))?;
    call.site.broker.set_vhost_limits(vhost, limits)?;
    Ok(Answer::Done)
}

/// `DELETE /api/vhost-limits/VHOST/NAME`.
pub(crate) fn delete(call: &Call) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.need(Action::LimitVirtualHost, &Resource::VirtualHost(vhost))?;
    let mut limits = call.known_vhost(vhost)?.limits();
    set(&mut limits, name, None)?;
    call.site.broker.set_vhost_limits(vhost, limits)?;
    Ok(Answer::Done)
}

/// All limits that a parameter `vhost-limits` names, and no other.
///
/// # Errors
/// In RabbitMQ's words.
pub(crate) fn read(value: &Value) -> Result<VirtualHostLimits, Refusal> {
    let object = value.as_object();
    let object = object.ok_or_else(|| invalid("the limits are no object".to_owned()))?;
    let mut limits = VirtualHostLimits::default();
    object.iter().try_for_each(|(name, value)| set(&mut limits, name, Some(value)))?;
    Ok(limits)
}

fn set(limits: &mut VirtualHostLimits, name: &str, value: Option<&Value>) -> Result<(), Refusal> {
    let limit = match value {
        None => None,
        Some(value) => {
            let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            let number = number.ok_or_else(|| {
                let found: String = value.to_string().chars().take(80).collect();
                invalid(format!("{} should be a number, actually was {found}", shortened(name)))
            })?;
            // RabbitMQ: a negative one is none.
            u64::try_from(number).ok()
        }
    };
    match name {
        "max-connections" => limits.max_connections = limit,
        "max-queues" => limits.max_queues = limit,
        other => {
            return Err(invalid(format!(
                "Unrecognised terms [{{<<\"{}\">>}}] in limits; known are max-connections and \
                 max-queues",
                shortened(other)
            )));
        }
    }
    Ok(())
}

fn invalid(what: String) -> Refusal {
    Refusal::bad_request(format!("Validation failed\n\n{what}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_and_known_by_name() {
        let limits = read(&json!({"max-queues": 5, "max-connections": -1})).unwrap();
        assert_eq!((limits.max_queues, limits.max_connections), (Some(5), None));
        for (value, expected) in [
            (json!({"max-queues": "x"}), "should be a number"),
            (json!({"max-fun": 1}), "Unrecognised terms"),
            (json!([]), "no object"),
        ] {
            let refusal = read(&value).unwrap_err();
            assert!(refusal.reason.as_str().unwrap().contains(expected), "{refusal:?}");
        }
    }
}
