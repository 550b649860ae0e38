//! What programs in Go ask of the HTTP API, and read of its answers. The programs themselves are
//! not run here: Go's modules are not to be had where these tests run. Each request and each field
//! is one that the named file of the tool's source has.

use anyhow::{Context, Result, ensure};
use harness::{Api, Server, Site, wait_for};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What a field has to be for Go's `encoding/json`, which takes nothing else; `null` stays unset.
#[derive(Debug, Clone, Copy)]
enum Go {
    /// `string`.
    Text,
    /// `bool`.
    Bool,
    /// `int`: no point in it, none of it.
    Int,
    /// `float64`.
    Float,
    /// `map[string]interface{}`.
    Map,
    /// A slice.
    List,
}

/// Every path is there and of its type. Names are separated by `/`.
fn decodes(answer: &Value, fields: &[(Go, &[&str])]) -> Result<()> {
    for (go, paths) in fields {
        for path in *paths {
            let found = answer.pointer(&format!("/{path}"));
            let found = found.with_context(|| format!("{path} is missing: {answer}"))?;
            let fits = match go {
                Go::Text => found.is_string() || found.is_null(),
                Go::Bool => found.is_boolean(),
                Go::Int => found.is_i64() || found.is_u64(),
                Go::Float => found.is_number(),
                Go::Map => found.is_object(),
                Go::List => found.is_array(),
            };
            ensure!(fits, "{path} is no {go:?} of Go: {found}");
        }
    }
    Ok(())
}

struct Bus {
    site: Site,
    _server: Server,
    runtime: Runtime,
    _connection: Connection,
    _consumer: Consumer,
    channel: Channel,
}

/// A queue `jobs` with messages that come and go all the time, and one `jobs/idle`.
fn busy() -> Result<Bus> {
    let site = Site::new()?;
    let server = site.serve()?;
    let runtime = Runtime::new()?;
    let (connection, channel, consumer) = runtime.block_on(async {
        let url = site.amqp_url();
        let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(2, BasicQosOptions::default()).await?;
        for queue in ["jobs", "jobs/idle"] {
            let durable = QueueDeclareOptions { durable: true, ..Default::default() };
            channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
        }
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumed = channel.basic_consume("jobs".into(), "c".into(), options, none);
        let consumer = consumed.await?;
        anyhow::Ok((connection, channel, consumer))
    })?;
    Ok(Bus {
        site,
        _server: server,
        runtime,
        _connection: connection,
        _consumer: consumer,
        channel,
    })
}

impl Bus {
    fn publish(&self, count: usize) -> Result<()> {
        self.runtime.block_on(async {
            for _ in 0..count {
                let (options, none) = (BasicPublishOptions::default(), BasicProperties::default());
                let jobs = "jobs".into();
                self.channel.basic_publish("".into(), jobs, options, b"x", none).await?;
            }
            Ok(())
        })
    }

    /// Publishes until the answer has all of what is asked for.
    fn until(&self, path: &str, wanted: impl Fn(&Value) -> Result<()>) -> Result<Value> {
        let mut last = Value::Null;
        wait_for(path, 30, || {
            let got = self.publish(5).and_then(|()| self.site.api().get(path));
            last = got.map_err(|error| format!("{error:#}"))?;
            wanted(&last).map_err(|error| format!("{error:#}"))
        })?;
        Ok(last)
    }
}

/// `kedacore/keda`, `pkg/scalers/rabbitmq_scaler.go`: `queueInfo`, `regexQueueInfo`,
/// `getQueueInfoViaHTTP`, `getJSON`, `getComposedQueue`, and `QueueDeclarePassive` in
/// `getQueueStatus`.
#[test]
fn kedas_scaler_finds_the_lengths_and_rates_of_queues() -> Result<()> {
    let bus = busy()?;
    let api = bus.site.api();
    let info: &[(Go, &[&str])] = &[
        (Go::Int, &["messages", "messages_ready", "messages_unacknowledged"]),
        (Go::Text, &["name"]),
        (
            Go::Float,
            &["message_stats/publish_details/rate", "message_stats/deliver_get_details/rate"],
        ),
    ];
    let is_moving = |it: &Value| {
        decodes(it, info)?;
        let rate = it["message_stats"]["publish_details"]["rate"].as_f64();
        ensure!(rate > Some(0.0), "no rate yet: {it}");
        Ok(())
    };
    let queue = bus.until("queues/%2F/jobs", is_moving)?;
    ensure!(queue["messages_unacknowledged"] == 2, "{queue}");
    // A queue that never had anything has no statistics: they stay 0.
    let idle = api.get("queues/%2F/jobs%2Fidle")?;
    decodes(&idle, &[info[0], info[1]])?;
    // url.QueryEscape of `^jobs.*`.
    let page = "queues/%2F?page=1&use_regex=true&pagination=false&name=%5Ejobs.%2A&page_size=100";
    let page = api.get(page)?;
    decodes(&page, &[(Go::List, &["items"]), (Go::Int, &["page_count"])])?;
    ensure!(page["page_count"] == 1 && page["items"][1]["name"] == "jobs/idle", "{page}");
    let few = "queues/%2F?page=1&use_regex=true&pagination=false&name=%5Ejobs.%2A&page_size=1";
    ensure!(api.get(few)?["page_count"] == 2, "more than one page is an error to it");
    ensure!(api.call("GET", "queues/%2F/nope", "")?.status == 404, "no such queue");
    // Over AMQP it asks passively, and not for a durable queue.
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let asked = bus.channel.queue_declare("jobs".into(), passive, FieldTable::default());
    ensure!(bus.runtime.block_on(asked)?.message_count() > 0, "messages that are ready");
    Ok(())
}

/// `kbudde/rabbitmq_exporter`, `exporter_*.go`: the maps from fields to metrics, and the labels;
/// `rabbitClient.go`: the addresses and headers; `jsonmap.go`: what it makes of the answers.
#[test]
fn the_exporter_of_kbudde_finds_its_metrics() -> Result<()> {
    let bus = busy()?;
    let api = bus.site.api();
    // The capability no_sort, which is on by default; and it would have BERT, where that is.
    let accept = [("Accept", "application/bert, application/json;q=0.1")];
    let get = |endpoint: &str| -> Result<Value> {
        let reply = api.send("GET", &format!("/api/{endpoint}"), &accept, b"")?;
        ensure!(reply.status == 200, "{endpoint}: {} {}", reply.status, reply.text);
        let head = reply.head.to_ascii_lowercase();
        ensure!(head.contains("content-type: application/json"), "{head}");
        reply.json()
    };
    let stats: &[&str] = &[
        "message_stats/publish_details/rate",
        "message_stats/deliver_details/rate",
        "message_stats/publish",
        "message_stats/deliver",
    ];
    bus.until("overview", |it| decodes(it, &[(Go::Float, stats)]))?;
    decodes(
        &get("overview?sort=")?,
        &[
            (Go::Text, &["node", "erlang_version", "rabbitmq_version", "cluster_name"]),
            (
                Go::Float,
                &[
                    "object_totals/channels",
                    "object_totals/connections",
                    "object_totals/consumers",
                    "object_totals/queues",
                    "object_totals/exchanges",
                    "queue_totals/messages",
                    "queue_totals/messages_ready",
                    "queue_totals/messages_unacknowledged",
                ],
            ),
        ],
    )?;
    let queues = bus.until("queues?sort=", |it| {
        let jobs = it.as_array().and_then(|all| all.iter().find(|it| it["name"] == "jobs"));
        decodes(jobs.context("no queue")?, &[(Go::Float, stats)])
    })?;
    for queue in queues.as_array().context("a list")? {
        decodes(
            queue,
            &[
                (Go::Text, &["vhost", "name", "state", "node", "policy"]),
                (Go::Bool, &["durable"]),
                (
                    Go::Float,
                    &[
                        "messages_ready",
                        "messages_unacknowledged",
                        "messages",
                        "messages_persistent",
                        "message_bytes",
                        "message_bytes_ready",
                        "message_bytes_unacknowledged",
                        "message_bytes_persistent",
                        "consumers",
                        "consumer_utilisation",
                        "memory",
                    ],
                ),
            ],
        )?;
        // parseTime of jsonmap.go: `2006-01-02T15:04:05.999-07:00`.
        let since = queue["idle_since"].as_str();
        ensure!(since.is_none_or(|it| it.len() == 29 && it.ends_with("+00:00")), "{since:?}");
    }
    let exchanges = get("exchanges?sort=")?;
    let default = exchanges.as_array().and_then(|all| all.iter().find(|it| it["name"] == ""));
    let counts: &[&str] = &["message_stats/publish_in", "message_stats/publish_out"];
    decodes(default.context("the default exchange")?, &[(Go::Float, counts)])?;
    decodes(
        &get("nodes?sort=")?[0],
        &[
            (Go::Text, &["name"]),
            (Go::Bool, &["running", "mem_alarm", "disk_free_alarm"]),
            (Go::List, &["partitions"]),
            (
                Go::Float,
                &[
                    "uptime",
                    "mem_used",
                    "mem_limit",
                    "disk_free",
                    "disk_free_limit",
                    "fd_used",
                    "fd_total",
                    "sockets_used",
                    "sockets_total",
                ],
            ),
        ],
    )?;
    let connections = get("connections?sort=")?;
    for connection in connections.as_array().context("a list")? {
        decodes(
            connection,
            &[
                (Go::Text, &["name", "vhost", "node", "peer_host", "user", "state"]),
                (
                    Go::Float,
                    &["channels", "recv_oct", "recv_cnt", "send_oct", "send_cnt", "send_pend"],
                ),
            ],
        )?;
    }
    let node = get("nodes?sort=")?[0]["name"].as_str().context("a name")?.to_owned();
    let memory = get(&format!("nodes/{node}/memory?sort="))?;
    let parts = ["binary", "connection_channels", "connection_other", "queue_procs", "other_proc"];
    for part in parts {
        decodes(&memory["memory"], &[(Go::Float, &[part])])?;
    }
    decodes(&memory, &[(Go::Float, &["memory/total/rss", "memory/total/allocated"])])?;
    ensure!(get("aliveness-test/%2F")?["status"] == "ok", "the virtual host is alive");
    for none in ["shovels?sort=", "federation-links?sort="] {
        ensure!(get(none)? == json!([]), "{none}");
    }
    Ok(())
}

/// Terraform's provider (`cyrilgdn/terraform-provider-rabbitmq`, `rabbitmq/resource_*.go`) by way
/// of its client (`michaelklishin/rabbit-hole`, `bindings.go`, `queues.go`, `vhosts.go` and so on):
/// it makes a thing, reads it again, and sees no drift; it takes it away, and sees that it is gone.
#[test]
fn terraforms_provider_makes_reads_again_and_takes_away() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let api = site.api();
    let made = |method: &str, path: &str, body: Value| -> Result<String> {
        let reply = api.call(method, path, &body.to_string())?;
        ensure!(matches!(reply.status, 201 | 204), "{path}: {} {}", reply.status, reply.text);
        Ok(reply.head)
    };
    // resource_vhost.go: PutVhost, PutVhostLimits, GetVhost, GetVhostLimits.
    made("PUT", "vhosts/t", json!({"description": "d", "tags": "a,b", "tracing": false}))?;
    made("PUT", "vhost-limits/t/max-queues", json!({"value": 9}))?;
    let vhost = api.get("vhosts/t")?;
    decodes(
        &vhost,
        &[
            (Go::Text, &["name", "description", "default_queue_type"]),
            (Go::List, &["tags"]),
            (Go::Bool, &["tracing"]),
            (Go::Map, &["cluster_state"]),
            (Go::Int, &["messages", "messages_ready", "messages_unacknowledged"]),
        ],
    )?;
    ensure!(api.get("vhost-limits/t")?[0]["value"]["max-queues"] == 9, "the limit");
    // resource_user.go, resource_permissions.go, resource_topic_permissions.go.
    made("PUT", "users/ada", json!({"password": "correct-horse", "tags": "management"}))?;
    let user = api.get("users/ada")?;
    decodes(
        &user,
        &[(Go::Text, &["name", "password_hash", "hashing_algorithm"]), (Go::List, &["tags"])],
    )?;
    ensure!(user["tags"] == json!(["management"]), "{user}");
    let rights = json!({"configure": "^a", "write": ".*", "read": ""});
    made("PUT", "permissions/t/ada", rights.clone())?;
    same(&api.get("permissions/t/ada")?, &rights)?;
    let topics = json!({"exchange": "news", "write": "a", "read": "b"});
    made("PUT", "topic-permissions/t/ada", topics.clone())?;
    same(&api.get("topic-permissions/t/ada")?[0], &topics)?;
    // resource_queue.go: the arguments come back as they went, texts and numbers.
    let arguments = json!({"x-queue-type": "classic", "x-message-ttl": 60000, "note": "text"});
    let queue = json!({"type": "", "durable": true, "auto_delete": false, "arguments": arguments});
    made("PUT", "queues/t/a%2Fb", queue)?;
    let queue = api.get("queues/t/a%2Fb")?;
    ensure!(queue["arguments"] == arguments, "{queue}");
    decodes(
        &queue,
        &[
            (Go::Text, &["name", "vhost", "type", "node", "state", "policy"]),
            (Go::Bool, &["durable", "auto_delete", "exclusive"]),
            (Go::Int, &["memory", "messages", "messages_ready", "message_bytes", "consumers"]),
            (Go::Float, &["consumer_utilisation", "messages_details/rate"]),
            (Go::List, &["consumer_details"]),
        ],
    )?;
    // resource_exchange.go.
    let exchange = json!({"type": "topic", "durable": true, "auto_delete": false,
        "arguments": {"alternate-exchange": "amq.fanout"}});
    made("PUT", "exchanges/t/news", exchange.clone())?;
    let read = api.get("exchanges/t/news")?;
    same(&read, &exchange)?;
    decodes(&read, &[(Go::List, &["incoming", "outgoing"]), (Go::Bool, &["internal"])])?;
    bindings(&api)?;
    // resource_policy.go, resource_operator_policy.go.
    let policy = json!({"vhost": "t", "pattern": "^a", "apply-to": "queues", "name": "p",
        "priority": 3, "definition": {"max-length": 5}});
    for kind in ["policies", "operator-policies"] {
        made("PUT", &format!("{kind}/t/p"), policy.clone())?;
        same(&api.get(&format!("{kind}/t/p"))?, &policy)?;
    }
    // And away, as `checkDeleted` of util.go sees it: 404.
    for path in [
        "policies/t/p",
        "operator-policies/t/p",
        "exchanges/t/news",
        "queues/t/a%2Fb",
        "topic-permissions/t/ada",
        "permissions/t/ada",
        "users/ada",
        "vhosts/t",
    ] {
        let reply = api.call("DELETE", path, "")?;
        ensure!(reply.status == 204, "{path}: {} {}", reply.status, reply.text);
        let gone = api.call("GET", path, "")?;
        ensure!(gone.status == 404, "{path}: {} {}", gone.status, gone.text);
        decodes(&gone.json()?, &[(Go::Text, &["error", "reason"])])?;
    }
    Ok(())
}

/// resource_binding.go: the key of a binding is the end of `Location`, unescaped; by it
/// the binding is found among those between the two, and deleted.
fn bindings(api: &Api) -> Result<()> {
    for (kind, letter, destination, more) in [
        ("queue", "q", "a%2Fb", json!({})),
        ("queue", "q", "a%2Fb", json!({"k": "v", "n": 1})),
        ("exchange", "e", "amq.headers", json!({})),
    ] {
        let between = format!("bindings/t/e/news/{letter}/{destination}");
        let name = destination.replace("%2F", "/");
        let body = json!({"source": "news", "vhost": "t", "destination": name,
            "destination_type": kind, "routing_key": "org.#/x y", "arguments": more});
        let reply = api.call("POST", &between, &body.to_string())?;
        ensure!(reply.status == 201, "{between}: {} {}", reply.status, reply.text);
        let location = reply.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        });
        let escaped = location.context("no Location")?;
        let escaped = escaped.rsplit('/').next().context("a last part")?.to_owned();
        let key = unescaped(&escaped)?;
        let all = api.get(&between)?;
        let found =
            all.as_array().and_then(|all| all.iter().find(|it| it["properties_key"] == *key));
        let found = found.with_context(|| format!("{key} is not in {all}"))?;
        same(found, &body)?;
        ensure!(
            api.get("bindings/t")?.as_array().is_some_and(|all| all.contains(found)),
            "among all"
        );
        // rabbit-hole escapes the key again, as url.PathEscape does.
        let deleted = api.call("DELETE", &format!("{between}/{}", path_escaped(&key)), "")?;
        ensure!(deleted.status == 204, "{key}: {} {}", deleted.status, deleted.text);
        let left = api.get(&between)?;
        ensure!(left.as_array().is_some_and(|all| !all.contains(found)), "{left}");
    }
    Ok(())
}

/// What was sent is what is read.
fn same(read: &Value, sent: &Value) -> Result<()> {
    for (name, sent) in sent.as_object().context("an object")? {
        ensure!(read[name] == *sent, "{name}: {sent} was sent, {} read", read[name]);
    }
    Ok(())
}

fn unescaped(text: &str) -> Result<String> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        octets.extend_from_slice(before.as_bytes());
        octets.push(u8::from_str_radix(after.get(..2).context("two digits")?, 16)?);
        rest = after.get(2..).unwrap_or_default();
    }
    octets.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8(octets)?)
}

/// Go's `url.PathEscape`.
fn path_escaped(text: &str) -> String {
    let kept = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.~$&+=:@".contains(&octet);
    let escape = |octet: u8| match kept(octet) {
        true => char::from(octet).to_string(),
        false => format!("%{octet:02X}"),
    };
    text.bytes().map(escape).collect()
}
