//! Celery Flower from PyPI, unmodified.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{Process, Site, free_port, python, root, server::accepting};

/// `celery flower`, running. Dropped, it is killed.
#[derive(Debug)]
pub struct Flower {
    _process: Process,
    port: u16,
}

impl Flower {
    /// Starts one on the site's bus and an HTTP API (`http://guest:guest@127.0.0.1:15672`), and
    /// waits until it answers.
    ///
    /// # Errors
    /// It does not come up, with its log.
    pub fn start(site: &Site, api: &str) -> Result<Flower> {
        let port = free_port();
        let mut command = Command::new(python()?);
        site.furnish(&mut command).current_dir(root().join("tests/python"));
        command.env("CELERY_BUS", site.amqp_url()).env("FLOWER_UNAUTHENTICATED_API", "true");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
        command.args(["-m", "celery", "--app", "celery_app", "flower", "--address=127.0.0.1"]);
        command.args([format!("--port={port}"), format!("--broker-api={api}/api/")]);
        let mut process = Process::start("celery flower", &mut command)?;
        accepting(&mut process, port).with_context(|| process.log())?;
        Ok(Flower { _process: process, port })
    }

    /// Where its pages are.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
