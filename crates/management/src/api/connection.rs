//! Open connections.

use std::sync::Arc;

use axum::http::HeaderMap;
use broker::authorize::{Action, Resource};
use serde_json::{Value, json};
use server::OpenConnection;

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
    site::Site,
    statistics::{self, CONNECTION},
};

/// Those that the caller may see: all with the right tag, else their own.
pub(crate) fn visible(call: &Call) -> Vec<Arc<OpenConnection>> {
    let mut open = call.site.connections.list();
    open.retain(|it| call.may(Action::SeeConnection, &Resource::ConnectionOf(&it.facts.user)));
    open
}

/// `GET /api/connections`.
pub(crate) fn list(call: &Call) -> Outcome {
    listed(call, visible(call))
}

/// `GET /api/vhosts/VHOST/connections`.
pub(crate) fn of_vhost(call: &Call) -> Outcome {
    let vhost = call.vhost(call.place(0))?;
    let mut open = visible(call);
    open.retain(|it| it.facts.vhost == **vhost.name());
    listed(call, open)
}

/// `GET /api/connections/username/NAME`.
pub(crate) fn of_user(call: &Call) -> Outcome {
    let mut open = visible(call);
    open.retain(|it| it.facts.user == call.place(0));
    let node = call.site.node.clone();
    let row = |it: Arc<OpenConnection>| {
        let node = node.clone();
        Row::new(
            it.name.clone(),
            move || json!({"name": it.name, "vhost": it.facts.vhost, "user": it.facts.user, "node": node}),
        )
    };
    list::answer(open.into_iter().map(row).collect(), &call.query)
}

fn listed(call: &Call, open: Vec<Arc<OpenConnection>>) -> Outcome {
    let row = |it: Arc<OpenConnection>| {
        let site = call.site.clone();
        Row::new(it.name.clone(), move || described(&site, &it))
    };
    list::answer(open.into_iter().map(row).collect(), &call.query)
}

/// The connection that the address names.
///
/// # Errors
/// There is none, or the caller may not.
pub(crate) fn known(call: &Call, action: Action) -> Result<Arc<OpenConnection>, Refusal> {
    let name = call.place(0);
    let open = call.site.connections.get(name).ok_or_else(|| {
        Refusal::no_object(format!("Not Found: no connection '{}'", shortened(name)))
    })?;
    call.need(action, &Resource::ConnectionOf(&open.facts.user))?;
    Ok(open)
}

/// `GET /api/connections/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    let open = known(call, Action::SeeConnection)?;
    Ok(Answer::Json(described(&call.site, &open)))
}

/// `DELETE /api/connections/NAME`.
pub(crate) fn delete(call: &Call) -> Outcome {
    close(call, &*known(call, Action::CloseConnection)?);
    Ok(Answer::Done)
}

/// `DELETE /api/connections/username/NAME`.
pub(crate) fn delete_of_user(call: &Call) -> Outcome {
    call.need(Action::CloseConnection, &Resource::ConnectionOf(call.place(0)))?;
    let open = call.site.connections.list();
    open.iter().filter(|it| it.facts.user == call.place(0)).for_each(|it| close(call, it));
    Ok(Answer::Done)
}

fn close(call: &Call, open: &OpenConnection) {
    let reason = reason(&call.headers);
    let by = &call.caller.identity.name;
    tracing::info!(connection = open.facts.id.0, %by, reason, "is to be closed");
    open.close(&reason);
}

/// RabbitMQ's words unless others were given.
fn reason(headers: &HeaderMap) -> String {
    let given = headers.get("x-reason").and_then(|it| it.to_str().ok());
    let given = given.map(str::trim).filter(|it| !it.is_empty());
    given.map_or_else(|| "Closed via management plugin".to_owned(), shortened_reason)
}

/// What a short string of AMQP has room for, behind `CONNECTION_FORCED - `.
fn shortened_reason(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn described(site: &Site, open: &OpenConnection) -> Value {
    let facts = &open.facts;
    let properties = definitions::to_json(&open.client_properties());
    let given_name = properties.get("connection_name").cloned().unwrap_or(Value::Null);
    let certificate = facts.peer_certificate.as_deref();
    let mut described = json!({
        "name": open.name,
        "user_provided_name": given_name,
        "user": facts.user,
        "user_who_performed_action": facts.user,
        "vhost": facts.vhost,
        "node": site.node,
        "type": "network",
        "protocol": facts.protocol_name(),
        "state": open.state().name(),
        "auth_mechanism": facts.mechanism,
        "client_properties": properties,
        "connected_at": facts.connected_at,
        "host": facts.local.ip().to_canonical().to_string(),
        "port": facts.local.port(),
        "peer_host": facts.peer.ip().to_canonical().to_string(),
        "peer_port": facts.peer.port(),
        "ssl": facts.tls.is_some(),
        "ssl_protocol": facts.tls.map(|version| format!("tlsv{version}")),
        "ssl_cipher": null,
        "ssl_hash": null,
        "ssl_key_exchange": null,
        "peer_cert_issuer": certificate.map(|it| &it.issuer),
        "peer_cert_subject": certificate.map(|it| &it.subject),
        "peer_cert_validity": certificate.map(|it| &it.validity),
        "channels": open.channels_count(),
        "channel_max": facts.channel_max,
        "frame_max": facts.frame_max,
        "timeout": facts.heartbeat_s,
        "recv_cnt": open.received.get(),
        "send_cnt": open.sent.get(),
        "send_pend": 0,
    });
    let rates = site.samples.connection(facts.id.0);
    let counts = [open.received_bytes.get(), open.sent_bytes.get()];
    if let Some(fields) = described.as_object_mut() {
        statistics::put_all(fields, &CONNECTION, &counts, &rates);
    }
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_what_was_given_as_far_as_it_fits() {
        let mut headers = HeaderMap::new();
        assert_eq!(reason(&headers), "Closed via management plugin");
        headers.insert("x-reason", " because ".parse().unwrap());
        assert_eq!(reason(&headers), "because");
        headers.insert("x-reason", "x".repeat(500).parse().unwrap());
        assert_eq!(reason(&headers).len(), 200);
    }
}
