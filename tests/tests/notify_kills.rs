//! `kill -9` of bus and notifier at random moments, between receiving, keeping, sending and
//! acknowledging: every event that was published comes by mail, and one that comes twice has the
//! same Message-ID.
#![allow(clippy::print_stdout, reason = "the numbers")]

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use fastrand::Rng;
use harness::{Mailbox, Site, is_time_over, scaled, seed, wait_for};
use serde_json::json;
use tubepost::Event;

const EVENTS_A_CYCLE: u64 = 3;

/// Whether the bus said that it has the event.
fn publish(site: &Site, event: &str) -> Result<bool> {
    let done = site.tubepost_with_input(&["publish", "--direct", "--dump"], event.as_bytes())?;
    Ok(done.code() == 0)
}

#[test]
fn every_event_comes_by_mail_whenever_the_notifier_is_killed() -> Result<()> {
    let mut rng = Rng::with_seed(seed());
    let site = Site::new()?;
    let mailbox = Mailbox::start()?;
    let text = format!(
        "[notify.mail]\nhost = \"127.0.0.1\"\nport = {}\nfrom = \"tubepost@example.org\"\n\
         [[notify.subscription]]\nto = \"ada@example.org\"\npatterns = [\"org.example.#\"]\n\
         [[notify.subscription]]\nto = \"grace@example.org\"\npatterns = [\"org.example.#\"]\n",
        mailbox.port
    );
    site.write("tubepost.toml", text)?;
    let mut server = site.serve()?;
    mailbox.wait_for_notifier(&site)?;
    let (cycles, begun) = (scaled(8, 500), Instant::now());
    let (mut published, mut killed) = (0, 0);
    while killed < cycles && !is_time_over(begun) {
        let kill_after = Duration::from_micros(rng.u64(0..150_000));
        let killing = thread::spawn(move || {
            // tidy: the moment is what is left to chance.
            thread::sleep(kill_after);
            server.kill()
        });
        let mut unanswered = Vec::new();
        for _ in 0..EVENTS_A_CYCLE {
            let topic = format!("org.example.step.n{published}").parse()?;
            let event = Event::new(topic, json!({"number": published}))?.to_dump();
            if !publish(&site, &event)? {
                unanswered.push(event);
            }
            published += 1;
        }
        killing.join().map_err(|_| anyhow::anyhow!("the killer panicked"))??;
        killed += 1;
        server = site.serve()?;
        for event in unanswered {
            // It may have it all the same: that is a repetition, with the same id.
            ensure!(publish(&site, &event)?, "not published: {event}");
        }
    }
    let mut came: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut mails = 0;
    wait_for("every mail", 90, || {
        came.clear();
        let all = mailbox.mails();
        mails = all.len();
        for mail in all {
            let topic = mail.header("X-Tubepost-Topic").to_owned();
            let id = mail.header("Message-ID").to_owned();
            came.entry((mail.to.join(","), topic)).or_default().insert(id);
        }
        let count = came.len() as u64;
        if count == 2 * published { Ok(()) } else { Err(format!("{count} of {}", 2 * published)) }
    })?;
    ensure!(came.values().all(|ids| ids.len() == 1), "other Message-IDs: {came:?}");
    println!(
        "{killed} kills, {published} events for two: none lost, {} mails came again, {:.1} s",
        mails - came.len(),
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}
