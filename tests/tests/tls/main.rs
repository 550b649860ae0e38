//! AMQP over TLS: Tubepost's own client, pika and amqplib work over it as without; who may not be
//! trusted is not; certificates say who a client is, are chosen by name, and are renewed while the
//! server runs.

mod client_certificates;
mod mistakes;
mod peer_certificate;
mod server_certificates;
mod stalls;

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Authority, Broker, Files, Finished, Is, Server, Site, free_port, node_script_trusting,
    python_script, run,
};
use serde_json::json;

/// A site whose server has a certificate for localhost, signed by an authority of its own.
struct Secured {
    site: Site,
    authority: Authority,
    files: Files,
    port: u16,
}

impl Secured {
    fn new() -> Result<Secured> {
        let site = Site::new()?;
        let authority = Authority::new(&site, "authority")?;
        let files = authority.sign(&site, "server", &Is::Server(&["localhost", "127.0.0.1"]))?;
        let secured = Secured { site, authority, files, port: free_port() };
        secured.configure("")?;
        Ok(secured)
    }

    /// Writes the configuration, with more lines of `[amqp.tls]`.
    fn configure(&self, more: &str) -> Result<()> {
        let Files { certificate, key } = &self.files;
        let text = format!(
            "[amqp.tls]\nlisten = \"127.0.0.1:{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n{more}",
            self.port,
            certificate.display(),
            key.display()
        );
        self.site.write("tubepost.toml", text).map(|_| ())
    }

    /// The URL with TLS for Tubepost's own client.
    fn url(&self, host: &str, trust: &Path, more: &str) -> String {
        let port = self.port;
        format!("amqps://{host}:{port}/%2f?cacertfile={}{more}", trust.display())
    }

    /// `tubepost ARGUMENTS…` on this bus.
    fn tubepost_on(&self, url: &str, arguments: &[&str], input: &[u8]) -> Result<Finished> {
        let mut command: Command = self.site.command(arguments);
        command.env("TUBEPOST_BUS", url);
        run(&arguments.join(" "), &mut command, input, 40)
    }

    /// Publishes one event over TLS.
    fn publish_on(&self, url: &str) -> Result<Finished> {
        self.tubepost_on(url, &["publish", "org.example.tls", "{}"], b"")
    }

    fn may_publish(&self, url: &str) -> Result<()> {
        let done = self.publish_on(url)?;
        ensure!(done.code() == 0, "{url}: {}", done.stderr);
        Ok(())
    }

    /// Publishes and is refused; what the client says.
    fn is_refused(&self, url: &str) -> Result<String> {
        let done = self.publish_on(url)?;
        ensure!(done.code() != 0, "{url}: it was taken");
        Ok(done.stderr)
    }

    fn add_user(&self, name: &str) -> Result<()> {
        let directory = self.site.path("data").display().to_string();
        let words = ["user", "add", name, "--password-stdin", "--data-dir", &directory];
        let done = self.site.tubepost_with_input(&words, b"correct-horse-battery\n")?;
        ensure!(done.code() == 0, "user add {name}: {}", done.stderr);
        Ok(())
    }
}

/// Waits until the server has logged a line with all these words.
fn logged(server: &mut Server, words: &[&str]) -> Result<()> {
    let has_all = |line: &str| words.iter().all(|word| line.contains(word));
    server.process().wait_for_line(&format!("{words:?}"), 10, has_all).map(|_| ())
}

#[test]
fn our_own_client_publishes_and_receives_over_tls_small_and_large() -> Result<()> {
    let secured = Secured::new()?;
    let mut server = secured.site.serve()?;
    let greeted = format!("AMQPS  127.0.0.1:{}", secured.port);
    server.process().wait_for_line("the greeting", 5, |line| line.contains(&greeted))?;
    let tail = secured.site.tail_json(&["org.example.tls.#"])?;
    let url = secured.url("localhost", &secured.authority.file, "");
    let large = json!({"large": "x".repeat(3_000_000)}).to_string();
    for (topic, body) in
        [("org.example.tls.large", large.as_str()), ("org.example.tls.small", "{}")]
    {
        let done = secured.tubepost_on(&url, &["publish", topic, "-"], body.as_bytes())?;
        ensure!(done.code() == 0, "{}", done.stderr);
    }
    let events = harness::wait_for_events(&tail, 2, 20)?;
    let received = events.iter().find(|event| event["topic"] == "org.example.tls.large");
    let body = &received.context("the large one")?["body"];
    ensure!(body["large"].as_str().map(str::len) == Some(3_000_000), "cut");
    logged(&mut server, &["connected", "tls=\"1.3\""])
}

#[test]
fn pika_works_over_tls_as_without() -> Result<()> {
    let secured = Secured::new()?;
    let mut server = secured.site.serve()?;
    // pika's URL has a literal of Python for it.
    let options = format!("%7B%27cafile%27%3A%27{}%27%7D", secured.authority.file.display());
    let port = secured.port;
    let url = format!("amqps://guest:guest@localhost:{port}/%2f?ssl_options={options}");
    for script in [
        "pika_connections.py",
        "pika_exchanges.py",
        "pika_queues.py",
        "pika_publish.py",
        "pika_consume.py",
    ] {
        python_script(script, &url, Broker::Tubepost, &[])?;
    }
    ensure!(server.process().ended().is_none(), "the server ended");
    Ok(())
}

#[test]
fn amqplib_works_over_tls_as_without() -> Result<()> {
    let secured = Secured::new()?;
    let _server = secured.site.serve()?;
    let url = format!("amqps://guest:guest@localhost:{}/%2f", secured.port);
    node_script_trusting("amqplib_scenarios.mjs", &url, &secured.authority.file)
}
