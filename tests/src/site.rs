//! A place of its own for one test: directory, home, ports, configuration, and commands that see
//! nothing else.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use tempfile::TempDir;

use crate::{Finished, Process, Server, free_port, run, tubepost_binary};

/// The place. Dropped, the directory goes.
#[derive(Debug)]
pub struct Site {
    directory: TempDir,
    binary: PathBuf,
    /// Where AMQP will be served.
    pub amqp_port: u16,
    /// Where the pages will be served.
    pub http_port: u16,
}

impl Site {
    /// An empty one.
    ///
    /// # Errors
    /// There is no binary to test, or no temporary directory.
    pub fn new() -> Result<Site> {
        let directory = tempfile::Builder::new().prefix("tubepost-test-").tempdir()?;
        fs::create_dir(directory.path().join("home"))?;
        let binary = tubepost_binary()?;
        Ok(Site { directory, binary, amqp_port: free_port(), http_port: free_port() })
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
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.amqp_port)
    }

    /// The page's address.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.http_port)
    }

    /// The environment of every command of this site: of Tubepost's variables only the bus.
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
            .env("TUBEPOST_BUS", self.amqp_url())
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

    /// The words of `tubepost serve` on this site's ports and data directory.
    pub fn serve_arguments(&self) -> Vec<String> {
        let mut words = vec![
            "serve".to_owned(),
            "--data-dir".to_owned(),
            self.path("data").display().to_string(),
            "--amqp".to_owned(),
            format!("127.0.0.1:{}", self.amqp_port),
            "--http".to_owned(),
            format!("127.0.0.1:{}", self.http_port),
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
        let words = self.serve_arguments();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.command(&words);
        command.envs(variables.iter().copied());
        Server::start(&mut command, self.amqp_port, self.http_port)
    }
}
