//! RabbitMQ as Debian ships it, as a child with its own node name, directories and ports.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{Api, Process, environment, free_port, server::accepting};

/// A running RabbitMQ. Dropped, it and its port mapper are killed.
#[derive(Debug)]
pub struct RabbitMq {
    port: u16,
    management_port: Option<u16>,
    // Dropped in this order: the node, its port mapper, its directory.
    _node: Process,
    _port_mapper: Process,
    _directory: TempDir,
}

/// The seconds after which it drops a client that has not finished the handshake.
const HANDSHAKE_TIMEOUT_MS: u32 = 1000;

impl RabbitMq {
    /// Starts one and waits until it serves: some 6 s.
    ///
    /// # Errors
    /// It is not installed, or ends, with its log.
    pub fn start() -> Result<RabbitMq> {
        RabbitMq::start_with(None)
    }

    /// As [`RabbitMq::start`], with its HTTP API.
    ///
    /// # Errors
    /// As there.
    pub fn start_with_management() -> Result<RabbitMq> {
        RabbitMq::start_with(Some(free_port()))
    }

    fn start_with(management_port: Option<u16>) -> Result<RabbitMq> {
        let script = environment::rabbitmq_server()?;
        let directory = tempfile::Builder::new().prefix("tubepost-rabbitmq-").tempdir()?;
        let at = |name: &str| directory.path().join(name);
        for folder in ["home", "mnesia", "log"] {
            fs::create_dir(at(folder))?;
        }
        let mut settings = format!("handshake_timeout = {HANDSHAKE_TIMEOUT_MS}\n");
        let plugins = match management_port {
            None => "[].\n",
            Some(port) => {
                settings.push_str(&format!(
                    "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\n\
                     collect_statistics_interval = 500\n"
                ));
                "[rabbitmq_management].\n"
            }
        };
        fs::write(at("plugins"), plugins)?;
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
            management_port,
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
        self.management_port.map(Api::on_port).context("started without its HTTP API")
    }

    /// Its address, for any AMQP client.
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }
}
