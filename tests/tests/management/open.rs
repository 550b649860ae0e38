//! What is open, how fast it goes, and what Prometheus is told of it.

use anyhow::{Result, ensure};
use futures_util::StreamExt;
use harness::{Api, Site, wait_for};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Publishes to a queue and consumes from it without acknowledging.
async fn open(url: &str) -> Result<(Connection, Channel, lapin::Consumer)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("jobs".into(), durable, FieldTable::default()).await?;
    channel.basic_qos(3, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let consumer = channel
        .basic_consume("jobs".into(), "worker".into(), options, FieldTable::default())
        .await?;
    Ok((connection, channel, consumer))
}

async fn publish(channel: &Channel, key: &str, count: usize) -> Result<()> {
    for _ in 0..count {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish("".into(), key.into(), options, b"hello", properties).await?;
    }
    Ok(())
}

/// Waits until a value of an answer is as wanted.
fn seen(api: &Api, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    wait_for(path, 20, || {
        let got = api.get(path).map_err(|error| format!("{error:#}"))?;
        if wanted(&got) { Ok(got) } else { Err(got.to_string()) }
    })
}

/// The connection that is not one of the server's own services.
fn ours(all: &Value) -> Option<&Value> {
    all.as_array()?.iter().find(|it| it["user"] == "guest")
}

#[test]
fn connections_channels_and_consumers_are_seen_and_a_connection_is_closed_with_the_reason()
-> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let (api, runtime) = (site.api(), Runtime::new()?);
    let (connection, channel, mut consumer) = runtime.block_on(open(&site.amqp_url()))?;
    runtime.block_on(publish(&channel, "jobs", 5))?;
    let queue = seen(&api, "queues/%2F/jobs", |it| it["messages_unacknowledged"] == 3)?;
    for (field, expected) in [
        ("messages", 5),
        ("messages_ready", 2),
        ("message_bytes", 25),
        ("message_bytes_unacknowledged", 15),
        ("consumers", 1),
    ] {
        ensure!(queue[field] == expected, "{field}: {queue}");
    }
    let details = &queue["consumer_details"][0];
    ensure!(details["consumer_tag"] == "worker" && details["prefetch_count"] == 3, "{queue}");
    let open = api.get("connections")?;
    let name = ours(&open).map(|it| it["name"].clone()).unwrap_or_default();
    ensure!(details["channel_details"]["connection_name"] == name, "{details}");
    ensure!(ours(&open).is_some_and(|it| it["state"] == "running"), "{open}");
    let channels = api.get("channels")?;
    let shown = ours(&channels).cloned().unwrap_or_default();
    ensure!(shown["messages_unacknowledged"] == 3 && shown["prefetch_count"] == 3, "{channels}");
    ensure!(shown["message_stats"]["publish"] == 5, "{channels}");
    let encoded = name.as_str().unwrap_or_default().replace(' ', "%20").replace('>', "%3E");
    ensure!(api.get(&format!("connections/{encoded}"))?["name"] == name, "by its name");
    let of = api.get(&format!("connections/{encoded}/channels"))?;
    ensure!(of.as_array().is_some_and(|it| it.len() == 1), "{of}");
    let one = format!("channels/{}%20(1)", encoded);
    ensure!(api.get(&one)?["consumer_details"][0]["consumer_tag"] == "worker", "the channel");
    let path = format!("/api/connections/{encoded}");
    let closed = api.send("DELETE", &path, &[("X-Reason", "for maintenance")], b"")?;
    ensure!(closed.status == 204, "{closed:?}");
    let said = runtime.block_on(async {
        while let Some(delivery) = consumer.next().await {
            if let Err(error) = delivery {
                return error.to_string();
            }
        }
        "the consumer ended in silence".to_owned()
    });
    ensure!(said.contains("for maintenance") || !connection.status().connected(), "{said}");
    seen(&api, "connections", |it| ours(it).is_none())?;
    let queue = seen(&api, "queues/%2F/jobs", |it| it["messages_ready"] == 5)?;
    ensure!(queue["messages_unacknowledged"] == 0, "what was out is back: {queue}");
    Ok(())
}

#[test]
fn rates_are_what_came_in_the_last_seconds_and_counters_never_go_back() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let (api, runtime) = (site.api(), Runtime::new()?);
    let (connection, channel, _consumer) = runtime.block_on(open(&site.amqp_url()))?;
    let is_positive = |it: &Value, path: &str| it.pointer(path).and_then(Value::as_f64) > Some(0.0);
    wait_for("rates", 30, || {
        runtime.block_on(publish(&channel, "jobs", 10)).map_err(|error| format!("{error:#}"))?;
        let got = || anyhow::Ok((api.get("queues/%2F/jobs")?, api.get("overview")?));
        let (queue, overview) = got().map_err(|error| format!("{error:#}"))?;
        let all = is_positive(&queue, "/message_stats/publish_details/rate")
            && is_positive(&queue, "/messages_details/rate")
            && is_positive(&overview, "/message_stats/publish_details/rate")
            && is_positive(&overview, "/queue_totals/messages_details/rate");
        if all { Ok(()) } else { Err(format!("{queue}\n{overview}")) }
    })?;
    let exchange = api.get("exchanges/%2F/amq.default")?;
    ensure!(is_positive(&exchange, "/message_stats/publish_in"), "{exchange}");
    let metric = |name: &str| -> Result<u64> {
        let text = api.logged_out().send("GET", "/metrics", &[], b"")?.text;
        let lines = text.lines().filter(|line| line.starts_with(name));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    };
    let published = metric("rabbitmq_global_messages_received_total")?;
    let delivered = metric("rabbitmq_global_messages_delivered_total")?;
    ensure!(published >= 10 && delivered >= 3, "{published} published, {delivered} delivered");
    ensure!(metric("rabbitmq_queue_messages_ready")? > 0, "the levels");
    runtime.block_on(connection.close(200, "done".into()))?;
    ensure!(api.call("DELETE", "queues/%2F/jobs", "")?.status == 204, "deleted");
    ensure!(metric("rabbitmq_global_messages_received_total")? >= published, "it went back");
    ensure!(metric("rabbitmq_global_messages_delivered_total")? >= delivered, "it went back");
    Ok(())
}

#[test]
fn prometheus_is_told_by_the_names_that_dashboards_use() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let (api, runtime) = (site.api(), Runtime::new()?);
    let (_connection, channel, _consumer) = runtime.block_on(open(&site.amqp_url()))?;
    runtime.block_on(publish(&channel, "jobs", 1))?;
    let metrics = |path: &str| api.logged_out().send("GET", path, &[], b"");
    let text = metrics("/metrics")?;
    ensure!(text.head.contains("text/plain; version=0.0.4"), "{}", text.head);
    for name in [
        "rabbitmq_identity_info{",
        "rabbitmq_build_info{",
        "rabbitmq_queue_messages ",
        "rabbitmq_queue_messages_ready ",
        "rabbitmq_queue_messages_unacked ",
        "rabbitmq_queues ",
        "rabbitmq_connections ",
        "rabbitmq_channels ",
        "rabbitmq_consumers ",
        "rabbitmq_connections_opened_total ",
        "rabbitmq_channels_closed_total ",
        "rabbitmq_queues_declared_total ",
        "rabbitmq_global_messages_received_total{",
        "rabbitmq_global_messages_dead_lettered_expired_total{",
        "rabbitmq_process_resident_memory_bytes ",
        "rabbitmq_resident_memory_limit_bytes ",
        "rabbitmq_disk_space_available_bytes ",
        "rabbitmq_process_open_fds ",
        "rabbitmq_alarms_memory_used_watermark ",
        "tubepost_journal_bytes ",
    ] {
        ensure!(text.text.lines().any(|line| line.starts_with(name)), "{name} is missing");
    }
    let text = metrics("/metrics/per-object")?.text;
    let sample = r#"rabbitmq_queue_messages{vhost="/",queue="jobs"} 1"#;
    ensure!(text.lines().any(|line| line == sample), "{sample} is missing:\n{text}");
    // Every family is there once, with its type, before its samples.
    let mut families = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let family = line.split(' ').next().unwrap_or_default();
        ensure!(!families.contains(&family), "{family} twice");
        families.push(family);
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let family = line.split(['{', ' ']).next().unwrap_or_default();
        ensure!(families.contains(&family), "{line} is of no family");
    }
    let asked = "/metrics/detailed?family=queue_coarse_metrics&vhost=%2F";
    let text = metrics(asked)?.text;
    let sample = r#"rabbitmq_detailed_queue_messages{vhost="/",queue="jobs"} 1"#;
    ensure!(text.lines().any(|line| line == sample), "{sample} is missing:\n{text}");
    ensure!(!text.contains("channel") && !text.contains("_bytes"), "more was asked for:\n{text}");
    let elsewhere = metrics(&asked.replace("%2F", "ci"))?.text;
    ensure!(!elsewhere.contains("jobs"), "of another virtual host:\n{elsewhere}");
    Ok(())
}
