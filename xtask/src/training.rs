//! The work that a packaged build is laid out by: what a broker and an agent have to do, a few
//! seconds of each, by both protocols, plain and by TLS.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{port::free_port, process::Process, project};

/// Cases of `tubepost bench`, each with both protocols.
const CASES: [&str; 9] = ["A16", "A1024", "A16384", "B1", "B8", "C50", "C10k", "D", "F"];
/// What only one of them has, or has no case.
const MORE: [&str; 3] = [
    "E --connections 500",
    "--stream --durable --confirm 1000 --consumers 2 --seconds 2",
    "--producers 4 --consumers 4 --queues 2 --prefetch 10 --seconds 2",
];
/// How many events are published one by one.
const EVENTS: usize = 100;
const EVENT: [&str; 2] = ["org.example.door.open", r#"{"agent": "ada", "door": "north"}"#];

/// Has the program do its work; what it counts is in `counts` afterwards.
///
/// # Errors
/// It does not start, or something does not work.
pub(crate) fn train(program: &Path, home: &Path, counts: &Path) -> Result<()> {
    let directory = home.join("work");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    // Processes add to the files of those before them, four at a time.
    let course = Course { program, directory, counts: counts.join("%4m.profraw") };
    course.run().with_context(|| format!("{} at its work", program.display()))?;
    fs::remove_dir_all(&course.directory)?;
    Ok(())
}

struct Course<'a> {
    program: &'a Path,
    directory: PathBuf,
    counts: PathBuf,
}

impl Course<'_> {
    fn run(&self) -> Result<()> {
        let [amqp, http, management, tls] = std::array::from_fn(|_| free_port());
        let (certificate, key) = self.certificate()?;
        let socket = self.directory.join("agent.sock");
        let at = |port: u16| format!("127.0.0.1:{port}");
        let mut serve = self.tubepost(&["serve", "--agent-sync", "interval"]);
        for (flag, port) in
            [("--amqp", amqp), ("--http", http), ("--management", management), ("--amqp-tls", tls)]
        {
            serve.arg(flag).arg(at(port));
        }
        for (flag, path) in [
            ("--amqp-tls-certificate", &certificate),
            ("--amqp-tls-key", &key),
            ("--agent", &socket),
            ("--spool", &self.directory.join("spool")),
            ("--data-dir", &self.directory.join("data")),
        ] {
            serve.arg(flag).arg(path);
        }
        let mut server = Process::start(&serve, &self.directory.join("log.txt"))?;
        server.answering(amqp, b"AMQP\x00\x00\x09\x01")?;

        let plain = format!("amqp://guest:guest@{}", at(amqp));
        for case in CASES {
            let size = if case == "F" { "--messages 100000" } else { "--seconds 3" };
            for protocol in ["amqp091", "amqp10"] {
                self.bench(&format!("{case} {size} --protocol {protocol}"), &plain)?;
            }
        }
        for words in MORE {
            self.bench(words, &plain)?;
        }
        self.bench("B1 --seconds 2", &format!("amqps://guest:guest@localhost:{tls}"))?;
        println!("{EVENTS} events by the agent");
        for _ in 0..EVENTS {
            let mut publish = self.tubepost(&["publish"]);
            project::said(publish.args(EVENT).arg("--agent").arg(&socket))?;
        }
        // It writes down what it counted when it ends.
        server.end()
    }

    fn bench(&self, words: &str, url: &str) -> Result<()> {
        println!("tubepost bench {words}");
        let mut bench = self.tubepost(&["bench"]);
        bench.args(words.split_whitespace()).args(["--json", "--url", url]);
        project::said(&mut bench).map(drop)
    }

    fn tubepost(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(words).current_dir(&self.directory).env("HOME", &self.directory);
        command.env("LLVM_PROFILE_FILE", &self.counts);
        command.env("SSL_CERT_FILE", self.directory.join("certificate.pem"));
        command
    }

    /// For this work only, and trusted by nobody else.
    fn certificate(&self) -> Result<(PathBuf, PathBuf)> {
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|it| self.directory.join(it));
        let mut openssl = Command::new("openssl");
        openssl.args("req -x509 -newkey rsa:2048 -noenc -days 2 -subj /CN=localhost".split(' '));
        for extension in ["subjectAltName=DNS:localhost", "basicConstraints=critical,CA:FALSE"] {
            openssl.args(["-addext", extension]);
        }
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        project::said(&mut openssl)?;
        Ok((certificate, key))
    }
}
