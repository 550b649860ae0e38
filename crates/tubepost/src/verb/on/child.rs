//! One run of a command: its input, its time limit, its end, and that of all it started.

use std::{ffi::OsString, io, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::{sleep, timeout},
};

/// Runs the command in a process group of its own. Dropped while it runs, the group is killed.
///
/// # Errors
/// Why it did not succeed, for people: `exit status: 3`, `no end within 30s`.
pub(super) async fn run_once(
    words: &[OsString],
    variables: &[(&'static str, String)],
    input: &[u8],
    time_limit: Option<Duration>,
) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("no command".to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{}: cannot be started: {error}", program.display()))?;
    let group = Group::of(&child);
    let ended = async {
        feed(&mut child, input).await;
        child.wait().await
    };
    let status = match time_limit {
        None => ended.await,
        Some(limit) => match timeout(limit, ended).await {
            Ok(status) => status,
            Err(_) => {
                group.end(&mut child).await;
                return Err(format!("no end within {limit:?}; killed with all it started"));
            }
        },
    };
    group.over();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(format!("cannot be waited for: {error}")),
    }
}

// A command that does not read its input, or not all of it, has not failed by that.
async fn feed(child: &mut Child, input: &[u8]) {
    if let Some(mut stdin) = child.stdin.take() {
        let written: io::Result<()> = async {
            stdin.write_all(input).await?;
            stdin.write_all(b"\n").await
        }
        .await;
        drop((written, stdin));
    }
}

/// The process group of a running command.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Group {
        Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already.
            _ = kill_process_group(group, signal);
        }
    }

    // First asked, then made to.
    async fn end(mut self, child: &mut Child) {
        self.signal(Signal::TERM);
        tokio::select! {
            _ = child.wait() => {}
            () = sleep(GRACE) => {}
        }
        self.signal(Signal::KILL);
        _ = child.wait().await;
        self.0 = None;
    }

    // It ended by itself; what it left running in the background may stay.
    fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Instant};

    use super::*;

    fn sh(script: &str) -> Vec<OsString> {
        ["sh", "-c", script].map(OsString::from).into()
    }

    fn run(script: &str, input: &[u8], limit: Option<Duration>) -> Result<(), String> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(run_once(&sh(script), &[("TUBEPOST_TOPIC", "a.b".to_owned())], input, limit))
    }

    #[test]
    fn a_command_gets_its_input_and_its_variables() {
        assert_eq!(
            run("test \"$(cat)\" = '{}' && test $TUBEPOST_TOPIC = a.b", b"{}", None),
            Ok(())
        );
    }

    #[test]
    fn why_a_command_failed_is_said() {
        assert_eq!(run("exit 3", b"", None).unwrap_err(), "exit status: 3");
        assert!(run("kill -9 $$", b"", None).unwrap_err().contains("signal: 9"));
    }

    #[test]
    fn a_command_that_does_not_read_a_large_input_has_not_failed() {
        assert_eq!(run("exit 0", &vec![b'x'; 1_000_000], None), Ok(()));
    }

    #[test]
    fn a_command_over_its_time_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("pid");
        let script = format!("sleep 60 & echo $! > '{}'; wait", pid_file.display());
        let begin = Instant::now();
        let said = run(&script, b"", Some(Duration::from_millis(300))).unwrap_err();
        assert!(said.contains("no end within 300ms"), "{said}");
        assert!(begin.elapsed() < Duration::from_secs(20));
        let pid = fs::read_to_string(pid_file).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while is_running(pid.trim()) {
            assert!(Instant::now() < deadline, "the child {pid} still runs");
            std::thread::yield_now();
        }
    }

    // A killed grandchild stays as a zombie where nobody collects it.
    fn is_running(pid: &str) -> bool {
        match fs::read_to_string(Path::new("/proc").join(pid).join("stat")) {
            Ok(stat) => !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'),
            Err(_) => false,
        }
    }
}
