//! RabbitMQ's own command line, version 2 from crates.io, unmodified. It takes some six minutes to
//! build: `cargo xtask torture rabbitmqadmin` does that; every run has it once it is there.
#![allow(clippy::print_stdout, reason = "why it was skipped")]

use std::{path::PathBuf, process::Command};

use anyhow::{Result, ensure};
use harness::{Finished, Site, is_torture, rabbitmqadmin_2, run};

/// Which one it is. Another is another test.
const VERSION: &str = "2.35.0";

/// Where it is, built if there is time for that; `None` where it is not.
fn program() -> Result<Option<PathBuf>> {
    let (root, program) = rabbitmqadmin_2();
    if !program.exists() && is_torture() {
        let mut build = Command::new("cargo");
        build.args(["install", "--locked", "--quiet", "rabbitmqadmin", "--version", VERSION]);
        build.arg("--root").arg(root);
        let done = run("cargo install rabbitmqadmin", &mut build, b"", 1800)?;
        ensure!(done.code() == 0, "{}", done.stderr);
    }
    if !program.exists() {
        let at = program.display();
        println!("skipped: {at} is not there; cargo xtask torture rabbitmqadmin builds it");
        return Ok(None);
    }
    Ok(Some(program))
}

struct Admin {
    program: PathBuf,
    site: Site,
}

impl Admin {
    fn run(&self, words: &[&str]) -> Result<Finished> {
        let mut command = Command::new(&self.program);
        command.env("HOME", self.site.path("home"));
        command.args(["--host", "127.0.0.1", "--port", &self.site.management_port.to_string()]);
        command.args(["--username", "guest", "--password", "guest", "--non-interactive"]);
        run(&format!("rabbitmqadmin {}", words.join(" ")), command.args(words), b"", 30)
    }

    fn done(&self, words: &[&str]) -> Result<String> {
        let finished = self.run(words)?;
        ensure!(finished.code() == 0, "{words:?}: {}{}", finished.stdout, finished.stderr);
        Ok(finished.stdout)
    }

    /// In the virtual host `v`.
    fn there(&self, words: &[&str]) -> Result<String> {
        self.done(&[&["--vhost", "v"], words].concat())
    }
}

#[test]
fn rabbitmqadmin_2_declares_shows_lists_publishes_gets_exports_and_deletes() -> Result<()> {
    let Some(program) = program()? else { return Ok(()) };
    let site = Site::new()?;
    let _server = site.serve()?;
    let admin = Admin { program, site };
    declare(&admin)?;
    show(&admin)?;
    admin.there(&["policies", "patch", "--name", "p", "--definition", r#"{"max-length": 11}"#])?;
    for words in [
        &["publish", "message", "--exchange", "x", "--routing-key", "a.b", "--payload", "hello"][..],
        &["get", "messages", "--queue", "q", "--count", "2", "--ack-mode", "ack_requeue_true"],
    ] {
        admin.there(words)?;
    }
    let got = admin.there(&["get", "messages", "--queue", "q", "--count", "1"])?;
    ensure!(got.contains("hello") && got.contains("a.b"), "{got}");
    admin.there(&["purge", "queue", "--name", "q"])?;
    let file = admin.site.path("definitions.json").display().to_string();
    admin.done(&["definitions", "export", "--file", &file])?;
    admin.done(&["definitions", "import", "--file", &file])?;
    admin.there(&["definitions", "export_from_vhost", "--file", &file])?;
    admin.there(&["definitions", "import_into_vhost", "--file", &file])?;
    delete(&admin)
}

fn declare(admin: &Admin) -> Result<()> {
    admin.done(&["declare", "vhost", "--name", "v", "--description", "of tests"])?;
    for words in [
        &["queue", "--name", "q", "--type", "classic", "--durable", "true"][..],
        &["queue", "--name", "qq", "--type", "quorum", "--durable", "true"],
        &["queue", "--name", "l", "--type", "classic", "--arguments", r#"{"x-max-length": 5}"#],
        &["stream", "--name", "s", "--expiration", "1D", "--max-length-bytes", "100000"],
        &["exchange", "--name", "x", "--type", "topic", "--durable", "true"],
        &["exchange", "--name", "y", "--type", "fanout"],
        &[
            "binding",
            "--source",
            "x",
            "--destination-type",
            "queue",
            "--destination",
            "q",
            "--routing-key",
            "a.#",
        ],
        &[
            "binding",
            "--source",
            "x",
            "--destination-type",
            "exchange",
            "--destination",
            "y",
            "--routing-key",
            "b",
            "--arguments",
            r#"{"k": 1}"#,
        ],
        &["permissions", "--user", "guest", "--configure", ".*", "--read", ".*", "--write", ".*"],
        &[
            "policy",
            "--name",
            "p",
            "--pattern",
            "^q",
            "--apply-to",
            "queues",
            "--definition",
            r#"{"max-length": 10}"#,
        ],
        &[
            "operator_policy",
            "--name",
            "o",
            "--pattern",
            "^q",
            "--apply-to",
            "queues",
            "--definition",
            r#"{"expires": 9999}"#,
        ],
        &["vhost_limit", "--name", "max-queues", "--value", "50"],
    ] {
        admin.there(&[&["declare"], words].concat())?;
    }
    admin.done(&[
        "declare",
        "user",
        "--name",
        "u",
        "--password",
        "correct-horse",
        "--tags",
        "management",
    ])?;
    admin.done(&[
        "declare",
        "user_limit",
        "--user",
        "u",
        "--name",
        "max-connections",
        "--value",
        "5",
    ])?;
    Ok(())
}

fn show(admin: &Admin) -> Result<()> {
    let nodes = admin.site.api().get("nodes")?;
    let node = nodes[0]["name"].as_str().unwrap_or_default().to_owned();
    for words in [
        "show overview",
        "show churn",
        "show memory_breakdown_in_bytes --node NODE",
        "show memory_breakdown_in_percent --node NODE",
        "auth_attempts stats --node NODE",
        "nodes list",
        "vhosts list",
        "users list",
        "connections list",
        "channels list",
        "list consumers",
        "queues list",
        "streams list",
        "exchanges list",
        "bindings list",
        "permissions list",
        "policies list",
        "operator_policies list",
        "parameters list_all",
        "global_parameters list",
        "vhost_limits list",
        "user_limits list",
        "feature_flags list",
        "deprecated_features list",
        "deprecated_features list_used",
        "shovels list_all",
        "federation list_all_upstreams",
        "federation list_all_links",
        "plugins list_all",
        "rebalance queues",
        "health_check local_alarms",
        "health_check cluster_wide_alarms",
        "health_check node_is_quorum_critical",
        "health_check protocol_listener --protocol amqp",
        "feature_flags enable_all",
    ] {
        let words: Vec<&str> =
            words.split(' ').map(|word| if word == "NODE" { &node } else { word }).collect();
        admin.done(&words)?;
    }
    let shown = admin.there(&["queues", "show", "--name", "q"])?;
    ensure!(shown.contains("classic"), "{shown}");
    Ok(())
}

fn delete(admin: &Admin) -> Result<()> {
    for words in [
        &["queue", "--name", "q"][..],
        &["stream", "--name", "s"],
        &["exchange", "--name", "y"],
        &["policy", "--name", "p"],
        &["operator_policy", "--name", "o"],
        &["vhost_limit", "--name", "max-queues"],
        &["permissions", "--user", "guest"],
        &["user", "--name", "u"],
    ] {
        admin.there(&[&["delete"], words].concat())?;
    }
    let protected = ["--vhost", "v", "vhosts", "enable_deletion_protection", "--name", "v"];
    admin.done(&protected)?;
    let refused = admin.run(&["vhosts", "delete", "--name", "v"])?;
    ensure!(refused.code() != 0 && refused.stderr.contains("protected"), "{}", refused.stderr);
    admin.done(&["vhosts", "disable_deletion_protection", "--name", "v"])?;
    admin.done(&["delete", "vhost", "--name", "v"])?;
    let again = admin.run(&["delete", "vhost", "--name", "v"])?;
    ensure!(again.code() != 0, "it is gone");
    Ok(())
}
