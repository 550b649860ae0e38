//! The Python package, installed as its users install it: its own tests against a real server, and
//! a bus that is killed under it.

use std::{collections::HashSet, path::PathBuf, process::Command};

use anyhow::{Result, ensure};
use harness::{Process, Site, python_with_tubepost, root, run, wait_for};

#[test]
fn the_packages_own_tests_hold_against_a_server() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let mut command = python(&site)?;
    command.current_dir(root().join("python")).args(["-m", "pytest", "-q"]);
    // What mypy knows of the standard library is the same tomorrow.
    command.env("TUBEPOST_MYPY_CACHE", cache()?);
    let done = run("pytest", &mut command, b"", 200)?;
    ensure!(done.code() == 0, "{}\n{}\n{}", done.status, done.stdout, done.stderr);
    Ok(())
}

#[test]
fn what_python_published_arrives_though_the_bus_is_killed_meanwhile() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve()?;
    let subscriber = start(&site, "python_subscriber.py", "subscriber in Python")?;
    // Its queue is durable, and has to be there before the first event.
    wait_for("the subscriber", 30, || {
        site.probe().map_err(|error| format!("{error:#}"))?;
        if subscriber.stdout().is_empty() { Err("nothing came".to_owned()) } else { Ok(()) }
    })?;
    let mut publisher = start(&site, "python_publisher.py", "publisher in Python")?;
    let published = |publisher: &Process, more: usize| {
        let before = publisher.stdout().len();
        wait_for("events to be published", 60, || match publisher.stdout().len() {
            count if count >= before + more => Ok(()),
            count => Err(format!("{count} of {before} and {more}")),
        })
    };
    published(&publisher, 100)?;
    server.kill()?;
    // Without bus and agent it goes on.
    published(&publisher, 100)?;
    server = site.serve()?;
    published(&publisher, 100)?;
    publisher.send_line("enough")?;
    ensure!(publisher.wait(60)?.success(), "{}", publisher.log());
    let wanted: HashSet<String> = publisher.stdout().into_iter().collect();
    ensure!(wanted.len() >= 300, "{} ids", wanted.len());
    wait_for("every event", 60, || {
        let arrived: HashSet<String> = subscriber.stdout().into_iter().collect();
        match wanted.difference(&arrived).count() {
            0 => Ok(()),
            missing => Err(format!("{missing} of {} are missing", wanted.len())),
        }
    })?;
    drop(server);
    Ok(())
}

fn start(site: &Site, script: &str, label: &str) -> Result<Process> {
    let mut command = python(site)?;
    command.arg(root().join("tests/python").join(script));
    Process::start(label, &mut command)
}

fn python(site: &Site) -> Result<Command> {
    let mut command = Command::new(python_with_tubepost()?);
    site.furnish(&mut command);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    Ok(command)
}

fn cache() -> Result<PathBuf> {
    Ok(harness::python()?.with_file_name("mypy-cache"))
}
