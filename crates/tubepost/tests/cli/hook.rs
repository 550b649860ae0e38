//! A real repository with the real hook, and no bus: pushes succeed and their events wait on disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::home::{Ended, Home};

struct Pushing {
    home: Home,
}

impl Pushing {
    fn new(install: &[&str]) -> Pushing {
        let pushing = Pushing { home: Home::new() };
        fs::create_dir_all(pushing.home.path("tree")).unwrap();
        pushing.git(&["init", "-q", "-b", "main", "."]);
        pushing.git(&["init", "-q", "--bare", "../rpms/bash.git"]);
        pushing.git(&["remote", "add", "origin", "../rpms/bash.git"]);
        let arguments: Vec<&str> =
            ["hook", "git", "install", "rpms/bash.git"].iter().chain(install).copied().collect();
        let ended = pushing.home.run(&arguments);
        assert_eq!(ended.code, 0, "{ended:?}");
        pushing
    }

    fn git(&self, arguments: &[&str]) -> Ended {
        self.git_with(arguments, &[])
    }

    fn git_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = Command::new("git");
        let output = self
            .home
            .furnish(&mut command)
            .current_dir(self.home.path("tree"))
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Grace Hopper")
            .env("GIT_AUTHOR_EMAIL", "grace@example.org")
            .env("GIT_COMMITTER_NAME", "Grace Hopper")
            .env("GIT_COMMITTER_EMAIL", "grace@example.org")
            .env("TUBEPOST_BUS", "amqp://guest:guest@127.0.0.1:9")
            .env("TUBEPOST_AGENT", "ada")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn commit_and_push(&self, message: &str, variables: &[(&str, &str)]) -> (Ended, Duration) {
        assert_eq!(self.git(&["commit", "-q", "--allow-empty", "-m", message]).code, 0);
        let begin = Instant::now();
        let ended = self.git_with(&["push", "origin", "main"], variables);
        (ended, begin.elapsed())
    }

    fn spool(&self) -> PathBuf {
        self.home.path("spool")
    }

    /// Topics and commit summaries of what waits, in order.
    fn waiting(&self) -> Vec<(String, String)> {
        let mut batches: Vec<PathBuf> = fs::read_dir(self.spool())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "events"))
            .collect();
        batches.sort();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        batches
            .iter()
            .flat_map(|path| {
                let batch = fs::read_to_string(path).unwrap();
                let events =
                    batch.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                events
                    .filter(|event| event["topic"].is_string())
                    .map(|event| (text(&event["topic"]), text(&event["body"]["commit"]["summary"])))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

// A push that handed something over started an agent, which waits for a bus that never comes.
impl Drop for Pushing {
    fn drop(&mut self) {
        let lock = self.spool().join("delivery.lock");
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.spool().exists() && Instant::now() < deadline {
            let pid = fs::read_to_string(&lock).unwrap_or_default();
            if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
                _ = kill_process(pid, Signal::TERM);
                return;
            }
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_push_without_a_bus_succeeds_and_its_events_wait_on_disk() {
    let pushing = Pushing::new(&[
        "--spool",
        "spool",
        "--topic-prefix",
        "org.example",
        "--namespace",
        "parent",
    ]);
    let (ended, elapsed) = pushing.commit_and_push("first", &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.said.contains("remote: tubepost"), "{ended:?}");
    // It did not wait for the agent, which waits for the bus as long as it takes.
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    let topic = |name: &str, summary: &str| (format!("org.example.{name}"), summary.to_owned());
    assert_eq!(pushing.waiting(), [topic("git.receive", "first"), topic("git.branch.create", "")]);
    let (ended, _) = pushing.commit_and_push("second", &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(pushing.waiting().last().unwrap(), &topic("git.receive", "second"));
}

#[test]
fn whatever_is_wrong_the_push_succeeds_and_the_pusher_reads_one_line() {
    let pushing = Pushing::new(&["--spool", "spool"]);
    let read_only = [("TUBEPOST_AMQP", "nonsense")];
    let (ended, _) = pushing.commit_and_push("one", &read_only);
    assert_eq!(ended.code, 0, "{ended:?}");
    let remarks: Vec<&str> =
        ended.said.lines().filter(|line| line.starts_with("remote: tubepost")).collect();
    assert_eq!(remarks.len(), 1, "{ended:?}");
    assert!(
        remarks[0].contains("nobody was told of this push: TUBEPOST_AMQP: 'nonsense'"),
        "{ended:?}"
    );
}

#[test]
fn the_hook_has_absolute_paths_and_can_be_taken_out() {
    let pushing = Pushing::new(&["--spool", "spool"]);
    let hook = pushing.home.path("rpms/bash.git/hooks/post-receive");
    let script = fs::read_to_string(&hook).unwrap();
    assert!(script.contains(&format!("'--spool={}'", pushing.spool().display())), "{script}");
    assert!(
        script.contains(&format!("'{}' 'hook' 'git' 'run'", crate::home::binary().display())),
        "{script}"
    );
    assert_eq!(pushing.home.run(&["hook", "git", "install", "rpms/bash.git", "--remove"]).code, 0);
    assert!(!hook.exists());
}

#[test]
fn a_directory_that_is_no_repository_is_named() {
    let home = Home::new();
    let ended = home.run(&["hook", "git", "install", "."]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.said.contains("not a git repository"), "{ended:?}");
}

#[test]
fn run_by_hand_with_nonsense_it_says_so_and_exits_0() {
    let home = Home::new();
    let ended = home.run_with(&["hook", "git", "run"], &[], "nonsense\n");
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{ended:?}");
    assert!(ended.said.contains("'nonsense' is not a ref update"), "{ended:?}");
    assert!(!Path::new(&home.path(".local")).exists());
}
