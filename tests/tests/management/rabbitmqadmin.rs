//! RabbitMQ's own command line, version 1 as Debian ships it, unmodified.

use std::process::Command;

use anyhow::{Result, ensure};
use harness::{Finished, Site, python, rabbitmqadmin, run};
use serde_json::Value;

fn admin(site: &Site, words: &[&str]) -> Result<Finished> {
    let mut command = Command::new(python()?);
    command.env("PYTHONWARNINGS", "ignore").env("HOME", site.path("home"));
    command.arg(rabbitmqadmin()?).args(["--port", &site.management_port.to_string()]).args(words);
    run(&format!("rabbitmqadmin {}", words.join(" ")), &mut command, b"", 30)
}

fn done(site: &Site, words: &[&str]) -> Result<String> {
    let finished = admin(site, words)?;
    ensure!(finished.code() == 0, "{words:?}: {}{}", finished.stdout, finished.stderr);
    Ok(finished.stdout)
}

#[test]
fn rabbitmqadmin_declares_lists_publishes_gets_exports_and_deletes() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    for words in [
        &["declare", "vhost", "name=v"][..],
        &["declare", "user", "name=u", "password=p", "tags=management"],
        &["declare", "permission", "vhost=v", "user=u", "configure=.*", "write=.*", "read=.*"],
        &["--vhost=v", "declare", "exchange", "name=x", "type=topic"],
        &["--vhost=v", "declare", "queue", "name=q", "durable=true"],
        &["--vhost=v", "declare", "queue", "name=l", r#"arguments={"x-max-length":10}"#],
        &["--vhost=v", "declare", "binding", "source=x", "destination=q", "routing_key=a.#"],
        &[
            "--vhost=v",
            "declare",
            "policy",
            "name=p",
            "pattern=^q",
            r#"definition={"max-length":9}"#,
        ],
        &["declare", "vhost_limit", "vhost=v", "name=max-queues", "value=9"],
        &[
            "-u",
            "u",
            "-p",
            "p",
            "--vhost=v",
            "publish",
            "exchange=x",
            "routing_key=a.b",
            "payload=hi",
        ],
    ] {
        done(&site, words)?;
    }
    let got = done(&site, &["--vhost=v", "get", "queue=q", "ackmode=ack_requeue_true"])?;
    ensure!(got.contains("hi") && got.contains("a.b"), "{got}");
    // No column of which there may be none: on that it fails, on RabbitMQ too.
    let listed = done(&site, &["list", "queues", "vhost", "name", "messages", "durable"])?;
    ensure!(listed.contains("| v ") && listed.contains("| q "), "{listed}");
    for noun in [
        "users",
        "vhosts",
        "connections",
        "exchanges",
        "bindings",
        "permissions",
        "channels",
        "consumers",
        "parameters",
        "policies",
        "operator_policies",
        "queues",
        "vhost_limits",
        "nodes",
    ] {
        done(&site, &["list", noun])?;
    }
    let shown = done(&site, &["show", "overview"])?;
    ensure!(shown.contains("rabbitmq_version") && shown.contains("3.13"), "{shown}");
    let json = done(&site, &["-f", "raw_json", "list", "queues"])?;
    ensure!(serde_json::from_str::<Value>(&json)?.is_array(), "{json}");
    let file = site.path("definitions.json").display().to_string();
    done(&site, &["export", &file])?;
    done(&site, &["--vhost=v", "purge", "queue", "name=q"])?;
    for words in [
        &[
            "--vhost=v",
            "delete",
            "binding",
            "source=x",
            "destination_type=queue",
            "destination=q",
            "properties_key=a.%23",
        ][..],
        &["--vhost=v", "delete", "policy", "name=p"],
        &["--vhost=v", "delete", "queue", "name=q"],
        &["--vhost=v", "delete", "exchange", "name=x"],
        &["delete", "permission", "vhost=v", "user=u"],
        &["delete", "vhost", "name=v"],
        &["delete", "user", "name=u"],
    ] {
        done(&site, words)?;
    }
    // All that was there is there again, its own login included.
    done(&site, &["import", &file])?;
    done(&site, &["-u", "u", "-p", "p", "--vhost=v", "list", "queues"])?;
    let listed = done(&site, &["--vhost=v", "list", "bindings"])?;
    ensure!(listed.contains("a.#"), "{listed}");
    let refused = admin(&site, &["-u", "u", "-p", "wrong", "list", "queues"])?;
    ensure!(
        refused.code() != 0 && refused.stdout.contains("Access refused")
            || refused.stderr.contains("Access refused"),
        "{refused:?}"
    );
    Ok(())
}
