//! Policies and operator policies.

use broker::{
    authorize::{Action, Resource},
    policy::{Policy, PolicyKind},
};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
};

/// A policy as the API shows it.
pub(crate) fn shown(policy: &Policy) -> Value {
    json!({
        "vhost": &*policy.vhost,
        "name": &*policy.name,
        "pattern": policy.pattern.as_str(),
        "apply-to": policy.apply_to.name(),
        "definition": policy.definition,
        "priority": policy.priority,
    })
}

/// `GET /api/policies`, `/api/policies/VHOST`.
pub(crate) fn list(call: &Call) -> Outcome {
    listed(call, PolicyKind::User)
}

/// `GET /api/operator-policies`, `/api/operator-policies/VHOST`.
pub(crate) fn list_operators(call: &Call) -> Outcome {
    listed(call, PolicyKind::Operator)
}

fn listed(call: &Call, kind: PolicyKind) -> Outcome {
    let policies = call.site.broker.policies();
    let mut rows = Vec::new();
    for vhost in call.vhosts_at(0)? {
        rows.extend(policies.of_vhost(kind, vhost.name()).map(|it| Row::of(shown(it))));
    }
    list::answer(rows, &call.query)
}

/// `GET /api/policies/VHOST/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    one(call, PolicyKind::User)
}

/// `GET /api/operator-policies/VHOST/NAME`.
pub(crate) fn get_operators(call: &Call) -> Outcome {
    one(call, PolicyKind::Operator)
}

fn one(call: &Call, kind: PolicyKind) -> Outcome {
    let vhost = call.vhost(call.place(0))?;
    let policies = call.site.broker.policies();
    let policy = policies.get(kind, vhost.name(), call.place(1));
    policy.map(|it| Answer::Json(shown(it))).ok_or_else(|| missing(kind, call))
}

fn missing(kind: PolicyKind, call: &Call) -> Refusal {
    Refusal::no_object(format!("Not Found: no {kind} '{}'", shortened(call.place(1))))
}

fn action(kind: PolicyKind) -> Action {
    match kind {
        PolicyKind::User => Action::SetPolicy,
        PolicyKind::Operator => Action::SetOperatorPolicy,
    }
}

/// `PUT /api/policies/VHOST/NAME`.
pub(crate) fn put(call: &Call) -> Outcome {
    set(call, PolicyKind::User)
}

/// `PUT /api/operator-policies/VHOST/NAME`.
pub(crate) fn put_operators(call: &Call) -> Outcome {
    set(call, PolicyKind::Operator)
}

fn set(call: &Call, kind: PolicyKind) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.known_vhost(vhost).map_err(|it| it.named("not_found"))?;
    call.need(action(kind), &Resource::VirtualHost(vhost))?;
    let mut fields = call.object()?;
    fields.need(&["pattern", "definition"])?;
    // What names it stands in the address; some clients say it in the body as well.
    for field in ["vhost", "name", "component"] {
        fields.0.remove(field);
    }
    if let Some(priority) = fields.number("priority")? {
        fields.0.insert("priority".to_owned(), json!(priority));
    }
    let replaced = set_one(call, kind, vhost, name, &Value::Object(fields.0))?;
    Ok(Answer::put(!replaced))
}

/// Sets it; says whether there was one.
///
/// # Errors
/// It cannot be so, in RabbitMQ's words.
pub(crate) fn set_one(
    call: &Call,
    kind: PolicyKind,
    vhost: &str,
    name: &str,
    body: &Value,
) -> Result<bool, Refusal> {
    let policy = Policy::parse(kind, vhost, name, body)
        .map_err(|error| Refusal::bad_request(format!("Validation failed\n\n{}\n", error.text)))?;
    Ok(call.site.broker.set_policy(policy)?)
}

/// `DELETE /api/policies/VHOST/NAME`.
pub(crate) fn delete(call: &Call) -> Outcome {
    clear(call, PolicyKind::User)
}

/// `DELETE /api/operator-policies/VHOST/NAME`.
pub(crate) fn delete_operators(call: &Call) -> Outcome {
    clear(call, PolicyKind::Operator)
}

fn clear(call: &Call, kind: PolicyKind) -> Outcome {
    let (vhost, name) = (call.place(0), call.place(1));
    call.known_vhost(vhost)?;
    call.need(action(kind), &Resource::VirtualHost(vhost))?;
    match call.site.broker.clear_policy(kind, vhost, name)? {
        true => Ok(Answer::Done),
        false => Err(missing(kind, call)),
    }
}
