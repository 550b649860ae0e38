//! What is asked for to learn what a broker can do, and what this one has none of.

use broker::authorize::{Action, Resource};
use serde_json::json;

use crate::{
    answer::{Answer, Outcome},
    call::Call,
};

/// Nothing of the kind: an empty list.
pub(crate) fn none(_: &Call) -> Outcome {
    Ok(Answer::Json(json!([])))
}

/// `GET /api/extensions`.
pub(crate) fn extensions(_: &Call) -> Outcome {
    Ok(Answer::Json(json!([{"javascript": "dispatcher.js"}])))
}

/// `GET /api/auth`.
pub(crate) fn auth(_: &Call) -> Outcome {
    Ok(Answer::Json(json!({
        "enable_uaa": false, "uaa_client_id": "", "uaa_location": "",
        "oauth_enabled": false, "oauth_disable_basic_auth": false,
    })))
}

/// `GET /api/auth/attempts/NODE`, `…/source`.
pub(crate) fn auth_attempts(call: &Call) -> Outcome {
    super::node::known(call)?;
    let churn = call.site.connections.churn();
    let (http, http_failed) = call.site.login_counts();
    let of = |protocol: &str, succeeded: u64, failed: u64| {
        json!({
            "protocol": protocol,
            "auth_attempts": succeeded + failed,
            "auth_attempts_failed": failed,
            "auth_attempts_succeeded": succeeded,
        })
    };
    Ok(Answer::Json(json!([
        of("amqp091", churn.logins, churn.logins_failed),
        of("http", http, http_failed),
    ])))
}

/// `GET /api/feature-flags`: what RabbitMQ 3.13 has, all of it on.
pub(crate) fn flags(call: &Call) -> Outcome {
    call.need(Action::SeeNode, &Resource::Broker)?;
    let flags = FLAGS.iter().map(|(name, description)| {
        json!({
            "name": name, "desc": description, "doc_url": "", "state": "enabled",
            "stability": "stable", "provided_by": "rabbit",
        })
    });
    Ok(Answer::Json(flags.collect()))
}

/// `PUT /api/feature-flags/NAME/enable`: it is on.
pub(crate) fn enable_flag(call: &Call) -> Outcome {
    call.need(Action::ChangeNode, &Resource::Broker)?;
    match FLAGS.iter().any(|(name, _)| *name == call.place(0)) {
        true => Ok(Answer::Done),
        false => Err(crate::refusal::Refusal::bad_request(format!(
            "unsupported: there is no feature flag '{}'",
            crate::query::shortened(call.place(0))
        ))),
    }
}

const FLAGS: [(&str, &str); 9] = [
    ("classic_queue_type_delivery_support", "Bug fix for classic queue deliveries"),
    ("direct_exchange_routing_v2", "v2 direct exchange routing implementation"),
    ("feature_flags_v2", "Feature flags subsystem V2"),
    ("implicit_default_bindings", "Default bindings are now implicit"),
    ("maintenance_mode_status", "Maintenance mode status"),
    ("quorum_queue", "Support queues of type `quorum`"),
    ("stream_queue", "Support queues of type `stream`"),
    ("user_limits", "Configure connection and channel limits for a user"),
    ("virtual_host_metadata", "Virtual host metadata (description, tags, etc)"),
];
