//! The report as one HTML file: a table, and a chart for each case of how its rates went. No
//! script, no file beside it.

use std::fmt::Write as _;

use crate::outcome::{Finding, Outcome, Point};

/// A whole page. `about` are lines that say what was measured where.
pub fn html(findings: &[Finding], about: &[String]) -> String {
    let mut page = String::from(HEAD);
    for line in about {
        _ = write!(page, "<p>{}</p>", escaped(line));
    }
    page.push_str(
        "<div class=\"wide\"><table><thead><tr><th>case<th>what<th>published/s<th>delivered/s\
         <th>delivery p50 / p99 ms<th>confirm p50 / p99 ms<th>broker CPU µs<th>broker memory\
         <th>verdict</tr></thead><tbody>",
    );
    for finding in findings {
        row(&mut page, finding);
    }
    page.push_str("</tbody></table></div>");
    for finding in findings {
        if let Some(outcome) = &finding.outcome
            && outcome.series.len() > 1
        {
            chart(&mut page, finding, outcome);
        }
    }
    page.push_str("</main></body></html>\n");
    page
}

fn row(page: &mut String, finding: &Finding) {
    _ = write!(
        page,
        "<tr><th scope=\"row\">{}<td>{}",
        escaped(&finding.case),
        escaped(&finding.what)
    );
    if let Some(idle) = &finding.idle {
        let each = idle
            .resident_bytes_each
            .map_or("–".to_owned(), |bytes| format!("{:.1} KiB each", bytes / 1024.0));
        _ = write!(
            page,
            "<td colspan=\"5\">{} connections opened/s<td class=\"n\">{each}<td>–</tr>",
            count(idle.opened_per_s)
        );
    }
    if let Some(outcome) = &finding.outcome {
        let number = |value: Option<f64>| value.map_or("–".to_owned(), count);
        let times = |latency: Option<crate::Latency>| match latency {
            Some(it) => format!("{:.3} / {:.3}", it.p50_ms, it.p99_ms),
            None => "–".to_owned(),
        };
        let (cpu, memory) = match &outcome.server {
            Some(taken) => (
                format!("{:.2}", taken.cpu_us),
                format!("{:.0} MiB", taken.resident_peak_bytes as f64 / 1_048_576.0),
            ),
            None => ("–".to_owned(), "–".to_owned()),
        };
        let delivered = outcome.delivered_per_s.or(outcome.drained_per_s);
        for cell in [
            number(Some(outcome.published_per_s)),
            number(delivered),
            times(outcome.delivery),
            times(outcome.confirm),
            cpu,
            memory,
        ] {
            _ = write!(page, "<td class=\"n\">{cell}");
        }
        _ = write!(page, "<td>{}</tr>", verdict(outcome));
    }
}

/// The verdict in words.
pub fn verdict(outcome: &Outcome) -> String {
    let it = &outcome.verdict;
    let all = [
        (it.lost, "lost"),
        (it.duplicated, "twice"),
        (it.misordered, "out of order"),
        (it.altered, "altered"),
        (it.redelivered, "redelivered"),
        (it.refused, "refused"),
    ];
    let some: Vec<String> = all
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    match some.is_empty() {
        true => "all once, in order".to_owned(),
        false => some.join(", "),
    }
}

/// A number for people, to three figures: 1.25 M, 980 k.
pub fn count(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e6 => (v / 1e6, " M"),
        v if v >= 1e4 => (v / 1e3, " k"),
        v => return format!("{v:.0}"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$}{unit}")
}

fn chart(page: &mut String, finding: &Finding, outcome: &Outcome) {
    let series = &outcome.series;
    let last = series.last().map_or(1.0, |it| it.at_s).max(0.1);
    let highest =
        series.iter().map(|it| it.published_per_s.max(it.delivered_per_s)).fold(1.0, f64::max);
    let line = |of: fn(&Point) -> f64| -> String {
        let mut points = String::new();
        for point in series {
            let x = LEFT + (WIDTH - LEFT) * point.at_s / last;
            let y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - of(point) / highest);
            _ = write!(points, "{x:.1},{y:.1} ");
        }
        points
    };
    _ = write!(
        page,
        "<figure><figcaption><b>{}</b> {}: messages a second over {last:.1} s; \
         <span class=\"p\">published</span>, <span class=\"d\">delivered</span></figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"rates of case {}\">\
         <text x=\"0\" y=\"{}\">{}</text><text x=\"0\" y=\"{}\">0</text>\
         <polyline class=\"p\" points=\"{}\"/><polyline class=\"d\" points=\"{}\"/></svg></figure>",
        escaped(&finding.case),
        escaped(&finding.what),
        escaped(&finding.case),
        TOP + 4.0,
        count(highest),
        HEIGHT - BOTTOM,
        line(|it| it.published_per_s),
        line(|it| it.delivered_per_s),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 8.0;

const HEAD: &str = include_str!("report_head.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_to_three_figures() {
        for (value, text) in [
            (0.4, "0"),
            (9_999.0, "9999"),
            (12_345.0, "12.3 k"),
            (1_254_000.0, "1.25 M"),
            (123e6, "123 M"),
        ] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn a_page_cannot_be_broken_by_what_it_is_told() {
        let page = html(&[], &["<script>alert(1)</script>".to_owned()]);
        assert!(!page.contains("<script"), "{page}");
    }
}
