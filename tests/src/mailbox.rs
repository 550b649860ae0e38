//! A mail server (aiosmtpd), and the mails it took.

use std::process::{Command, ExitStatus};

use anyhow::Result;
use serde_json::Value;

use crate::{Process, Site, free_port, python, root, site::PROBE, wait_for};

/// A running mail server on loopback, without TLS. Dropped, it is killed.
#[derive(Debug)]
pub struct Mailbox {
    process: Process,
    /// Where it listens.
    pub port: u16,
}

/// A mail, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who gets it, by the envelope.
    pub to: Vec<String>,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its plain text.
    pub text: String,
}

impl Mail {
    /// The first header of this name, whatever its case; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|header| header.0.eq_ignore_ascii_case(name));
        found.map_or("", |header| header.1.as_str())
    }

    fn from_json(line: &str) -> Option<Mail> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let to = value["to"].as_array()?.iter().map(text_of).collect();
        let header = |pair: &Value| (text_of(&pair[0]), text_of(&pair[1]));
        let headers = value["headers"].as_array()?.iter().map(header).collect();
        Some(Mail { to, headers, text: text_of(&value["text"]) })
    }
}

impl Mailbox {
    /// On a free port.
    ///
    /// # Errors
    /// The Python environment was not set up.
    pub fn start() -> Result<Mailbox> {
        Mailbox::start_on(free_port(), &[])
    }

    /// On this port; `more` goes to `mailbox.py`.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start_on(port: u16, more: &[&str]) -> Result<Mailbox> {
        let mut command = Command::new(python()?);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(root().join("tests/python/mailbox.py")).arg(port.to_string()).args(more);
        let mut process = Process::start("mail server", &mut command)?;
        process.wait_for_line("its port", 20, |line| line.contains("\"listening\""))?;
        Ok(Mailbox { process, port })
    }

    /// The mails so far, of probe events none.
    pub fn mails(&self) -> Vec<Mail> {
        let mut mails = self.all();
        mails.retain(|mail| mail.header("X-Tubepost-Topic") != PROBE);
        mails
    }

    /// The mails so far, those of probe events too.
    pub fn all(&self) -> Vec<Mail> {
        self.process.stdout().iter().filter_map(|line| Mail::from_json(line)).collect()
    }

    /// Publishes probe events until one came by mail: from then on the notifier misses nothing. The
    /// site's subscription must have their topic, `org.example.probe`.
    ///
    /// # Errors
    /// None came in time.
    pub fn wait_for_notifier(&self, site: &Site) -> Result<()> {
        wait_for("the notifier to send", 30, || {
            site.probe().map_err(|error| format!("{error:#}"))?;
            if self.all().is_empty() { Err("no mail".to_owned()) } else { Ok(()) }
        })
    }

    /// Waits until there are at least so many.
    ///
    /// # Errors
    /// The deadline passed; says the subjects that came.
    pub fn wait_for_mails(&self, count: usize, seconds: u64) -> Result<Vec<Mail>> {
        wait_for(&format!("{count} mails"), seconds, || {
            let mails = self.mails();
            if mails.len() >= count {
                return Ok(mails);
            }
            let subjects: Vec<&str> = mails.iter().map(|mail| mail.header("Subject")).collect();
            Err(format!("{} mails: {subjects:?}", mails.len()))
        })
    }

    /// Goes away, in order.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.process.terminate(10)
    }
}
