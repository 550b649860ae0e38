//! What a subscriber pays for an event on one core: its body parsed, held against its schema, and
//! said. Prints events a second. `cargo bench -p tubepost-event`; 50,000 are promised, for events
//! such as these: where all of them together take longer it exits 1.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and may panic")]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use event::{Body, Event, Registry, Topic};

/// As published: the topic, and the body's bytes.
struct Published {
    topic: Topic,
    body: Vec<u8>,
}

const PROMISED: f64 = 50_000.0;
const LEAST: Duration = Duration::from_millis(150);
/// The best counts: a cold cache can only add.
const ROUNDS: usize = 6;

fn main() -> ExitCode {
    let registry = Registry::builtin();
    let examples = |names: &dyn Fn(&str) -> bool| -> Vec<Published> {
        let schemas = registry.schemas();
        let chosen = schemas.iter().filter(|schema| names(schema.name()));
        chosen
            .flat_map(|schema| {
                let published = |(topic, body): (&str, &serde_json::Value)| Published {
                    topic: topic.parse().unwrap(),
                    body: serde_json::to_vec(body).unwrap(),
                };
                schema.examples().map(published).collect::<Vec<_>>()
            })
            .collect()
    };
    println!("{:<40}{:>8}{:>8}{:>12}", "examples of", "events", "bytes", "events/s");
    let mut all = 0.0;
    for (what, events) in [
        ("git.receive", examples(&|name| name == "git.receive")),
        ("buildsys.build.state.change", examples(&|name| name == "buildsys.build.state.change")),
        ("pagure.*", examples(&|name| name.starts_with("pagure."))),
        ("bodhi.*", examples(&|name| name.starts_with("bodhi."))),
        ("all that ship", examples(&|_| true)),
    ] {
        let bytes = events.iter().map(|event| event.body.len()).sum::<usize>() / events.len();
        all = (0..ROUNDS).map(|_| rate(&registry, &events)).fold(0.0, f64::max);
        println!("{what:<40}{:>8}{bytes:>8}{all:>12.0}", events.len());
    }
    println!("\nfailed templates: {}", registry.failures());
    if all < PROMISED {
        println!("fewer than the {PROMISED} promised");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Events a second; the first time round compiles the schemas and does not count.
fn rate(registry: &Registry, events: &[Published]) -> f64 {
    events.iter().for_each(|event| say(registry, event));
    let (began, ran, mut said) = (Instant::now(), on_the_core(), 0_u32);
    while began.elapsed() < LEAST {
        events.iter().for_each(|event| say(registry, event));
        said += u32::try_from(events.len()).unwrap();
    }
    let taken = match (ran, on_the_core()) {
        (Some(before), Some(after)) => after - before,
        _ => began.elapsed(),
    };
    f64::from(said) / taken.as_secs_f64()
}

/// How long this thread has been on a core: what else the machine does is not the event's. Linux
/// has it in the first number of `schedstat`.
fn on_the_core() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn say(registry: &Registry, published: &Published) {
    let body = Body::parse(published.body.clone()).unwrap();
    let event = Event::with_body(published.topic.clone(), body);
    let (outcome, told) = registry.receive(&event);
    outcome.unwrap();
    std::hint::black_box(told);
}
