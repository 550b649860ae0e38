//! fedora-messaging from PyPI, unmodified: its command line as consumer and as publisher.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Finished, Process, Site, python, root, run, wait_for};

/// `fedora-messaging consume`, running. Dropped, it is killed.
#[derive(Debug)]
pub struct Consumer {
    process: Process,
}

/// The queue that a consumer declares, in the words of its configuration.
const PUBLIC_QUEUE: &str =
    "durable = false\nauto_delete = true\nexclusive = true\narguments = {}\n";
const NAMED_QUEUE: &str =
    "durable = true\nauto_delete = false\nexclusive = false\narguments = {}\n";

impl Consumer {
    /// As fedora's public configuration has it: a queue named by a UUID, exclusive, gone with it.
    ///
    /// # Errors
    /// It does not register its consumer.
    pub fn start_public(site: &Site, routing_keys: &[&str]) -> Result<Consumer> {
        let queue = "d6c8c5ce-6b6b-4b0a-9d5f-0f6a7a1f2b3c";
        Consumer::start(site, &site.amqp_url(), queue, PUBLIC_QUEUE, routing_keys)
    }

    /// With a durable queue of this name.
    ///
    /// # Errors
    /// It does not register its consumer.
    pub fn start_named(site: &Site, queue: &str, routing_keys: &[&str]) -> Result<Consumer> {
        Consumer::start(site, &site.amqp_url(), queue, NAMED_QUEUE, routing_keys)
    }

    fn start(
        site: &Site,
        url: &str,
        queue: &str,
        flags: &str,
        routing_keys: &[&str],
    ) -> Result<Consumer> {
        let text = configuration(url, &format!("[queues.{queue:?}]\n{flags}"), queue, routing_keys);
        let file = site.write(&format!("fedora-messaging/{queue}.toml"), text)?;
        let record = root().join("tests/python/record.py");
        let callback = format!("{}:record", record.display());
        let mut command = program(site, &file)?;
        command.args(["consume", "--callback-file", &callback]);
        let mut process = Process::start("fedora-messaging consume", &mut command)?;
        let registered = "Successfully registered AMQP consumer";
        process.wait_for_line("its consumer", 40, |line| line.contains(registered))?;
        Ok(Consumer { process })
    }

    /// What it received, validated and recorded: dump format, and the `summary` it says.
    pub fn received(&self) -> Vec<Value> {
        let stdout = self.process.stdout();
        let lines = stdout.iter().filter_map(|line| line.strip_prefix("recorded "));
        lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until it received so many.
    ///
    /// # Errors
    /// The deadline passed, with its log: a message that it found invalid is there.
    pub fn wait_for_messages(&self, count: usize, seconds: u64) -> Result<Vec<Value>> {
        wait_for(&format!("{count} messages at fedora-messaging"), seconds, || {
            let received = self.received();
            if received.len() >= count { Ok(received) } else { Err(format!("{}", received.len())) }
        })
        .with_context(|| self.process.log())
    }

    /// Ends it as a service manager would.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(mut self) -> Result<()> {
        self.process.terminate(20).map(|_| ())
    }
}

/// `fedora-messaging publish FILE`: events in dump format, one a line.
///
/// # Errors
/// It does not end.
pub fn publish(site: &Site, lines: &str) -> Result<Finished> {
    let text = configuration(&site.amqp_url(), "", "", &[]);
    let file = site.write("fedora-messaging/publish.toml", text)?;
    let events = site.write("fedora-messaging/events.jsonl", lines)?;
    let mut command = program(site, &file)?;
    command.arg("publish").arg(events);
    run("fedora-messaging publish", &mut command, b"", 120)
}

fn program(site: &Site, configuration: &PathBuf) -> Result<Command> {
    let mut command = Command::new(python()?.with_file_name("fedora-messaging"));
    site.furnish(&mut command).arg("--conf").arg(configuration);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    Ok(command)
}

fn configuration(url: &str, queues: &str, queue: &str, routing_keys: &[&str]) -> String {
    let bindings = if routing_keys.is_empty() {
        String::new()
    } else {
        format!(
            "[[bindings]]\nqueue = {queue:?}\nexchange = \"amq.topic\"\n\
             routing_keys = {routing_keys:?}\n"
        )
    };
    format!(
        "amqp_url = {url:?}\n\
         publish_exchange = \"amq.topic\"\n\
         topic_prefix = \"\"\n\
         [client_properties]\n\
         app = \"Tubepost's tests\"\n\
         {queues}\n{bindings}\n\
         [log_config]\n\
         version = 1\n\
         disable_existing_loggers = false\n\
         [log_config.formatters.simple]\n\
         format = \"%(levelname)s %(name)s %(message)s\"\n\
         [log_config.handlers.console]\n\
         class = \"logging.StreamHandler\"\n\
         formatter = \"simple\"\n\
         stream = \"ext://sys.stderr\"\n\
         [log_config.root]\n\
         level = \"INFO\"\n\
         handlers = [\"console\"]\n"
    )
}
