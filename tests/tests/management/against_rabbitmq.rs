//! The same calls on Debian's RabbitMQ and here: the same statuses, and in the answers every field
//! that RabbitMQ's have, of the same type. What may differ is in `calls` and docs/management.md.

use anyhow::{Context, Result, ensure};
use harness::{Api, RabbitMq, Site, wait_for};
use lapin::{
    Channel, Connection, ConnectionProperties, Consumer,
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::{Map, Value};

use crate::calls::{ABSENT, ABSENT_PREFIXES, CALLS, OTHER_STATUS, OWN};

#[test]
fn the_same_calls_have_the_same_statuses_and_fields_as_on_rabbitmq() -> Result<()> {
    let rabbitmq = RabbitMq::start_with_management()?;
    let site = Site::new()?;
    let _server = site.serve()?;
    let runtime = tokio::runtime::Runtime::new()?;
    // Somebody is connected and consumes, on both.
    let _theirs = runtime.block_on(consume(&rabbitmq.amqp_url()))?;
    let _ours = runtime.block_on(consume(&site.amqp_url()))?;
    let (theirs, ours) = (rabbitmq.api()?, site.api());
    for api in [&theirs, &ours] {
        await_statistics(api)?;
    }
    let mut wrong = Vec::new();
    for (method, path, body) in CALLS {
        let (wanted, got) = (theirs.call(method, path, body)?, ours.call(method, path, body)?);
        let call = format!("{method} {path} {body}");
        let known = OTHER_STATUS.iter().any(|(its_method, its_path, wanted_there, wanted_here)| {
            (*its_method, *its_path) == (*method, *path)
                && (*wanted_there, *wanted_here) == (wanted.status, got.status)
        });
        if known && wanted.status != got.status {
            continue;
        }
        if wanted.status != got.status {
            wrong.push(format!(
                "{call}: {} on RabbitMQ, here {} {}",
                wanted.status, got.status, got.text
            ));
            continue;
        }
        let (wanted, got) = (wanted.json()?, got.json()?);
        for difference in differences("", &wanted, &got) {
            wrong.push(format!("{call}: {difference}"));
        }
    }
    ensure!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

async fn consume(url: &str) -> Result<(Connection, Channel, Consumer)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let declared = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("consumed".into(), declared, FieldTable::default()).await?;
    let consumed = BasicConsumeOptions::default();
    let consumer = channel
        .basic_consume("consumed".into(), "c".into(), consumed, FieldTable::default())
        .await?;
    Ok((connection, channel, consumer))
}

/// RabbitMQ knows of a connection before it knows what there is to know.
fn await_statistics(api: &Api) -> Result<()> {
    wait_for("statistics of the connection", 30, || {
        let all = api.get("connections").and_then(|open| {
            let consumers = api.get("consumers")?;
            let channels = api.get("channels")?;
            Ok((open, channels, consumers))
        });
        let (open, channels, consumers) = all.map_err(|error| error.to_string())?;
        let is_known = |list: &Value, field: &str| {
            list.as_array().is_some_and(|it| it.iter().any(|it| it.get(field).is_some()))
        };
        let all_known = is_known(&open, "recv_oct")
            && is_known(&channels, "consumer_count")
            && is_known(&consumers, "consumer_tag");
        if all_known { Ok(()) } else { Err(format!("{open} {channels} {consumers}")) }
    })
}

/// What RabbitMQ's answer has and ours has not, or has of another type.
fn differences(at: &str, wanted: &Value, got: &Value) -> Vec<String> {
    match (wanted, got) {
        // Of nothing no type can be seen.
        (Value::Null, _) | (_, Value::Null) => Vec::new(),
        (Value::Object(wanted), Value::Object(got)) => of_objects(at, wanted, got),
        (Value::Array(wanted), Value::Array(got)) => match (wanted.first(), got.first()) {
            (None, _) => Vec::new(),
            (Some(_), None) => vec![format!("{at}: an empty list")],
            // What RabbitMQ lists first need not be what is first here.
            (Some(wanted), Some(_)) => got
                .iter()
                .map(|got| differences(&format!("{at}[]"), wanted, got))
                .min_by_key(Vec::len)
                .unwrap_or_default(),
        },
        (wanted, got) if kind(wanted) == kind(got) => Vec::new(),
        (wanted, got) => vec![format!("{at}: {wanted} on RabbitMQ, here {got}")],
    }
}

fn of_objects(at: &str, wanted: &Map<String, Value>, got: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, wanted) in wanted {
        let may_be_absent = ABSENT.contains(&name.as_str())
            || ABSENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        match got.get(name) {
            None if may_be_absent => {}
            // Only while nothing happens.
            None if name == "idle_since" || name == "message_stats" => {}
            None => found.push(format!("{at}.{name} is missing: {wanted}")),
            Some(_) if OWN.contains(&name.as_str()) => {}
            // A reason may say more, and RabbitMQ's may be a term of Erlang.
            Some(_) if name == "reason" => {}
            Some(got) => found.extend(differences(&format!("{at}.{name}"), wanted, got)),
        }
    }
    found
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

#[test]
fn differences_are_seen() -> Result<()> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).context("JSON");
    for (wanted, got, expected) in [
        (r#"{"a": 1}"#, r#"{"a": 2.5, "b": 1}"#, 0),
        (r#"{"a": 1}"#, r#"{"a": "1"}"#, 1),
        (r#"{"a": 1, "b": {"c": 1}}"#, r#"{"b": {}}"#, 2),
        (r#"[{"a": 1}]"#, r#"[{"b": 1}, {"a": 2}]"#, 0),
        (r#"[{"a": 1}]"#, "[]", 1),
    ] {
        let found = differences("", &parse(wanted)?, &parse(got)?);
        ensure!(found.len() == expected, "{wanted} {got}: {found:?}");
    }
    Ok(())
}
