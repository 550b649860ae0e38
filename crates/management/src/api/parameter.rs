//! Parameters of virtual hosts, which here are limits and operator policies under another name, and
//! global parameters, which are kept for whoever keeps something in them.

use broker::{
    VirtualHost, VirtualHostLimits,
    authorize::{Action, Resource},
    policy::PolicyKind,
};
use serde_json::{Value, json};

use super::{policy, vhost_limit};
use crate::{
    answer::{Answer, Outcome},
    call::Call,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
};

/// `GET /api/parameters`, `/api/parameters/COMPONENT`, `/api/parameters/COMPONENT/VHOST`.
pub(crate) fn list(call: &Call) -> Outcome {
    let vhosts = match call.places.get(1) {
        Some(name) => vec![call.vhost(name)?],
        None => call.vhosts(),
    };
    let mut rows = Vec::new();
    for vhost in vhosts {
        call.need(Action::SetPolicy, &Resource::VirtualHost(vhost.name()))?;
        rows.extend(of(call, &vhost));
    }
    if let Some(component) = call.places.first() {
        rows.retain(|it| it["component"] == **component);
    }
    list::answer(rows.into_iter().map(Row::of).collect(), &call.query)
}

fn of(call: &Call, vhost: &VirtualHost) -> Vec<Value> {
    let mut all = Vec::new();
    if vhost.limits() != VirtualHostLimits::default() {
        all.push(json!({
            "value": vhost.limits(), "vhost": &**vhost.name(),
            "component": "vhost-limits", "name": "limits",
        }));
    }
    let policies = call.site.broker.policies();
    for it in policies.of_vhost(PolicyKind::Operator, vhost.name()) {
        all.push(json!({
            "value": {
                "pattern": it.pattern.as_str(), "definition": it.definition,
                "priority": it.priority, "apply-to": it.apply_to.name(),
            },
            "vhost": &**vhost.name(), "component": "operator_policy", "name": &*it.name,
        }));
    }
    all
}

/// `GET /api/parameters/COMPONENT/VHOST/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    let (component, name) = (call.place(0), call.place(2));
    let vhost = call.vhost(call.place(1))?;
    call.need(Action::SetPolicy, &Resource::VirtualHost(vhost.name()))?;
    let found = of(call, &vhost)
        .into_iter()
        .find(|it| it["component"] == *component && it["name"] == *name);
    found.map(Answer::Json).ok_or_else(|| missing(call))
}

fn missing(call: &Call) -> Refusal {
    let (component, name) = (shortened(call.place(0)), shortened(call.place(2)));
    Refusal::no_object(format!("Not Found: no parameter '{name}' of component '{component}'"))
}

/// `PUT /api/parameters/COMPONENT/VHOST/NAME`.
pub(crate) fn put(call: &Call) -> Outcome {
    let (component, name) = (call.place(0), call.place(2));
    let vhost = call.known_vhost(call.place(1)).map_err(|it| it.named("not_found"))?;
    let fields = call.object()?;
    fields.need(&["value"])?;
    let value = fields.get("value").cloned().unwrap_or_default();
    let resource = Resource::VirtualHost(vhost.name());
    match component {
        "vhost-limits" => {
            call.need(Action::LimitVirtualHost, &resource)?;
            let is_new = vhost.limits() == VirtualHostLimits::default();
            call.site.broker.set_vhost_limits(vhost.name(), vhost_limit::read(&value)?)?;
            Ok(Answer::put(is_new))
        }
        "operator_policy" => {
            call.need(Action::SetOperatorPolicy, &resource)?;
            let kind = PolicyKind::Operator;
            let replaced = policy::set_one(call, kind, vhost.name(), name, &value)?;
            Ok(Answer::put(!replaced))
        }
        other => {
            call.need(Action::SetPolicy, &resource)?;
            Err(Refusal::bad_request(format!(
                "Validation failed\n\ncomponent {} not found\n",
                shortened(other)
            )))
        }
    }
}

/// `DELETE /api/parameters/COMPONENT/VHOST/NAME`.
pub(crate) fn delete(call: &Call) -> Outcome {
    let (component, name) = (call.place(0), call.place(2));
    let vhost = call.known_vhost(call.place(1))?;
    let resource = Resource::VirtualHost(vhost.name());
    let was_there = match component {
        "vhost-limits" => {
            call.need(Action::LimitVirtualHost, &resource)?;
            let was_there = vhost.limits() != VirtualHostLimits::default();
            call.site.broker.set_vhost_limits(vhost.name(), VirtualHostLimits::default())?;
            was_there
        }
        "operator_policy" => {
            call.need(Action::SetOperatorPolicy, &resource)?;
            call.site.broker.clear_policy(PolicyKind::Operator, vhost.name(), name)?
        }
        _ => {
            call.need(Action::SetPolicy, &resource)?;
            false
        }
    };
    match was_there {
        true => Ok(Answer::Done),
        false => Err(missing(call)),
    }
}

/// `GET /api/global-parameters`.
pub(crate) fn list_global(call: &Call) -> Outcome {
    call.need(Action::SetGlobalParameter, &Resource::Broker)?;
    let all = call.site.broker.global_parameters();
    let row = |(name, value): (&String, &Value)| Row::of(json!({"name": name, "value": value}));
    list::answer(all.iter().map(row).collect(), &call.query)
}

/// `GET /api/global-parameters/NAME`.
pub(crate) fn get_global(call: &Call) -> Outcome {
    call.need(Action::SetGlobalParameter, &Resource::Broker)?;
    let name = call.place(0);
    let all = call.site.broker.global_parameters();
    let value = all.get(name).ok_or_else(|| missing_global(name))?;
    Ok(Answer::Json(json!({"name": name, "value": value})))
}

/// `PUT /api/global-parameters/NAME`.
pub(crate) fn put_global(call: &Call) -> Outcome {
    call.need(Action::SetGlobalParameter, &Resource::Broker)?;
    let fields = call.object()?;
    fields.need(&["value"])?;
    let replaced = set_global(call, call.place(0), fields.get("value").cloned())?;
    Ok(Answer::put(!replaced))
}

/// Sets or takes away a global parameter; says whether there was one.
///
/// # Errors
/// It cannot be written down.
pub(crate) fn set_global(call: &Call, name: &str, value: Option<Value>) -> Result<bool, Refusal> {
    if name == "cluster_name" && value.as_ref().is_some_and(|value| !value.is_string()) {
        return Err(Refusal::bad_request("the name of the cluster is not a text"));
    }
    Ok(call.site.broker.set_global_parameter(name, value)?)
}

/// `DELETE /api/global-parameters/NAME`.
pub(crate) fn delete_global(call: &Call) -> Outcome {
    call.need(Action::SetGlobalParameter, &Resource::Broker)?;
    match set_global(call, call.place(0), None)? {
        true => Ok(Answer::Done),
        false => Err(missing_global(call.place(0))),
    }
}

fn missing_global(name: &str) -> Refusal {
    Refusal::no_object(format!("Not Found: no global parameter '{}'", shortened(name)))
}
