//! Who is measured: how each is started on ports and in a directory of its own, and what its
//! confirms are worth.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{port::free_port, process::Process, setup::Servers};

/// One of those that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Contender {
    Tubepost,
    /// The same, by AMQP 1.0.
    TubepostBy10,
    RabbitMq,
    Nats,
    /// Somebody else's, at this URL: neither started nor stopped here.
    Running(String),
}

impl Contender {
    /// What `--against` names.
    pub(super) fn named(name: &str) -> Option<Contender> {
        match name {
            "1.0" => Some(Contender::TubepostBy10),
            "rabbitmq" => Some(Contender::RabbitMq),
            "nats" => Some(Contender::Nats),
            url if url.contains("://") => Some(Contender::Running(url.to_owned())),
            _ => None,
        }
    }

    /// In tables; a URL without its password.
    pub(super) fn name(&self) -> String {
        match self {
            Contender::Tubepost => "Tubepost".to_owned(),
            Contender::TubepostBy10 => "Tubepost by AMQP 1.0".to_owned(),
            Contender::RabbitMq => "RabbitMQ".to_owned(),
            Contender::Nats => "NATS".to_owned(),
            Contender::Running(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                rest.rsplit_once('@').map_or(rest, |(_, host)| host).to_owned()
            }
        }
    }

    /// What `--against` calls it; a URL without user and password.
    pub(super) fn word(&self) -> String {
        match self {
            Contender::Running(url) => {
                let scheme = url.split("://").next().unwrap_or_default();
                format!("{scheme}://{}", self.name())
            }
            Contender::TubepostBy10 => "1.0".to_owned(),
            named => named.name().to_lowercase(),
        }
    }

    /// When a message that it confirms is on the medium.
    pub(super) fn durability(&self) -> &'static str {
        match self {
            Contender::Tubepost | Contender::TubepostBy10 => {
                "every confirm comes after an fdatasync of the journal that holds the message \
                 (`journal.sync = always`, the default)"
            }
            Contender::RabbitMq => {
                "classic queues, the default: a confirm comes after an fsync, one for many messages, \
                 or without one when the message was consumed and acknowledged before its turn \
                 (3.10 under strace: 399 fsyncs for 400 messages at 100 a second without a \
                 consumer; 71 for 50,000 messages that were consumed at once)"
            }
            Contender::Nats => {
                "durable cases are JetStream's, with streams in files: a confirm comes when the \
                 message is given to the operating system (no sync under strace); it is synced \
                 every two minutes (`sync_interval`, the default). Streams keep what was acknowledged, so there is \
                 less to do than for a queue. The other cases are core NATS's, which keeps nothing"
            }
            Contender::Running(_) => "as whoever runs it has set it",
        }
    }

    /// What it says of its version.
    pub(super) fn version(&self, servers: &Servers) -> String {
        let said = |program: &Path, argument: &str| {
            let output = Command::new(program).arg(argument).output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let version = match self {
            Contender::Tubepost | Contender::TubepostBy10 => said(&servers.tubepost, "--version"),
            Contender::Nats => said(&servers.nats, "--version"),
            Contender::RabbitMq => {
                let mut query = Command::new("dpkg-query");
                query.args(["--showformat", "${Version}", "--show", "rabbitmq-server"]);
                let output = query.output().ok();
                output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
            }
            Contender::Running(_) => None,
        };
        let name = match self {
            Contender::TubepostBy10 => Contender::Tubepost.name().to_lowercase(),
            other => other.name().to_lowercase(),
        };
        let version = version.filter(|it| !it.is_empty()).unwrap_or_else(|| "unknown".to_owned());
        let words = version.trim_start_matches(&name).trim_start_matches("-server:").trim();
        words.trim_start_matches('v').to_owned()
    }

    /// Starts it in an empty directory, and waits until it answers.
    ///
    /// # Errors
    /// It does not come up, with its last words.
    pub(super) fn start(&self, servers: &Servers, directory: &Path) -> Result<Site> {
        let mut site = Site {
            contender: self.clone(),
            directory: directory.to_owned(),
            ports: std::array::from_fn(|_| free_port()),
            command: None,
            process: None,
            port_mapper: None,
            started_in: None,
        };
        if let Contender::Running(_) = self {
            return Ok(site);
        }
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory.join("home"))?;
        site.command = Some(match self {
            Contender::Tubepost | Contender::TubepostBy10 => site.tubepost(&servers.tubepost),
            Contender::Nats => site.nats(&servers.nats),
            _ => site.rabbitmq(&servers.rabbitmq)?,
        });
        site.go().with_context(|| self.name())?;
        Ok(site)
    }
}

/// A contender that runs. Dropped, it and its directory go.
pub(super) struct Site {
    contender: Contender,
    directory: PathBuf,
    ports: [u16; 3],
    command: Option<Command>,
    process: Option<Process>,
    /// Erlang's, without which no node of it starts.
    port_mapper: Option<Process>,
    /// On the empty directory, until it answered.
    pub(super) started_in: Option<Duration>,
}

impl Site {
    pub(super) fn url(&self) -> String {
        let port = self.ports[0];
        match &self.contender {
            Contender::Running(url) => url.clone(),
            Contender::Nats => format!("nats://127.0.0.1:{port}"),
            _ => format!("amqp://guest:guest@127.0.0.1:{port}"),
        }
    }

    /// What else the load has to be told.
    pub(super) fn load_arguments(&self) -> &'static [&'static str] {
        match self.contender {
            Contender::TubepostBy10 => &["--protocol", "amqp10"],
            _ => &[],
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    pub(super) fn resident_bytes(&self) -> Option<u64> {
        self.process.as_ref()?.resident_bytes()
    }

    /// Kills it and starts it again on what it has.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start_again(&mut self) -> Result<()> {
        self.process = None;
        let command = self.command.as_ref().context("it was not started here")?;
        self.process = Some(Process::start(command, &self.log())?);
        Ok(())
    }

    fn go(&mut self) -> Result<()> {
        self.start_again()?;
        let hello: &[u8] = match self.contender {
            // The server speaks first.
            Contender::Nats => b"",
            _ => b"AMQP\x00\x00\x09\x01",
        };
        let port = self.ports[0];
        if let Some(process) = &mut self.process {
            self.started_in = Some(process.answering(port, hello)?);
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log.txt")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn tubepost(&self, program: &Path) -> Command {
        let [amqp, http, management] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let mut command = Command::new(program);
        command.arg("serve").arg("--data-dir").arg(self.at("data"));
        command.args(["--amqp", &amqp, "--http", &http, "--management", &management]);
        // One curve ends at 10,000, and the services have some of their own.
        command.args(["--amqp-connections-max", "11000"]);
        command.env("HOME", self.at("home")).env("TUBEPOST_SPOOL", self.at("spool"));
        command.current_dir(&self.directory);
        command
    }

    fn nats(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["--addr", "127.0.0.1", "--port", &self.ports[0].to_string(), "--jetstream"]);
        command.arg("--store_dir").arg(self.at("data")).current_dir(&self.directory);
        command
    }

    /// As `tests/src/rabbitmq.rs` starts it, with all cores.
    fn rabbitmq(&mut self, program: &Path) -> Result<Command> {
        let [port, distribution, mapper] = self.ports.map(|port| port.to_string());
        for folder in ["mnesia", "log"] {
            fs::create_dir(self.at(folder))?;
        }
        fs::write(self.at("plugins"), "[].\n")?;
        // Started by RabbitMQ itself it would outlive it, as a daemon.
        let mut epmd = Command::new("epmd");
        epmd.args(["-address", "127.0.0.1", "-port", &mapper]);
        self.port_mapper = Some(Process::start(&epmd, &self.log())?);
        let mut command = Command::new(program);
        command
            .current_dir(&self.directory)
            .env("HOME", self.at("home"))
            .env("RABBITMQ_NODENAME", format!("tubepost-bench-{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port)
            .env("RABBITMQ_DIST_PORT", distribution)
            .env("ERL_EPMD_PORT", mapper)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", self.at("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.at("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", self.at("pid"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", self.at("feature_flags"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.at("plugins"))
            .env("RABBITMQ_CONFIG_FILE", self.at("none"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.at("none"))
            .env("RABBITMQ_CONF_ENV_FILE", self.at("none"))
            // Without it the script stays between us and the node.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-noshell -noinput +Bd -kernel inet_dist_use_interface {127,0,0,1}",
            );
        Ok(command)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        (self.process, self.port_mapper) = (None, None);
        if self.command.is_some() {
            // What is left is in the target directory, and goes before the next run.
            fs::remove_dir_all(&self.directory).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_is_named_or_a_url_shown_without_its_password() {
        assert_eq!(Contender::named("nats"), Some(Contender::Nats));
        let other = Contender::named("amqp://ada:s3cret@mq.example.org:5672").unwrap();
        assert_eq!(other.name(), "mq.example.org:5672");
        assert_eq!(Contender::named("amqp://mq").unwrap().word(), "amqp://mq");
        assert_eq!(Contender::named("1.0").unwrap().word(), "1.0");
        assert_eq!(Contender::named("qpid"), None);
    }
}
