//! Figures side by side, with ratios. A ratio says how many times better Tubepost is: above 1 it is
//! ahead, whether more is better or less.

use serde_json::Value;

use super::load::{Finding, verdict};

/// One thing that is compared.
struct Measure {
    name: &'static str,
    unit: Unit,
    /// Where it is in the figures.
    path: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    /// More is better, as with all that is counted by the second.
    PerSecond,
    Milliseconds,
    Seconds,
    Microseconds,
    Mebibytes,
    Kibibytes,
}

const fn measure(name: &'static str, unit: Unit, path: &'static str) -> Measure {
    Measure { name, unit, path }
}

const DELIVERED: Measure = measure("delivered/s", Unit::PerSecond, "/delivered_per_s");
const CPU: Measure = measure("CPU µs a message", Unit::Microseconds, "/server/cpu_us");
const MEMORY: Measure =
    measure("resident MiB, peak", Unit::Mebibytes, "/server/resident_peak_bytes");

/// By the case's first letter.
fn measures(case: &str) -> Vec<Measure> {
    match case.chars().next().map(|it| it.to_ascii_uppercase()) {
        Some('B') => vec![
            DELIVERED,
            measure("confirm p50, ms", Unit::Milliseconds, "/confirm/p50_ms"),
            measure("confirm p99, ms", Unit::Milliseconds, "/confirm/p99_ms"),
            CPU,
            MEMORY,
        ],
        Some('D') => vec![
            measure("delivery p50, ms", Unit::Milliseconds, "/delivery/p50_ms"),
            measure("delivery p99, ms", Unit::Milliseconds, "/delivery/p99_ms"),
            measure("confirm p50, ms", Unit::Milliseconds, "/confirm/p50_ms"),
            measure("confirm p99, ms", Unit::Milliseconds, "/confirm/p99_ms"),
            CPU,
            MEMORY,
        ],
        Some('E') => vec![
            measure("connections/s", Unit::PerSecond, "/opened_per_s"),
            measure("resident KiB each", Unit::Kibibytes, "/resident_bytes_each"),
        ],
        Some('F') => vec![
            measure("published/s", Unit::PerSecond, "/published_per_s"),
            measure("drained/s", Unit::PerSecond, "/drained_per_s"),
            CPU,
            MEMORY,
        ],
        Some('G') => vec![measure("first message after, s", Unit::Seconds, "/first_message_s")],
        Some('S') => vec![
            measure("answers after, ms", Unit::Milliseconds, "/started_ms"),
            measure("resident MiB, idle", Unit::Mebibytes, "/idle_bytes"),
        ],
        _ => vec![DELIVERED, CPU, MEMORY],
    }
}

/// One case: what each contender did, Tubepost first.
pub(super) struct Row {
    pub(super) case: String,
    pub(super) findings: Vec<Finding>,
}

/// The table, in Markdown, and its footnotes.
pub(super) fn table(names: &[String], rows: &[Row]) -> (String, Vec<String>) {
    let mut footnotes = Vec::new();
    let others = names.iter().skip(1);
    let mut heads = vec!["case".to_owned(), "measure".to_owned()];
    heads.extend(names.iter().cloned());
    if names.len() > 2 {
        heads.push("÷ best".to_owned());
    }
    heads.extend(others.map(|name| format!("÷ {name}")));
    let mut lines = vec![heads];
    for row in rows {
        let marks: Vec<String> = row
            .findings
            .iter()
            .zip(names)
            .map(|(finding, name)| footnote(&row.case, name, finding, &mut footnotes))
            .collect();
        for measure in measures(&row.case) {
            let values: Vec<Option<f64>> = row.findings.iter().map(|it| measure.of(it)).collect();
            let mut cells = vec![row.case.clone(), measure.name.to_owned()];
            for (value, mark) in values.iter().zip(&marks) {
                cells.push(format!("{}{mark}", measure.unit.show(*value)));
            }
            let ratios: Vec<Option<f64>> =
                values.iter().skip(1).map(|other| measure.unit.ratio(values[0], *other)).collect();
            if names.len() > 2 {
                cells.push(ratio(ratios.iter().flatten().copied().reduce(f64::min)));
            }
            cells.extend(ratios.into_iter().map(ratio));
            lines.push(cells);
        }
    }
    (aligned(&lines), footnotes)
}

/// The mark of a footnote, where there is something to say.
fn footnote(case: &str, name: &str, finding: &Finding, footnotes: &mut Vec<String>) -> String {
    let words = match finding {
        Finding::Figures(figures) => verdict(figures),
        Finding::None(why) => Some(why.clone()),
    };
    let Some(words) = words else { return String::new() };
    footnotes.push(format!("{name}, case {case}: {words}"));
    format!(" [{}]", footnotes.len())
}

impl Measure {
    fn of(&self, finding: &Finding) -> Option<f64> {
        match finding {
            Finding::Figures(figures) => figures.pointer(self.path).and_then(Value::as_f64),
            Finding::None(_) => None,
        }
    }
}

impl Unit {
    fn show(self, value: Option<f64>) -> String {
        let Some(value) = value else { return "–".to_owned() };
        match self {
            Unit::PerSecond => counted(value),
            Unit::Milliseconds | Unit::Seconds => figures(value),
            Unit::Microseconds => format!("{value:.2}"),
            Unit::Mebibytes => figures(value / 1_048_576.0),
            Unit::Kibibytes => figures(value / 1024.0),
        }
    }

    fn ratio(self, ours: Option<f64>, theirs: Option<f64>) -> Option<f64> {
        let (more, less) = match self {
            Unit::PerSecond => (ours?, theirs?),
            _ => (theirs?, ours?),
        };
        (less > 0.0).then_some(more / less)
    }
}

/// To three figures.
fn figures(value: f64) -> String {
    let decimals = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

fn counted(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} M", figures(v / 1e6)),
        v if v >= 1e4 => format!("{} k", figures(v / 1e3)),
        v => format!("{v:.0}"),
    }
}

fn ratio(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |it| format!("{}×", figures(it)))
}

/// As Markdown that is also read as it is.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            text += &match column < 2 {
                true => format!("| {cell:<width$} "),
                false => format!("| {cell:>width$} "),
            };
        }
        text += "|\n";
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width.saturating_sub(1).max(2));
                text += &if column < 2 { format!("| {dashes}- ") } else { format!("| {dashes}: ") };
            }
            text += "|\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ratio_above_one_is_ahead_whether_more_is_better_or_less() {
        let of = |rate: f64, cpu: f64| {
            Finding::Figures(json!({ "delivered_per_s": rate, "server": { "cpu_us": cpu } }))
        };
        let names = ["Tubepost", "RabbitMQ", "NATS"].map(str::to_owned);
        let rows = [Row {
            case: "A16".to_owned(),
            findings: vec![of(4e6, 0.25), of(1e5, 10.0), of(3.2e6, 0.5)],
        }];
        let (table, footnotes) = table(&names, &rows);
        let words = |part: &str| {
            let line = table.lines().find(|line| line.contains(part)).unwrap();
            line.split('|').map(str::trim).collect::<Vec<_>>().join("|")
        };
        let rates = "|A16|delivered/s|4.00 M|100 k|3.20 M|1.25×|40.0×|1.25×|";
        assert_eq!(words("delivered"), rates);
        assert!(words("CPU").ends_with("|0.25|10.00|0.50|2.00×|40.0×|2.00×|"), "{table}");
        assert!(words("peak").contains("|–|–|–|"), "{table}");
        assert!(footnotes.is_empty());
    }

    #[test]
    fn what_cannot_be_done_is_a_dash_with_its_reason() {
        let clean = Finding::Figures(json!({ "first_message_s": 0.05 }));
        let lossy = json!({ "published": 7, "verdict": { "lost": 2 }, "first_message_s": 0.1 });
        let names = ["Tubepost", "a", "b"].map(str::to_owned);
        let findings = vec![clean, Finding::Figures(lossy), Finding::None("not ours".to_owned())];
        let (table, footnotes) = table(&names, &[Row { case: "G".to_owned(), findings }]);
        assert!(table.contains("0.100 [1]") && table.contains("– [2]"), "{table}");
        let expected = ["a, case G: 2 lost of 7 published", "b, case G: not ours"];
        assert_eq!(footnotes, expected);
    }
}
