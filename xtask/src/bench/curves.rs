//! Cost as work grows: Tubepost alone, one thing made larger step by step, everything else as it
//! was.

use std::{fmt::Write as _, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::contender::{Contender, Site};
use crate::setup::Servers;

/// One thing that grows.
pub(super) struct Curve {
    pub(super) name: &'static str,
    /// Why it has the slope that it has.
    why: &'static str,
    /// What `tubepost bench` is told, with `#` for the size.
    words: &'static [&'static str],
    sizes: &'static [u64],
    /// The largest one of a quick run.
    quick_max: u64,
    columns: &'static [Column],
}

/// A figure of `tubepost bench --json`.
#[derive(Clone, Copy)]
enum Column {
    Published,
    Delivered,
    Drained,
    CpuUs,
    PeakMiB,
    Opened,
    EachKiB,
    MiBPerSecond,
}

use Column::{CpuUs, Delivered, Drained, EachKiB, MiBPerSecond, Opened, PeakMiB, Published};

/// All of them.
pub(super) const CURVES: &[Curve] = &[
    Curve {
        name: "connections",
        why: "Each is a task, two buffers that are made when they are needed, and its place on the \
              lists that operators see: flat.",
        words: &["--connections", "#"],
        sizes: &[1, 10, 100, 1_000, 10_000],
        quick_max: 1_000,
        columns: &[Opened, EachKiB],
    },
    Curve {
        name: "queues",
        why: "One publisher in turn to all, one consumer of all; transient, 1 KiB. What one read \
              brings is spread over ever more queues: a lock, a letter and a shorter stretch for \
              each, until every message has one of its own.",
        words: &["--queues", "#", "--auto-ack", "--seconds", "3"],
        sizes: &[1, 10, 100, 1_000, 10_000],
        quick_max: 1_000,
        columns: &[Delivered, CpuUs, PeakMiB],
    },
    Curve {
        name: "bindings",
        why: "Patterns on one topic exchange, over ten queues; up to 10,000 different keys. A key \
              walks a tree of words, whatever else is in it, and is remembered: flat but for the \
              processor's caches.",
        words: &[
            "--patterns",
            "#",
            "--queues",
            "10",
            "--auto-ack",
            "--size",
            "512",
            "--seconds",
            "3",
        ],
        sizes: &[10, 100, 1_000, 10_000, 100_000, 1_000_000],
        quick_max: 10_000,
        columns: &[Delivered, CpuUs, PeakMiB],
    },
    Curve {
        name: "size of the body",
        why: "Transient, one to one. Below a kilobyte a message costs what a message costs; above \
              four it is not copied any more, and is as fast as the loopback carries it twice.",
        words: &["--size", "#", "--auto-ack", "--seconds", "3"],
        sizes: &[16, 256, 4_096, 65_536, 1_048_576, 16_777_216],
        quick_max: 1_048_576,
        columns: &[Delivered, MiBPerSecond, CpuUs],
    },
    Curve {
        name: "backlog",
        why: "Durable, 1 KiB, published without a consumer, then drained. Beyond 16 MiB messages \
              are let go of, and of long queues the middle is on disk: memory levels off.",
        words: &["--durable", "--confirm", "1000", "--afterwards", "--messages", "#"],
        sizes: &[1_000, 10_000, 100_000, 1_000_000, 10_000_000],
        quick_max: 100_000,
        columns: &[Published, Drained, PeakMiB],
    },
    Curve {
        name: "fan-out",
        why: "Topic exchange, one publisher, a consumer for each queue; transient, 512 B; copies \
              a second. The first copies pay for the message; then each is an entry, a stencil and \
              512 B copied, until there are so many consumers that each is woken for little.",
        words: &[
            "--fan-out",
            "--queues",
            "#",
            "--consumers",
            "#",
            "--auto-ack",
            "--size",
            "512",
            "--seconds",
            "3",
        ],
        sizes: &[1, 10, 100, 1_000],
        quick_max: 100,
        columns: &[Delivered, CpuUs, PeakMiB],
    },
    Curve {
        name: "readers of a stream",
        why: "One publisher, 1 KiB; copies a second. Readers are cursors: what is in memory they \
              share, and the journal is written once.",
        words: &["--stream", "--consumers", "#", "--confirm", "1000", "--seconds", "3"],
        sizes: &[1, 10, 100, 1_000],
        quick_max: 100,
        columns: &[Published, Delivered, PeakMiB],
    },
];

/// What stands on top of the page.
pub(super) fn head(is_quick: bool) -> String {
    let mut text = "# Cost as work grows, and fairness\n\n\
        Tubepost alone, fresh for each row, on loopback; `cargo xtask bench --curves` writes this \
        page.\n"
        .to_owned();
    if is_quick {
        text += "\n**This is a quick run**: the smaller sizes only.\n";
    }
    text + "\n## Machine\n\n"
}

impl Curve {
    /// Runs all its sizes; a section of the page.
    ///
    /// # Errors
    /// The server or the load cannot be run.
    pub(super) fn draw(&self, servers: &Servers, home: &Path, is_quick: bool) -> Result<String> {
        let mut text = format!("\n## {}\n\n{}\n\n| {} |", self.name, self.why, self.name);
        self.columns.iter().for_each(|column| _ = write!(text, " {} |", column.name()));
        text += "\n| ---: |";
        self.columns.iter().for_each(|_| text += " ---: |");
        text += "\n";
        for size in self.sizes.iter().filter(|size| !is_quick || **size <= self.quick_max) {
            let site = Contender::Tubepost.start(servers, home)?;
            let words = self.words.iter().map(|word| word.replace('#', &size.to_string()));
            let figures = measure(&servers.tubepost, &site, words)?;
            let body = figures["traffic"]["body_bytes"].as_f64().unwrap_or(0.0);
            let mut row = format!("| {} |", grouped(*size));
            self.columns.iter().for_each(|it| _ = write!(row, " {} |", it.of(&figures, body)));
            println!("{row}");
            _ = writeln!(text, "{row}");
        }
        Ok(text)
    }
}

/// One run of the load.
///
/// # Errors
/// It cannot be run, or has no figures.
pub(super) fn measure(
    tubepost: &Path,
    site: &Site,
    words: impl IntoIterator<Item = String>,
) -> Result<Value> {
    let mut command = Command::new(tubepost);
    command.args(["bench", "--json", "--url", &site.url()]).args(words);
    if let Some(pid) = site.pid() {
        command.args(["--pid", &pid.to_string()]);
    }
    let output = command.output().context("the load cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.lines().next() {
        Some(line) => serde_json::from_str(line).context("the load's figures are no JSON"),
        None => bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Published => "published/s",
            Delivered => "delivered/s",
            Drained => "drained/s",
            CpuUs => "CPU µs a message",
            PeakMiB => "memory, MiB",
            Opened => "opened/s",
            EachKiB => "KiB each",
            MiBPerSecond => "MiB/s",
        }
    }

    fn of(self, figures: &Value, body: f64) -> String {
        let at =
            |path: &str, by: f64| figures.pointer(path).and_then(Value::as_f64).map(|it| it / by);
        let found = match self {
            Published => at("/published_per_s", 1.0),
            Delivered => at("/delivered_per_s", 1.0),
            Drained => at("/drained_per_s", 1.0),
            CpuUs => at("/server/cpu_us", 1.0),
            PeakMiB => at("/server/resident_peak_bytes", 1_048_576.0),
            Opened => at("/opened_per_s", 1.0),
            EachKiB => at("/resident_bytes_each", 1024.0),
            MiBPerSecond => at("/delivered_per_s", 1_048_576.0).map(|rate| rate * body),
        };
        match (found, self) {
            (None, _) => "–".to_owned(),
            (Some(value), CpuUs | EachKiB) => format!("{value:.2}"),
            (Some(value), _) => grouped(value.round() as u64),
        }
    }
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_figure_that_is_not_there_is_a_dash() {
        let figures = json!({"delivered_per_s": 2048.0, "server": {"cpu_us": 0.5}});
        assert_eq!(Delivered.of(&figures, 0.0), "2,048");
        assert_eq!(MiBPerSecond.of(&figures, 1024.0), "2");
        assert_eq!(CpuUs.of(&figures, 0.0), "0.50");
        assert_eq!(Drained.of(&figures, 0.0), "–");
    }

    #[test]
    fn every_curve_says_where_its_size_goes_and_grows() {
        for curve in CURVES {
            assert!(curve.words.contains(&"#"), "{}", curve.name);
            assert!(curve.sizes.is_sorted() && curve.sizes.contains(&curve.quick_max));
        }
    }
}
