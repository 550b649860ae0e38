//! `tubepost desktop` beside dunst: what becomes a bubble, what a click does, and what is shown to
//! somebody who comes back.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{Process, Site, scaled, wait_for};
use serde_json::Value;
use tokio::runtime::Runtime;
use tubepost::{Event, Publisher};

use crate::{
    PUSHED, notify, push,
    session::{Bubble, Session},
    site,
};

/// Rights on her own queue, and on nothing else.
const OWN_QUEUE: &str = r"^tubepost\.desktop\.ada$";

fn user(site: &Site, words: &[&str], input: &str) -> Result<()> {
    let directory = site.path("data").display().to_string();
    let words = [words, &["--data-dir", &directory]].concat();
    let done = site.tubepost_with_input(&words, input.as_bytes())?;
    ensure!(done.code() == 0, "{words:?}: {}", done.stderr);
    Ok(())
}

fn add_user(site: &Site, name: &str) -> Result<()> {
    let words = ["user", "add", name, "--password-stdin", "--no-permissions"];
    user(site, &words, "correct-horse\n")
}

/// `tubepost desktop` in the session, as the bus's user `name`.
fn desktop(
    site: &Site,
    session: &Session,
    (scheme, name): (&str, &str),
    more: &[&str],
) -> Result<Process> {
    let mut command = site.command(&[&["desktop"], more].concat());
    let bus = format!("{scheme}://{name}:correct-horse@127.0.0.1:{}/%2f", site.amqp_port);
    session.furnish(&mut command).env("TUBEPOST_BUS", bus);
    Process::start("tubepost desktop", &mut command)
}

fn started(site: &Site, session: &Session, scheme: &str) -> Result<Process> {
    let mut desktop = desktop(site, session, (scheme, "ada"), &[])?;
    desktop.wait_for_line("that it shows notices", 20, |line| line.contains("showing"))?;
    Ok(desktop)
}

/// Publishes all of them at once.
fn publish(site: &Site, topic: &str, bodies: &[Value], more: &[&str]) -> Result<()> {
    let lines: Vec<String> = bodies.iter().map(Value::to_string).collect();
    let words = [&["publish", topic, "--lines"], more].concat();
    let done = site.tubepost_with_input(&words, lines.join("\n").as_bytes())?;
    ensure!(done.code() == 0, "publish: {}", done.stderr);
    Ok(())
}

/// Waits until so many were told, each by itself or in a summary, and no more. Gives the number of
/// bubbles that took.
fn wait_for_all(session: &Session, count: usize, one: &str, summary: &str) -> Result<usize> {
    wait_for(&format!("{count} notices"), 30, || {
        let told = session.told();
        let of = |bubble: &Bubble| {
            let summed = bubble.summary.strip_prefix(summary)?.strip_suffix(" notices");
            match summed.and_then(|count| count.parse().ok()) {
                Some(count) => Some(count),
                None => bubble.summary.contains(one).then_some(1_usize),
            }
        };
        let told: Vec<usize> = told.iter().filter_map(of).collect();
        if told.iter().sum::<usize>() == count { Ok(told.len()) } else { Err(format!("{told:?}")) }
    })
}

/// Prints how long it takes from a publish to a bubble.
fn measure(site: &Site, session: &Session, count: u64) -> Result<()> {
    let runtime = Runtime::new()?;
    let bus = site.amqp_url().parse()?;
    let publisher = runtime.block_on(Publisher::connect(&bus, "measurement"))?;
    let mut took = Vec::new();
    for number in 0..count {
        // tidy: four in three seconds would be one bubble.
        thread::sleep(Duration::from_millis(800));
        let body = push(&format!("measured-{number}"), "now");
        let mut event = Event::new(PUSHED.parse()?, body)?;
        event.schema = Some("git.receive".to_owned());
        let (begun, name) = (Instant::now(), format!("to rpms/measured-{number} "));
        runtime.block_on(publisher.publish(&event))?;
        while !session.told().iter().any(|it| it.summary.contains(&name)) {
            ensure!(begun.elapsed() < Duration::from_secs(20), "{:?}", session.told());
            // tidy: the pause between two looks.
            thread::sleep(Duration::from_millis(1));
        }
        took.push(begun.elapsed());
        session.dunstctl(&["close-all"])?;
    }
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!("published to shown: {count} times, p50 {:?}, p99 {:?}", at(50), at(99));
    Ok(())
}

#[test]
fn a_real_daemon_shows_notices_with_their_links_and_a_summary_after_an_absence() -> Result<()> {
    let (site, server) = site(|site| {
        notify(site, &["destination", "add", "ada", "desktop:ada"])?;
        let rule = ["rule", "add", "ada", "--name", "all", "--topic", "#", "--to", "@desktop"];
        notify(site, &rule).map(drop)
    })?;
    add_user(&site, "ada")?;
    user(&site, &["permission", "set", "ada", OWN_QUEUE, "^$", OWN_QUEUE], "")?;
    add_user(&site, "eve")?;
    user(&site, &["permission", "set", "eve", "^eve$", "^eve$", "^eve$"], "")?;
    let mut session = Session::start(&site)?;
    let mut shown = started(&site, &session, "amqp")?;

    // Text is text: what looks like markup is shown, and not obeyed.
    let hostile = "<b>bold</b> & <a href=\"file:///etc/passwd\">go</a>";
    site.publish(PUSHED, &push("kernel", hostile))?;
    session.wait_for_bubbles(1)?;
    session.picture("one.png")?;
    session.dunstctl(&["action", "0"])?;
    session.wait_for_opened("https://git.example.org/kernel/c/3aa6642b")?;
    session.dunstctl(&["close-all"])?;
    let told = session.told();
    let [one] = told.as_slice() else { anyhow::bail!("{told:?}") };
    ensure!(one.summary.contains("pushed to rpms/kernel (main)"), "{one:?}");
    ensure!(one.body.contains("&lt;b&gt;bold&lt;/b&gt; &amp; &lt;a href="), "{one:?}");
    let rest = (one.app.as_str(), one.urgency.as_str(), one.icon.as_str());
    ensure!(rest == ("Tubepost", "NORMAL", "dialog-information"), "{one:?}");

    // What is about one object takes one bubble; how loud is as severe.
    let of_one = [push("glibc", "commit 1"), push("glibc", "commit 2")];
    publish(&site, PUSHED, &of_one, &[])?;
    publish(&site, PUSHED, &[push("bash", "broken")], &["--severity", "error"])?;
    let error = session.wait_for("the error", |it| it.summary.contains("bash"))?;
    ensure!((error.urgency.as_str(), error.icon.as_str()) == ("CRITICAL", "dialog-error"));
    ensure!(session.told().iter().filter(|it| it.summary.contains("glibc")).count() == 2);
    session.wait_for_bubbles(2)?;
    session.picture("two.png")?;
    session.dunstctl(&["close-all"])?;

    // Many at once become a few and a summary, and none is lost.
    let many: Vec<Value> = (0..20).map(|it| push(&format!("many-{it}"), "at once")).collect();
    publish(&site, PUSHED, &many, &[])?;
    let bubbles = wait_for_all(&session, 20, "to rpms/many-", "")?;
    ensure!(bubbles <= 10, "{:?}", session.told());
    session.picture("many.png")?;
    session.dunstctl(&["close-all"])?;

    // Do-not-disturb is the daemon's, which has all of it.
    session.dunstctl(&["set-paused", "true"])?;
    publish(&site, PUSHED, &[push("quiet", "later")], &["--severity", "debug"])?;
    wait_for("it to wait", 20, || {
        let waiting = session.dunstctl(&["count", "waiting"]).map_err(|it| format!("{it:#}"))?;
        if waiting == "1" { Ok(()) } else { Err(waiting) }
    })?;
    ensure!(session.dunstctl(&["count", "displayed"])? == "0");
    session.dunstctl(&["set-paused", "false"])?;
    session.wait_for_bubbles(1)?;

    // The daemon goes and comes, and then the bus.
    session.kill_daemon()?;
    publish(&site, PUSHED, &[push("daemon", "is back")], &[])?;
    session.start_daemon()?;
    session.wait_for("what came without a daemon", |it| it.summary.contains("to rpms/daemon"))?;
    server.kill()?;
    let server = site.serve()?;
    publish(&site, PUSHED, &[push("bus", "is back")], &[])?;
    session.wait_for("what came after the bus", |it| it.summary.contains("to rpms/bus"))?;

    // Who was away reads one summary.
    ensure!(shown.terminate(10)?.success(), "{}", shown.log());
    let missed: Vec<Value> = (0..50).map(|it| push(&format!("away-{it}"), "while")).collect();
    publish(&site, PUSHED, &missed, &[])?;
    let waiting = || site.api().get("queues/%2F/tubepost.desktop.ada");
    wait_for("50 notices in the queue", 20, || {
        let queue = waiting().map_err(|it| format!("{it:#}"))?;
        if queue["messages"] == 50 { Ok(()) } else { Err(queue["messages"].to_string()) }
    })?;
    session.dunstctl(&["close-all"])?;
    // By the other AMQP, which finds the same queue.
    let mut shown = started(&site, &session, "amqp10")?;
    let bubbles = wait_for_all(&session, 50, "to rpms/away-", "While you were away: ")?;
    // One, if they come as quickly as they do on a machine that has nothing else to do.
    ensure!(bubbles <= 3, "{:?}", session.told());
    session.picture("away.png")?;

    session.dunstctl(&["close-all"])?;
    measure(&site, &session, scaled(2, 200))?;

    // Whose queue it is not does not read it.
    let mut eve = desktop(&site, &session, ("amqp", "eve"), &["--user", "ada"])?;
    ensure!(!eve.wait(20)?.success() && eve.log().contains("refused for user 'eve'"));
    ensure!(shown.terminate(10)?.success(), "{}", shown.log());
    server.terminate()
}
