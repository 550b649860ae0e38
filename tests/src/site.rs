//! A place of its own for one test: directory, home, ports, configuration, and commands that see
//! nothing else.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};
use auth::Users;
use broker::{Broker, Disks};
use definitions::Definitions;
use journal::{Disk, FileDisk};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Api, Finished, Network, Process, Server, Strace, free_port, run, tubepost_binary, wait_for,
};

/// The topic of the events by which a subscriber is seen to receive.
pub(crate) const PROBE: &str = "org.example.probe";

/// The events among the lines of `tail --json`, probes left out.
pub fn events_of(tail: &Process) -> Vec<Value> {
    let lines = tail.stdout();
    let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["topic"] != PROBE).collect()
}

/// Waits until `tail --json` has shown so many events, probes not counted.
///
/// # Errors
/// The deadline passed.
pub fn wait_for_events(tail: &Process, count: usize, seconds: u64) -> Result<Vec<Value>> {
    wait_for(&format!("{count} events at tail"), seconds, || {
        let events = events_of(tail);
        if events.len() >= count { Ok(events) } else { Err(format!("{} events", events.len())) }
    })
}

/// The place. Dropped, the directory goes.
#[derive(Debug)]
pub struct Site {
    directory: TempDir,
    binary: PathBuf,
    /// Another bus than the site's own server.
    bus: Option<String>,
    /// Where the server keeps its data.
    data: PathBuf,
    /// What every server of this site has in its environment.
    variables: Vec<(String, String)>,
    /// Where AMQP will be served.
    pub amqp_port: u16,
    /// Where the pages will be served.
    pub http_port: u16,
    /// Where the HTTP API will be served.
    pub management_port: u16,
}

impl Site {
    /// An empty one.
    ///
    /// # Errors
    /// There is no binary to test, or no temporary directory.
    pub fn new() -> Result<Site> {
        Site::with(tubepost_binary()?, None)
    }

    /// An empty one whose bus is somebody else's.
    ///
    /// # Errors
    /// As [`Site::new`].
    pub fn on_bus(url: &str) -> Result<Site> {
        Site::with(tubepost_binary()?, Some(url.to_owned()))
    }

    /// An empty one for other programs than Tubepost's, beside a bus that is somebody else's.
    ///
    /// # Errors
    /// No temporary directory.
    pub fn beside(url: &str) -> Result<Site> {
        Site::with(PathBuf::from("tubepost"), Some(url.to_owned()))
    }

    fn with(binary: PathBuf, bus: Option<String>) -> Result<Site> {
        let directory = tempfile::Builder::new().prefix("tubepost-test-").tempdir()?;
        fs::create_dir(directory.path().join("home"))?;
        fs::create_dir(directory.path().join("run"))?;
        let data = directory.path().join("data");
        let (amqp_port, http_port, management_port) = (free_port(), free_port(), free_port());
        let variables = Vec::new();
        Ok(Site { directory, binary, bus, data, variables, amqp_port, http_port, management_port })
    }

    /// Lets its server keep its data elsewhere than in `data` of this site.
    pub fn keep_data_in(&mut self, directory: PathBuf) {
        self.data = directory;
    }

    /// Sets a variable for every server of this site.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    /// A path inside.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file inside, and its folders.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }

    /// The bus's address, for any AMQP client.
    pub fn amqp_url(&self) -> String {
        let own = || format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.amqp_port);
        self.bus.clone().unwrap_or_else(own)
    }

    /// The HTTP API of this site's server, as guest.
    pub fn api(&self) -> Api {
        Api::on_port(self.management_port)
    }

    /// The same on its data directory's socket.
    pub fn socket(&self) -> Api {
        Api::on_socket(self.data.join("management.sock"))
    }

    /// The page's address.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.http_port)
    }

    /// Where the agent of this site's server takes events over.
    pub fn agent_socket(&self) -> PathBuf {
        self.path("run/tubepost/agent.sock")
    }

    /// Gives the server, while it does not run, what a definitions file of RabbitMQ's says.
    ///
    /// # Errors
    /// The file cannot be, with all that is wrong with it.
    pub fn define(&self, definitions: &Path) -> Result<()> {
        let open = |name: &str| -> Result<Arc<dyn Disk>> {
            Ok(Arc::new(FileDisk::open(self.data.join(name))?))
        };
        let disks =
            Disks { messages: open("messages")?, ledger: open("ledger")?, index: open("index")? };
        let (broker, _) = Broker::open(&disks, &broker::Options::default())?;
        let users = Users::open(self.data.join("users.json"))?;
        let text = fs::read_to_string(definitions)?;
        Definitions::parse(&text)?.import(&broker, &users)?;
        broker.commit()?;
        Ok(())
    }

    /// What the pages answer to a GET: the head and the body.
    ///
    /// # Errors
    /// Nobody listens, or the answer is no text.
    pub fn get(&self, path: &str) -> Result<String> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.http_port))?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(socket, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The environment of every command of this site: of Tubepost's variables only the bus
    /// and the spool, which root would otherwise share with the whole machine.
    pub fn furnish<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("TUBEPOST_") || name.starts_with("XDG_") || name.starts_with("GIT_")
            {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.directory.path())
            .env("HOME", self.path("home"))
            // Where its agent listens.
            .env("XDG_RUNTIME_DIR", self.path("run"))
            // For those that name no port themselves.
            .env("TUBEPOST_MANAGEMENT", format!("127.0.0.1:{}", self.management_port))
            .env("TUBEPOST_BUS", self.amqp_url())
            .env("TUBEPOST_SPOOL", self.path("spool"))
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LOG")
    }

    /// `tubepost ARGUMENTS…`, not started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments);
        self.furnish(&mut command);
        command
    }

    /// `tubepost ARGUMENTS…`, run to its end within 30 s.
    ///
    /// # Errors
    /// It does not end.
    pub fn tubepost(&self, arguments: &[&str]) -> Result<Finished> {
        self.tubepost_with_input(arguments, b"")
    }

    /// As [`Site::tubepost`], with this text as its input.
    ///
    /// # Errors
    /// It does not end.
    pub fn tubepost_with_input(&self, arguments: &[&str], input: &[u8]) -> Result<Finished> {
        let label = format!("tubepost {}", arguments.join(" "));
        run(&label, &mut self.command(arguments), input, 30)
    }

    /// `tubepost ARGUMENTS…`, left running.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Result<Process> {
        let label = format!("tubepost {}", arguments.join(" "));
        Process::start(&label, &mut self.command(arguments))
    }

    /// Publishes an event, which must be taken.
    ///
    /// # Errors
    /// It was not, with what the command said.
    pub fn publish(&self, topic: &str, body: &Value) -> Result<()> {
        let done =
            self.tubepost_with_input(&["publish", topic, "-"], body.to_string().as_bytes())?;
        ensure!(done.code() == 0, "publish {topic}: {}\n{}", done.status, done.stderr);
        Ok(())
    }

    /// Publishes a probe event.
    ///
    /// # Errors
    /// The bus does not take it.
    pub fn probe(&self) -> Result<()> {
        self.publish(PROBE, &json!({"probe": true}))
    }

    /// `tubepost tail --json PATTERNS…`, receiving: returns when it has shown a probe event.
    ///
    /// # Errors
    /// It shows none.
    pub fn tail_json(&self, patterns: &[&str]) -> Result<Process> {
        let words = [&["tail", "--json", PROBE][..], patterns].concat();
        let mut tail = self.start(&words)?;
        wait_for("tail to receive", 20, || {
            if let Some(status) = tail.ended() {
                return Ok(Err(anyhow!("tail ended ({status}):\n{}", tail.log())));
            }
            self.probe().map_err(|error| format!("{error:#}"))?;
            let lines = tail.stdout().len();
            if lines > 0 { Ok(Ok(())) } else { Err("no line".to_owned()) }
        })??;
        Ok(tail)
    }

    /// The words of `tubepost serve` on this site's ports and data directory.
    pub fn serve_arguments(&self) -> Vec<String> {
        let mut words = vec![
            "serve".to_owned(),
            "--data-dir".to_owned(),
            self.data.display().to_string(),
            "--amqp".to_owned(),
            format!("127.0.0.1:{}", self.amqp_port),
            "--http".to_owned(),
            format!("127.0.0.1:{}", self.http_port),
            "--management".to_owned(),
            format!("127.0.0.1:{}", self.management_port),
        ];
        let config = self.path("tubepost.toml");
        if config.exists() {
            words.extend(["--config".to_owned(), config.display().to_string()]);
        }
        words
    }

    /// Starts `tubepost serve` and waits until it accepts.
    ///
    /// # Errors
    /// It ends, with its log; or does not accept in time.
    pub fn serve(&self) -> Result<Server> {
        self.serve_with(&[])
    }

    /// As [`Site::serve`], with more environment variables.
    ///
    /// # Errors
    /// As [`Site::serve`].
    pub fn serve_with(&self, variables: &[(&str, &str)]) -> Result<Server> {
        let mut command = self.server_command(&[]);
        command.envs(variables.iter().copied());
        Server::start(&mut command, self.amqp_port, self.http_port)
    }

    /// As [`Site::serve`], under strace.
    ///
    /// # Errors
    /// As [`Site::serve`].
    pub fn serve_under(&self, strace: &Strace) -> Result<Server> {
        strace.clear()?;
        Server::start(&mut self.server_command(&strace.words()), self.amqp_port, self.http_port)
    }

    /// Starts `tubepost serve` in another network, where this program cannot look; waits until it
    /// says that it serves.
    ///
    /// # Errors
    /// It ends, with its log.
    pub fn serve_in(&self, network: &Network) -> Result<Process> {
        let mut server =
            Process::start("tubepost serve", &mut self.server_command(&network.words()))?;
        server.wait_for_line("its greeting", 30, |line| line == "Tubepost listens.")?;
        Ok(server)
    }

    /// Starts `tubepost serve` and does not wait; it may end before it serves.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn begin_to_serve(&self) -> Result<Process> {
        Process::start("tubepost serve", &mut self.server_command(&[]))
    }

    fn server_command(&self, before: &[String]) -> Command {
        let mut words = before.to_vec();
        words.push(self.binary.display().to_string());
        words.extend(self.serve_arguments());
        let (program, arguments) = words.split_first().expect("the binary is one of the words");
        let mut command = Command::new(program);
        command.args(arguments);
        self.furnish(&mut command);
        // Its services find their own broker, unless the bus is somebody else's.
        if self.bus.is_none() {
            command.env_remove("TUBEPOST_BUS");
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}
