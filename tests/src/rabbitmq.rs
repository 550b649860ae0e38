//! RabbitMQ as Debian ships it, as a child with its own node name, directories and ports.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{Api, Authority, Files, Process, environment, free_port, server::accepting};

/// A running RabbitMQ. Dropped, it and its port mapper are killed.
#[derive(Debug)]
pub struct RabbitMq {
    port: u16,
    tls_port: Option<u16>,
    management: Option<Management>,
    // Dropped in this order: the node, its port mapper, its directory.
    _node: Process,
    _port_mapper: Process,
    _directory: TempDir,
}

/// Where its HTTP API is.
#[derive(Debug)]
struct Management {
    port: u16,
    tls_port: Option<u16>,
}

/// The seconds after which it drops a client that has not finished the handshake.
const HANDSHAKE_TIMEOUT_MS: u32 = 1000;

/// Of what its HTTP API counts: as often as in a test somebody looks, and all there is.
const STATISTICS: &str = "collect_statistics_interval = 500\nmanagement.rates_mode = detailed\n";

impl RabbitMq {
    /// Starts one and waits until it serves: some 6 s.
    ///
    /// # Errors
    /// It is not installed, or ends, with its log.
    pub fn start() -> Result<RabbitMq> {
        RabbitMq::start_as(String::new(), None)
    }

    /// As [`RabbitMq::start`], with the users, rights and policies of a definitions file, and with
    /// no others.
    ///
    /// # Errors
    /// As [`RabbitMq::start`], or it does not take the file.
    pub fn start_defined(definitions: &Path) -> Result<RabbitMq> {
        RabbitMq::start_as(format!("load_definitions = {}\n", definitions.display()), None)
    }

    /// As [`RabbitMq::start`], with its HTTP API.
    ///
    /// # Errors
    /// As there.
    pub fn start_with_management() -> Result<RabbitMq> {
        let management = Management { port: free_port(), tls_port: None };
        RabbitMq::start_as(STATISTICS.to_owned(), Some(management))
    }

    /// As [`RabbitMq::start_with_management`], also over TLS with this certificate.
    ///
    /// # Errors
    /// As there.
    pub fn start_with_management_and_tls(
        authority: &Authority,
        certificate: &Files,
    ) -> Result<RabbitMq> {
        let tls_port = free_port();
        let mut settings = STATISTICS.to_owned();
        writeln!(settings, "management.ssl.ip = 127.0.0.1")?;
        writeln!(settings, "management.ssl.port = {tls_port}")?;
        for (key, file) in tls_files(authority, certificate) {
            writeln!(settings, "management.ssl.{key} = {}", file.display())?;
        }
        let management = Management { port: free_port(), tls_port: Some(tls_port) };
        RabbitMq::start_as(settings, Some(management))
    }

    /// As [`RabbitMq::start_with_management`], and AMQP also over TLS with this certificate, to
    /// clients that may show one of the same authority.
    ///
    /// # Errors
    /// As there.
    pub fn start_with_management_and_amqps(
        authority: &Authority,
        certificate: &Files,
    ) -> Result<RabbitMq> {
        let tls_port = free_port();
        let mut settings = STATISTICS.to_owned();
        writeln!(settings, "listeners.ssl.1 = 127.0.0.1:{tls_port}")?;
        writeln!(settings, "ssl_options.verify = verify_peer")?;
        for (key, file) in tls_files(authority, certificate) {
            writeln!(settings, "ssl_options.{key} = {}", file.display())?;
        }
        let management = Management { port: free_port(), tls_port: None };
        let started = RabbitMq::start_as(settings, Some(management))?;
        Ok(RabbitMq { tls_port: Some(tls_port), ..started })
    }

    fn start_as(mut settings: String, management: Option<Management>) -> Result<RabbitMq> {
        let script = environment::rabbitmq_server()?;
        let directory = tempfile::Builder::new().prefix("tubepost-rabbitmq-").tempdir()?;
        let at = |name: &str| directory.path().join(name);
        for folder in ["home", "mnesia", "log"] {
            fs::create_dir(at(folder))?;
        }
        let plugins = match &management {
            None => "[rabbitmq_consistent_hash_exchange].\n",
            Some(Management { port, .. }) => {
                writeln!(settings, "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}")?;
                "[rabbitmq_management].\n"
            }
        };
        fs::write(at("plugins"), plugins)?;
        writeln!(settings, "handshake_timeout = {HANDSHAKE_TIMEOUT_MS}")?;
        fs::write(at("rabbitmq.conf"), settings)?;
        let (port, distribution, mapper) = (free_port(), free_port(), free_port());
        // Started by RabbitMQ itself it would outlive it, as a daemon.
        let mut port_mapper = Command::new("epmd");
        port_mapper.args(["-address", "127.0.0.1", "-port", &mapper.to_string()]);
        let mut port_mapper = Process::start("epmd", &mut port_mapper)?;
        accepting(&mut port_mapper, mapper)?;
        let mut command = Command::new(script);
        command
            .current_dir(directory.path())
            .env("HOME", at("home"))
            .env("RABBITMQ_NODENAME", format!("tubepost-{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("ERL_EPMD_PORT", mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", at("feature_flags"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("none"))
            .env("RABBITMQ_CONF_ENV_FILE", at("none"))
            // Without it the script stays between us and the node.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-noshell -noinput +S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
            );
        let mut node = Process::start("rabbitmq-server", &mut command)?;
        node.wait_for_line("its start-up", 90, |line| line.contains("Server startup complete"))
            .context("RabbitMQ did not come up")?;
        Ok(RabbitMq {
            port,
            tls_port: None,
            management,
            _node: node,
            _port_mapper: port_mapper,
            _directory: directory,
        })
    }

    /// Its HTTP API, as guest.
    ///
    /// # Errors
    /// It was started without.
    pub fn api(&self) -> Result<Api> {
        let management = self.management.as_ref().context("started without its HTTP API")?;
        Ok(Api::on_port(management.port))
    }

    /// The address of its HTTP API for the built-in user.
    ///
    /// # Errors
    /// It was started without.
    pub fn management_url(&self) -> Result<String> {
        let management = self.management.as_ref().context("started without its HTTP API")?;
        Ok(format!("http://guest:guest@127.0.0.1:{}", management.port))
    }

    /// The addresses of its HTTP API for the built-in user, without TLS and with.
    ///
    /// # Errors
    /// It was started without.
    pub fn management_urls(&self) -> Result<(String, String)> {
        let management = self.management.as_ref().context("started without its HTTP API")?;
        let tls_port = management.tls_port.context("started without TLS")?;
        let url = format!("http://guest:guest@127.0.0.1:{}", management.port);
        Ok((url, format!("https://guest:guest@127.0.0.1:{tls_port}")))
    }

    /// Where it listens, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens for AMQP over TLS, on loopback.
    ///
    /// # Errors
    /// It was started without.
    pub fn tls_port(&self) -> Result<u16> {
        self.tls_port.context("started without TLS")
    }

    /// Its address, for any AMQP client.
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }
}

/// The files of a server's certificate, by the names that RabbitMQ's settings end with.
fn tls_files<'a>(
    authority: &'a Authority,
    certificate: &'a Files,
) -> [(&'static str, &'a Path); 3] {
    [
        ("cacertfile", &authority.file),
        ("certfile", &certificate.certificate),
        ("keyfile", &certificate.key),
    ]
}
