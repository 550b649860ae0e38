//! RabbitMQ as Debian ships it, as a child with its own node name, directories and ports.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{Process, environment, free_port, server::accepting};

/// A running RabbitMQ. Dropped, it and its port mapper are killed.
#[derive(Debug)]
pub struct RabbitMq {
    port: u16,
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

    /// As [`RabbitMq::start`], with the users, rights and policies of a definitions file, and with
    /// no others.
    ///
    /// # Errors
    /// As [`RabbitMq::start`], or it does not take the file.
    pub fn start_defined(definitions: &Path) -> Result<RabbitMq> {
        RabbitMq::start_with(Some(definitions))
    }

    fn start_with(definitions: Option<&Path>) -> Result<RabbitMq> {
        let script = environment::rabbitmq_server()?;
        let directory = tempfile::Builder::new().prefix("tubepost-rabbitmq-").tempdir()?;
        let at = |name: &str| directory.path().join(name);
        for folder in ["home", "mnesia", "log"] {
            fs::create_dir(at(folder))?;
        }
        fs::write(at("plugins"), "[].\n")?;
        let mut configuration = format!("handshake_timeout = {HANDSHAKE_TIMEOUT_MS}\n");
        if let Some(file) = definitions {
            configuration += &format!("load_definitions = {}\n", file.display());
        }
        fs::write(at("rabbitmq.conf"), configuration)?;
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
        Ok(RabbitMq { port, _node: node, _port_mapper: port_mapper, _directory: directory })
    }

    /// Where it listens, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address, for any AMQP client.
    pub fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }
}
