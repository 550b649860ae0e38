//! A RabbitMQ of the machine's own package, started by a test on free ports with everything of
//! its own: data, log, cookie, node name, epmd. It ends with the test's process, however that ends.
//!
//! For other tests: `#[path = "…/rabbitmq/mod.rs"] mod rabbitmq;`. Needs the crates rustix
//! (feature process) and tempfile.

#![allow(dead_code, reason = "each test takes what it needs")]

#[path = "../../../../tests/src/port.rs"]
pub(crate) mod port;

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use port::free_port;

/// A broker, running or not.
pub(crate) struct RabbitMq {
    home: tempfile::TempDir,
    port: u16,
    port_tls: u16,
    has_tls: bool,
    port_distribution: u16,
    port_epmd: u16,
    guard: Option<Child>,
}

impl RabbitMq {
    /// A broker that is not started yet; `None` when RabbitMQ is not on this machine.
    /// `configuration` is added to its rabbitmq.conf.
    pub(crate) fn prepare(configuration: &str) -> Option<RabbitMq> {
        if !program("rabbitmq-server").exists() {
            return None;
        }
        let home = tempfile::Builder::new().prefix("rabbitmq").tempdir().unwrap();
        let [port, port_distribution, port_epmd, port_tls] = std::array::from_fn(|_| free_port());
        let has_tls = configuration.contains("TLS_PORT");
        let configuration = format!("listeners.tcp.1 = 127.0.0.1:{port}\n{configuration}")
            .replace("TLS_PORT", &port_tls.to_string());
        fs::write(home.path().join("rabbitmq.conf"), configuration).unwrap();
        fs::write(home.path().join("plugins"), "[].\n").unwrap();
        let guard = None;
        Some(RabbitMq { home, port, port_tls, has_tls, port_distribution, port_epmd, guard })
    }

    /// The same with a plugin of its own distribution.
    pub(crate) fn with_plugin(self, name: &str) -> RabbitMq {
        fs::write(self.path("plugins"), format!("[{name}].\n")).unwrap();
        self
    }

    /// A broker that takes connections; `None` when RabbitMQ is not on this machine.
    pub(crate) fn start() -> Option<RabbitMq> {
        let mut broker = RabbitMq::prepare("")?;
        broker.run();
        Some(broker)
    }

    /// One broker for all tests of a process. It ends with the process.
    pub(crate) fn shared() -> Option<&'static RabbitMq> {
        static SHARED: OnceLock<Option<RabbitMq>> = OnceLock::new();
        SHARED.get_or_init(RabbitMq::start).as_ref()
    }

    /// Starts it, again with the same data, and waits until it takes connections.
    pub(crate) fn run(&mut self) {
        assert!(self.guard.is_none(), "it runs already");
        let output = fs::File::create(self.path("output")).unwrap();
        // The shell outlives nobody: when this process goes, its standard input ends, and it
        // stops what it started by pid.
        let script = r#"
            epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 < /dev/null & epmd=$!
            # Erlang would start an epmd of its own, which nobody stops, if this one were late.
            until epmd -port "$ERL_EPMD_PORT" -names; do
                kill -0 $epmd || exit 1
                sleep 0.05
            done
            "$1" -noinput < /dev/null & broker=$!
            echo $broker > "$2.new" && mv "$2.new" "$2"
            read -r line
            kill $broker 2> /dev/null; wait $broker
            kill $epmd; wait $epmd
        "#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]);
        shell.arg(program("rabbitmq-server")).arg(self.path("pid"));
        self.set_environment(&mut shell);
        shell.env("RABBITMQ_ALLOW_INPUT", "1").stdin(Stdio::piped());
        shell.stdout(output.try_clone().unwrap()).stderr(output);
        self.guard = Some(shell.spawn().unwrap());
        let deadline = Instant::now() + START_WAIT;
        // One after the other, TLS last.
        let last = if self.has_tls { self.port_tls } else { self.port };
        while TcpStream::connect(("127.0.0.1", last)).is_err() {
            if Instant::now() > deadline {
                let output = fs::read_to_string(self.path("output")).unwrap_or_default();
                panic!("RabbitMQ does not take connections after {START_WAIT:?}: {output}");
            }
            std::thread::sleep(Duration::from_millis(50)); // tidy: looks again
        }
    }

    /// Kills it in the middle of whatever it does (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.stop();
    }

    /// Stops it from doing anything while its connections stay (SIGSTOP).
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends the frost.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = fs::read_to_string(self.path("pid")).unwrap();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            guard.wait().unwrap();
        }
    }

    /// Runs rabbitmqctl and returns what it prints.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("rabbitmqctl"));
        command.arg("-q").args(arguments);
        self.set_environment(&mut command);
        let deadline = Instant::now() + START_WAIT;
        loop {
            let output = command.output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap();
            }
            // It takes connections a moment before it takes commands.
            let is_starting = error.contains("requires the 'rabbit' app to be running");
            let may_wait = is_starting && Instant::now() < deadline;
            assert!(may_wait, "rabbitmqctl {arguments:?}: {error}");
        }
    }

    /// `amqp://guest:guest@127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }

    /// The port of the TLS listener, written `TLS_PORT` in the configuration.
    pub(crate) fn port_tls(&self) -> u16 {
        self.port_tls
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn set_environment(&self, command: &mut Command) {
        command
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("RABBITMQ_NODENAME", format!("rabbit{}@localhost", self.port))
            .env("RABBITMQ_MNESIA_BASE", self.path("data"))
            .env("RABBITMQ_LOG_BASE", self.path("log"))
            .env("RABBITMQ_LOGS", self.path("log/rabbitmq.log"))
            .env("RABBITMQ_CONFIG_FILE", self.path("rabbitmq"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("plugins"))
            .env("RABBITMQ_DIST_PORT", self.port_distribution.to_string())
            .env("ERL_EPMD_PORT", self.port_epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("log/rabbitmq.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("RabbitMQ's log ends:\n{}", lines[last..].join("\n"));
        }
    }
}

/// Of the log of a broker whose test failed.
const LOG_LINES_SHOWN: usize = 60;

/// Past the distribution's wrapper, which changes the user and the directory.
fn program(name: &str) -> PathBuf {
    Path::new("/usr/lib/rabbitmq/bin").join(name)
}

/// Erlang on a busy machine.
const START_WAIT: Duration = Duration::from_secs(120);
