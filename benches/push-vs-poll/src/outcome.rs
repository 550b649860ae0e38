//! What was measured, and how it is told.

use std::time::Duration;

/// One of the two ways.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the server was asked, or had to send.
    pub(crate) messages: u64,
    /// Octets that came to the server and went out of it, above TCP.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Processor time of the server.
    pub(crate) processor: Duration,
    /// The same, until all watchers were there.
    pub(crate) processor_before: Duration,
    /// Memory of the server at the end, in octets.
    pub(crate) resident: u64,
    /// From a change to a watcher's knowing of it; one for each watcher and change, sorted.
    pub(crate) known_after: Vec<Duration>,
    /// How many watchers never saw how many changes, because another came before they looked.
    pub(crate) missed: u64,
}

impl Outcome {
    fn quantile(&self, of: f64) -> Duration {
        let at = (self.known_after.len() as f64 * of).ceil() as usize;
        self.known_after.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// How a row is told of either.
type Told<'a> = &'a dyn Fn(&Outcome) -> String;

/// Both, as a table of Markdown.
pub(crate) fn table(polled: &Outcome, pushed: &Outcome) -> String {
    let quantile = |of: f64| move |it: &Outcome| time(it.quantile(of));
    let rows: [(&str, Told<'_>); 11] = [
        ("requests answered, or events sent", &|it| it.messages.to_string()),
        ("bytes to the server", &|it| it.received.to_string()),
        ("bytes from the server", &|it| it.sent.to_string()),
        ("processor time of the server", &|it| time(it.processor)),
        ("the same, until all were connected", &|it| time(it.processor_before)),
        ("memory of the server", &|it| format!("{:.0} MiB", it.resident as f64 / 1_048_576.0)),
        ("event to knowledge, p50", &quantile(0.5)),
        ("event to knowledge, p99", &quantile(0.99)),
        ("event to knowledge, worst", &quantile(1.0)),
        ("times a watcher learned of a change", &|it| it.known_after.len().to_string()),
        ("times a watcher missed one", &|it| it.missed.to_string()),
    ];
    let mut table = "| | polled | pushed |\n| --- | ---: | ---: |\n".to_owned();
    for (name, of) in rows {
        table += &format!("| {name} | {} | {} |\n", of(polled), of(pushed));
    }
    table
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.1} ms", seconds * 1000.0),
    }
}
