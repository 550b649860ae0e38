//! A push never fails and never waits because of the bus; what could not be delivered is kept on
//! disk and delivered later.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{Mailbox, Repository, Site, wait_for};

/// What the bus may cost a push. DESIGN of the hook: it only writes to the spool.
const COST_MAX: Duration = Duration::from_millis(50);
const PUSHES: usize = 15;

fn configured(mail_port: u16) -> String {
    format!(
        "[notify.mail]\nhost = \"127.0.0.1\"\nport = {mail_port}\n\
         from = \"tubepost@example.org\"\n\
         [[notify.subscription]]\nto = \"grace@example.org\"\n\
         patterns = [\"git.receive\", \"org.example.probe\"]\n"
    )
}

fn with_hook<'a>(site: &'a Site, name: &str) -> Result<Repository<'a>> {
    let repository = Repository::new(site, name)?;
    let bare = repository.bare.display().to_string();
    let done = site.tubepost(&["hook", "git", "install", &bare])?;
    ensure!(done.code() == 0, "hook git install: {}\n{}", done.status, done.stderr);
    Ok(repository)
}

#[test]
fn what_is_pushed_while_the_bus_is_down_is_delivered_after_its_start() -> Result<()> {
    let site = Site::new()?;
    let mailbox = Mailbox::start()?;
    site.write("tubepost.toml", configured(mailbox.port))?;
    let repository = with_hook(&site, "engine")?;
    // Once up, so that the notifier's durable queue is there.
    let server = site.serve()?;
    mailbox.wait_for_notifier(&site)?;
    repository.commit("a.txt", "a\n", "While it is up")?;
    ensure!(repository.push(&["main"])?.code() == 0, "the push failed");
    mailbox.wait_for_mails(1, 30)?;
    server.terminate()?;

    for number in 0..3 {
        repository.commit(
            "b.txt",
            format!("{number}\n"),
            &format!("While it is down, {number}"),
        )?;
        let pushed = repository.push(&["main"])?;
        ensure!(pushed.code() == 0, "a push failed for want of the bus: {}", pushed.stderr);
    }
    let _server = site.serve()?;
    let mails = mailbox.wait_for_mails(4, 60)?;
    let subjects: Vec<&str> = mails.iter().map(|mail| mail.header("Subject")).collect();
    for number in 0..3 {
        let wanted = format!("While it is down, {number}");
        let count = subjects.iter().filter(|subject| subject.contains(&wanted)).count();
        ensure!(count == 1, "{count} mails of {wanted:?} among {subjects:?}");
    }
    Ok(())
}

#[test]
fn alone_a_push_waits_no_longer_when_the_bus_is_down_or_hangs() -> Result<()> {
    let site = Site::new()?;
    let up = {
        let _server = site.serve()?;
        median_push(&site, "up")?
    };
    let down = median_push(&site, "down")?;
    // Accepts in the kernel, and nobody ever answers.
    let _deaf = TcpListener::bind(("127.0.0.1", site.amqp_port))?;
    let hanging = median_push(&site, "hanging")?;
    println!("median push: bus up {up:?}, down {down:?}, hanging {hanging:?}");
    for (state, took) in [("down", down), ("hanging", hanging)] {
        let cost = took.saturating_sub(up);
        ensure!(cost <= COST_MAX, "a bus that is {state} costs a push {cost:?} of {COST_MAX:?}");
    }
    Ok(())
}

/// The median time of `git push` with the hook, of a commit each.
fn median_push(site: &Site, name: &str) -> Result<Duration> {
    let repository = with_hook(site, name)?;
    let mut times = Vec::new();
    for number in 0..PUSHES {
        repository.commit("a.txt", format!("{number}\n"), "A change")?;
        let begun = Instant::now();
        let pushed = repository.push(&["main"])?;
        times.push(begun.elapsed());
        ensure!(pushed.code() == 0, "the push failed: {}", pushed.stderr);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[test]
fn the_hook_takes_care_of_the_hook_that_was_there() -> Result<()> {
    let site = Site::new()?;
    let repository = Repository::new(&site, "engine")?;
    let marker = site.path("marker");
    let script = format!("#!/bin/sh\ncat > '{}'\n", marker.display());
    let hook = repository.bare.join("hooks/post-receive");
    std::fs::write(&hook, script)?;
    let mut permissions = std::fs::metadata(&hook)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&hook, permissions)?;
    let bare = repository.bare.display().to_string();
    let done = site.tubepost(&["hook", "git", "install", &bare])?;
    ensure!(done.code() == 0, "hook git install: {}\n{}", done.status, done.stderr);
    repository.commit("a.txt", "a\n", "A change")?;
    ensure!(repository.push(&["main"])?.code() == 0, "the push failed");
    wait_for("the old hook's mark", 10, || {
        let text = std::fs::read_to_string(&marker).map_err(|error| error.to_string())?;
        if text.contains("refs/heads/main") { Ok(()) } else { Err(text) }
    })
}
