//! Health checks: 200 when all is well, 503 with the reason when it is not.

use std::{fs, net::SocketAddr, time::SystemTime};

use axum::http::StatusCode;
use broker::{
    Publisher, QueueDeclaration,
    authorize::{Action, Resource},
};
use bytes::Bytes;
use serde_json::{Value, json};
use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer};

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    query::shortened,
    refusal::Refusal,
};

/// Well, without more to say.
pub(crate) fn fine(_: &Call) -> Outcome {
    ok(json!({}))
}

fn ok(more: Value) -> Outcome {
    Ok(Answer::Json(with("status", "ok", more)))
}

fn failed(reason: &str, more: Value) -> Outcome {
    let said = with("reason", reason, more);
    Ok(Answer::Status(StatusCode::SERVICE_UNAVAILABLE, with("status", "failed", said)))
}

fn with(name: &str, value: &str, more: Value) -> Value {
    let mut all = serde_json::Map::new();
    all.insert(name.to_owned(), json!(value));
    if let Value::Object(more) = more {
        all.extend(more);
    }
    Value::Object(all)
}

/// `…/alarms`, `…/local-alarms`.
pub(crate) fn alarms(call: &Call) -> Outcome {
    let Some(blocked) = call.site.broker.blocked() else { return ok(json!({})) };
    let alarms: Vec<Value> = ["memory", "disk"]
        .into_iter()
        .filter(|resource| blocked.contains(resource))
        .map(|resource| json!({"node": call.site.node, "resource": resource}))
        .collect();
    failed("There are alarms in effect in the cluster", json!({"alarms": alarms}))
}

/// `…/port-listener/PORT`.
pub(crate) fn port(call: &Call) -> Outcome {
    let port: u16 = call
        .place(0)
        .parse()
        .map_err(|_| Refusal::bad_request(format!("'{}' is no port", shortened(call.place(0)))))?;
    let listeners = &call.site.setup.listeners;
    match listeners.iter().any(|it| it.address.port() == port) {
        true => ok(json!({"port": port})),
        false => {
            let ports: Vec<u16> = listeners.iter().map(|it| it.address.port()).collect();
            failed("No active listener", json!({"missing": port, "ports": ports}))
        }
    }
}

/// `…/protocol-listener/PROTOCOL`.
pub(crate) fn protocol(call: &Call) -> Outcome {
    let asked = call.place(0);
    // RabbitMQ's other names.
    let wanted = match asked {
        "amqp091" | "amqp0.9.1" | "amqp-0-9-1" | "amqp0-9-1" => "amqp",
        "amqps" | "amqp/tls" | "amqp091/ssl" => "amqp/ssl",
        other => other,
    };
    let listeners = &call.site.setup.listeners;
    match listeners.iter().any(|it| it.protocol == wanted) {
        true => ok(json!({"protocol": asked})),
        false => {
            let mut known: Vec<&str> = listeners.iter().map(|it| it.protocol).collect();
            known.dedup();
            failed("No active listener", json!({"missing": asked, "protocols": known}))
        }
    }
}

/// `…/virtual-hosts`: they run as long as the broker does.
pub(crate) fn virtual_hosts(_: &Call) -> Outcome {
    ok(json!({}))
}

/// Whether a node may be stopped without a queue losing its quorum: there is one node.
pub(crate) fn single_node(_: &Call) -> Outcome {
    ok(json!({"reason": "single node cluster"}))
}

/// `…/is-in-service`.
pub(crate) fn in_service(_: &Call) -> Outcome {
    ok(json!({}))
}

/// `…/ready-to-serve-clients`: it is up, has room for a connection, and listens.
pub(crate) fn ready(call: &Call) -> Outcome {
    match call.site.setup.listeners.iter().any(|it| it.protocol.starts_with("amqp")) {
        true => below_connection_limit(call),
        false => failed("No active listener", json!({})),
    }
}

/// `…/below-node-connection-limit`.
pub(crate) fn below_connection_limit(call: &Call) -> Outcome {
    let (current, limit) = (call.site.connections.count(), call.site.setup.connections_max);
    let counts = json!({"current": current, "limit": limit});
    match current < limit {
        true => ok(counts),
        false => failed("node connection limit is reached", counts),
    }
}

/// `…/certificate-expiration/WITHIN/UNIT`.
pub(crate) fn certificates(call: &Call) -> Outcome {
    let number: u64 = call.place(0).parse().map_err(|_| {
        Refusal::bad_request(format!("'{}' is no number of units", shortened(call.place(0))))
    })?;
    let unit_s: u64 = match call.place(1) {
        "day" | "days" => 86_400,
        "week" | "weeks" => 7 * 86_400,
        "month" | "months" => 30 * 86_400,
        "year" | "years" => 365 * 86_400,
        other => {
            return Err(Refusal::bad_request(format!(
                "Time unit not recognised: '{}'; days, weeks, months or years",
                shortened(other)
            )));
        }
    };
    let within_s = number.saturating_mul(unit_s);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let until = i64::try_from(now.as_secs().saturating_add(within_s)).unwrap_or(i64::MAX);
    let mut expired = Vec::new();
    for certificate in &call.site.setup.certificates {
        let file = certificate.file.display().to_string();
        let faulty = |reason: String| json!({"cacertfile": file, "error": reason});
        match not_after(&certificate.file) {
            Ok(at) if at > until => {}
            Ok(at) => expired.push(listener(call, certificate.protocol, &file, at)),
            Err(reason) => expired.push(faulty(reason)),
        }
    }
    match expired.is_empty() {
        true => ok(json!({})),
        false => failed("Certificates expiring", json!({"expired": expired})),
    }
}

fn listener(call: &Call, protocol: &str, file: &str, at: i64) -> Value {
    let of = call.site.setup.listeners.iter().find(|it| it.protocol == protocol);
    let address = of.map(|it| it.address);
    json!({
        "node": call.site.node,
        "protocol": protocol,
        "interface": address.map(|it: SocketAddr| it.ip().to_string()),
        "port": address.map(|it| it.port()),
        "certfile": file,
        "certfile_expires_on": [crate::view::time(broker::Timestamp(
            u64::try_from(at).unwrap_or(0).saturating_mul(1000),
        ))],
    })
}

/// When the first certificate of a file is over, in seconds.
fn not_after(file: &std::path::Path) -> Result<i64, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    for pem in Pem::iter_from_buffer(&text) {
        let pem = pem.map_err(|error| error.to_string())?;
        if pem.label == "CERTIFICATE" {
            let (_, certificate) =
                X509Certificate::from_der(&pem.contents).map_err(|error| error.to_string())?;
            return Ok(certificate.validity().not_after.timestamp());
        }
    }
    Err("there is no certificate in it".to_owned())
}

/// `GET /api/aliveness-test/VHOST`: a message goes through a queue of its own, which
/// stays there, as in RabbitMQ.
pub(crate) fn aliveness(call: &Call) -> Outcome {
    let vhost = call.vhost(call.place(0))?;
    call.need(Action::SeeContents, &Resource::VirtualHost(vhost.name()))?;
    let mut access = call.access(vhost.name())?;
    let declaration = QueueDeclaration {
        name: "aliveness-test".into(),
        durable: false,
        exclusive: false,
        auto_delete: false,
        arguments: Default::default(),
    };
    let name = declaration.name.clone();
    access.declare_queue(declaration, call.caller.connection, false)?;
    let mut publisher = Publisher::new(vhost.clone());
    let to = ("".into(), name.clone());
    let body = Bytes::from_static(b"test_message");
    let none = Default::default();
    let publish = server::publish_one(&mut access, &mut publisher, to, &none, body)
        .map_err(Refusal::bad_request)?;
    publisher.publish(&mut vec![publish], &mut Vec::new())?;
    let queue = access.readable(&name, call.caller.connection)?;
    match queue.get_no_ack()? {
        Some((entry, _)) => {
            queue.settle([entry], None)?;
            ok(json!({}))
        }
        None => failed("the message did not come back", json!({})),
    }
}
