//! Celery's workers from PyPI, unmodified, with the application in `tests/python/celery_app.py`.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{Process, Site, python, root};

/// `celery worker`, running. Dropped, it is killed, and its children with it.
#[derive(Debug)]
pub struct CeleryWorker {
    process: Process,
}

impl CeleryWorker {
    /// Starts one of this name: `pool` is Celery's, and `variables` are for the application.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        site: &Site,
        name: &str,
        pool: &str,
        variables: &[(&str, &str)],
    ) -> Result<CeleryWorker> {
        let mut command = Command::new(python()?);
        site.furnish(&mut command).current_dir(root().join("tests/python"));
        command.env("CELERY_BUS", site.amqp_url()).envs(variables.iter().copied());
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
        command.args(["-m", "celery", "--app", "celery_app", "worker", "--loglevel", "INFO"]);
        command.args(["--without-mingle", "--without-gossip", "--concurrency", "2"]);
        command.args(["--pool", pool, "--hostname", &format!("{name}@tests")]);
        let process = Process::start(&format!("celery worker {name}"), &mut command)?;
        Ok(CeleryWorker { process })
    }

    /// Waits until it takes tasks.
    ///
    /// # Errors
    /// It ends, or does not come up, with its log.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        self.process
            .wait_for_line("its start", 60, |line| line.ends_with(" ready."))
            .with_context(|| self.process.log())?;
        Ok(())
    }

    /// Whether it was killed.
    pub fn is_killed(&mut self) -> bool {
        self.process.ended().is_some_and(|status| !status.success())
    }

    /// Ends it as a service manager would: it finishes what it does, and goes.
    ///
    /// # Errors
    /// It does not end, or not in order.
    pub fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(30)?;
        anyhow::ensure!(status.success(), "it ended with {status}:\n{}", self.process.log());
        Ok(())
    }
}
