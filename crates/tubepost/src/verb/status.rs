//! `tubepost status`: how the broker does, on one screen.

use clap::{ArgMatches, Command};
use serde_json::{Value, json};

use super::{
    block_on,
    management::{Session, reaching},
};
use crate::{
    failure::{Failure, complain},
    listing::{self, Cell},
    management_client::{Endpoint, Health},
    terminal::{print_line, shown},
};

pub(crate) fn command() -> Command {
    let command = Command::new("status").about("Show how the broker does; exit 1 on an alarm");
    reaching(listing::with_json(
        command,
        "One JSON object: the API's overview, nodes and health checks",
    ))
    .after_help(
        "Examples:\n  \
         tubepost status\n  \
         tubepost status --url http://ada:secret@mq.example.org:15672\n  \
         tubepost status --json | jq .overview.object_totals",
    )
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let session = Session::open(matches)?;
    let (overview, nodes, checks) = block_on(async {
        let client = &session.client;
        let overview = client.get(&Endpoint::overview()).await?;
        let nodes = client.list(&Endpoint::nodes()).await?;
        let mut checks = Vec::new();
        for check in CHECKS {
            let health = client.check(&Endpoint::health_check(check.name)).await?;
            checks.push((check, health));
        }
        Ok((overview, nodes, checks))
    })?;
    if session.listing.is_json() {
        let checks: serde_json::Map<String, Value> =
            checks.iter().map(|(check, health)| (check.name.to_owned(), of(health))).collect();
        let all = json!({ "overview": overview, "nodes": nodes, "health_checks": checks });
        print_line(&all.to_string())?;
    } else {
        print_line(&shown(&title(&overview)))?;
        let facts = facts(&overview, &nodes, &checks);
        session.listing.print_facts(facts.iter().map(|(name, text)| (*name, Cell::text(text))))?;
    }
    let mut is_bad = false;
    for (check, health) in &checks {
        if let Health::Bad(reason) = health {
            is_bad = true;
            complain(&shown(&format!("{}: {}; see the server's log", check.what, told(reason))));
        }
    }
    if is_bad { Err(Failure::Said(1)) } else { Ok(()) }
}

fn title(overview: &Value) -> String {
    let text = |key: &str| overview.get(key).and_then(Value::as_str).unwrap_or("?");
    let product = overview.get("product_name").and_then(Value::as_str).unwrap_or("RabbitMQ");
    let version = match text("product_version") {
        "?" => text("rabbitmq_version"),
        version => version,
    };
    format!("{product} {version}, node {}, cluster {}", text("node"), text("cluster_name"))
}

fn facts(
    overview: &Value,
    nodes: &[Value],
    checks: &[(Check, Health)],
) -> Vec<(&'static str, String)> {
    let count = |path: &str| overview.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let rate = |of: &str| {
        let path = format!("/message_stats/{of}_details/rate");
        overview.pointer(&path).and_then(Value::as_f64).unwrap_or(0.0)
    };
    let mut facts = vec![("listens on", listeners(overview))];
    for node in nodes {
        facts.extend(resources(node));
    }
    let totals = ["connections", "channels", "consumers", "queues", "exchanges"];
    let totals = totals.map(|name| format!("{name} {}", count(&format!("/object_totals/{name}"))));
    facts.push(("in it", totals.join(", ")));
    let ready = count("/queue_totals/messages_ready");
    let unacknowledged = count("/queue_totals/messages_unacknowledged");
    facts.push(("messages", format!("ready {ready}, unacknowledged {unacknowledged}")));
    let rates = [("publish", "publish"), ("deliver_get", "deliver"), ("ack", "acknowledge")];
    let rates = rates.map(|(of, word)| format!("{word} {:.1}/s", rate(of)));
    facts.push(("rates", rates.join(", ")));
    for (check, health) in checks {
        let text = match health {
            Health::Good => check.good.to_owned(),
            Health::Bad(reason) => told(reason),
            Health::Unknown => "this API does not say".to_owned(),
        };
        facts.push((check.what, text));
    }
    facts
}

fn listeners(overview: &Value) -> String {
    let listeners = overview.get("listeners").and_then(Value::as_array);
    let shown = listeners.into_iter().flatten().filter_map(|listener| {
        let protocol = listener.get("protocol")?.as_str()?;
        let (ip, port) = (listener.get("ip_address")?.as_str()?, listener.get("port")?.as_u64()?);
        Some(match ip.contains(':') {
            true => format!("{protocol} [{ip}]:{port}"),
            false => format!("{protocol} {ip}:{port}"),
        })
    });
    shown.collect::<Vec<_>>().join(", ")
}

// RabbitMQ knows them only some seconds after it started.
fn resources(node: &Value) -> Vec<(&'static str, String)> {
    let number = |key: &str| node.get(key).and_then(Value::as_u64);
    let mut facts = Vec::new();
    if let Some(uptime) = number("uptime") {
        facts.push(("up for", duration(uptime)));
    }
    if let (Some(used), Some(limit)) = (number("mem_used"), number("mem_limit")) {
        facts.push(("memory", format!("{} of {}", size(used), size(limit))));
    }
    if let (Some(free), Some(limit)) = (number("disk_free"), number("disk_free_limit")) {
        facts.push(("disk", format!("{} free, alarm below {}", size(free), size(limit))));
    }
    facts
}

fn of(health: &Health) -> Value {
    match health {
        Health::Good => json!({"status": "ok"}),
        Health::Bad(reason) => reason.clone(),
        Health::Unknown => Value::Null,
    }
}

// The alarms check names each, as do others what is not well.
fn told(reason: &Value) -> String {
    let text = reason.get("reason").and_then(Value::as_str).unwrap_or("is not well");
    let alarms = reason.get("alarms").and_then(Value::as_array);
    let named: Vec<String> = alarms
        .into_iter()
        .flatten()
        .filter_map(|alarm| {
            let resource = alarm.get("resource")?.as_str()?;
            let node = alarm.get("node").and_then(Value::as_str).unwrap_or("?");
            Some(format!("{resource} on node {node}"))
        })
        .collect();
    match named.is_empty() {
        true => text.to_owned(),
        false => format!("{text}: {}", named.join(", ")),
    }
}

fn duration(milliseconds: u64) -> String {
    let minutes = milliseconds / 60_000;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{} s", milliseconds / 1000),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(bits, _)| bytes >> bits > 0) {
        Some((bits, unit)) => {
            let tenths = (u128::from(bytes) * 10) >> bits;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

struct Check {
    /// In the API.
    name: &'static str,
    /// What it is about.
    what: &'static str,
    /// What there is to say when all is well.
    good: &'static str,
}

/// Those that matter on one node.
const CHECKS: [Check; 2] = [
    Check { name: "alarms", what: "alarms", good: "none" },
    Check { name: "virtual-hosts", what: "virtual hosts", good: "all up" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_said_as_people_do() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (50_000_000, "47.6 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (ms, text) in [
            (5_999, "5 s"),
            (60_000, "1 min"),
            (3_600_000 * 5 + 120_000, "5 h 2 min"),
            (86_400_000 * 3 + 3_600_000, "3 d 1 h"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn an_alarm_is_named_with_its_node() {
        let reason = json!({
            "status": "failed",
            "reason": "There are alarms in effect in the cluster",
            "alarms": [{"node": "a@b", "resource": "memory"}],
        });
        assert_eq!(told(&reason), "There are alarms in effect in the cluster: memory on node a@b");
        assert_eq!(told(&json!({})), "is not well");
    }
}
