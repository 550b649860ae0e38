//! Case G: the load asks for its broker to be started again, by a command of the shell, and this
//! program, whose child the broker is, does it. The two meet at a pair of named pipes, so that
//! nobody polls while time counts.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};

use super::contender::Site;
use crate::step::run_command;

/// The pipes. Dropped, they go.
pub(super) struct Restart {
    asked: PathBuf,
    done: PathBuf,
}

impl Restart {
    /// Makes the pipes.
    ///
    /// # Errors
    /// They cannot be made.
    pub(super) fn prepare(directory: &Path) -> Result<Restart> {
        let at = |name: &str| directory.join(name);
        let restart = Restart { asked: at("restart-asked"), done: at("restart-done") };
        for pipe in [&restart.asked, &restart.done] {
            fs::remove_file(pipe).ok();
            run_command(std::process::Command::new("mkfifo").arg(pipe))?;
        }
        Ok(restart)
    }

    /// What the load is to have the shell do.
    pub(super) fn command(&self) -> String {
        format!("echo again > '{}' && read word < '{}'", self.asked.display(), self.done.display())
    }

    /// Starts the contender again whenever it is asked for, while `load` goes on.
    ///
    /// # Errors
    /// The contender does not start again, or the load's own.
    pub(super) fn serve<T>(
        &self,
        site: &mut Site,
        load: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T>
    where
        T: Send,
    {
        thread::scope(|scope| {
            let loading = scope.spawn(load);
            let ending = scope.spawn(move || {
                while !loading.is_finished() {
                    thread::sleep(Duration::from_millis(20));
                }
                // Whoever waits for it to ask learns that it will not.
                fs::write(&self.asked, "end\n").ok();
                loading.join()
            });
            let mut result = Ok(());
            while fs::read_to_string(&self.asked)?.starts_with("again") {
                let again = site.start_again();
                let word = if again.is_ok() { "done\n" } else { "" };
                result = result.and(again);
                fs::write(&self.done, word)?;
            }
            let loaded = ending.join().ok().and_then(Result::ok);
            ensure!(loaded.is_some(), "the load's thread ended by a panic");
            result?;
            loaded.unwrap_or_else(|| Err(anyhow::anyhow!("no load")))
        })
    }
}

impl Drop for Restart {
    fn drop(&mut self) {
        for pipe in [&self.asked, &self.done] {
            fs::remove_file(pipe).ok();
        }
    }
}
