//! How long a digest takes to become a mail, text and HTML: `cargo bench -p tubepost-notify --bench
//! digest`, with `--profile dev` for an upper bound without optimisation.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it prints, and ends when it cannot")]

use std::{sync::Arc, time::Instant};

use event::{Event, Registry};
use notify::{Digest, Letterhead, Matter, Notice, Reason, Settings};

const EVENTS: usize = 10_000;
const RUNS: usize = 5;

fn main() {
    let text = "[mail]\nfrom = 'tubepost@example.org'\n[[subscription]]\nto = 'ada@example.org'";
    let settings: Settings = toml::from_str(text).unwrap();
    let letterhead = Letterhead::new(&settings.check().unwrap().unwrap().mail);
    let registry = Registry::builtin();
    let mut matters = (0..EVENTS).map(|number| {
        let topic = ["org.example.git.receive", "org.example.koji.build"][number % 2];
        let body = serde_json::json!({"agent": "ada", "number": number});
        let mut event = Event::new(topic.parse().unwrap(), body).unwrap();
        event.id = format!("event-{number}");
        let mut description = registry.describe(&event);
        description.object = Some(format!("git/package-{}", number % 500));
        description.people = vec![format!("person-{}", number % 100)];
        Matter { event: Arc::new(event), description: Arc::new(description) }
    });
    let Matter { event, description } = matters.next().unwrap();
    let reason = Reason { subscription: "all".to_owned(), pattern: "#".to_owned(), rule: None };
    let notice = Notice {
        event,
        description,
        more: matters.collect(),
        to: "mail:ada@example.org".parse().unwrap(),
        reasons: vec![reason],
        received_at: jiff::Timestamp::now(),
    };
    for _ in 0..RUNS {
        let began = Instant::now();
        let mail = letterhead.render(&notice).unwrap().formatted();
        let mailed = began.elapsed();
        let began = Instant::now();
        let line = Digest::of(&notice).line(200);
        println!(
            "digest of {EVENTS} events: mail of {} bytes in {:.1} ms, one line of {} in {:.1} ms",
            mail.len(),
            mailed.as_secs_f64() * 1e3,
            line.len(),
            began.elapsed().as_secs_f64() * 1e3
        );
    }
}
