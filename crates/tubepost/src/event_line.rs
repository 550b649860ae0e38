//! An event as one line: for people, and as JSON for programs.

use anstyle::{AnsiColor, Style};
use event::{Description, Event, Severity, Skew, Verdict};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use crate::{terminal::shown, verdict};

/// What is worth saying of an event besides itself.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Its time is far from now.
    pub(crate) skew: Option<Skew>,
    /// Who vouches for it, where that was asked.
    pub(crate) verdict: Option<Verdict>,
}

/// `2026-11-24 10:42:31  org.example.git.receive  ada pushed to …`, with escape sequences that
/// the terminal's stream strips where they do not belong. The time is when it was sent, or came.
pub(crate) fn for_people(
    event: &Event,
    told: &Description,
    notes: &Notes,
    zone: &TimeZone,
) -> String {
    let time = event.sent_at.unwrap_or_else(Timestamp::now);
    let time = time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let (dim, topic_style) = (Style::new().dimmed(), AnsiColor::Cyan.on_default());
    let summary_style = match told.severity {
        Severity::Debug => Style::new().dimmed(),
        Severity::Info => Style::new(),
        Severity::Warning => AnsiColor::Yellow.on_default(),
        Severity::Error => AnsiColor::Red.on_default().bold(),
    };
    let (topic, summary) = (shown(event.topic.as_str()), shown(&told.summary));
    let mut line = format!(
        "{dim}{time}{dim:#}  {topic_style}{topic}{topic_style:#}  {summary_style}{summary}{summary_style:#}"
    );
    if let Some(skew) = notes.skew {
        line.push_str(&format!("  {dim}({skew}){dim:#}"));
    }
    if let Some(verdict) = &notes.verdict {
        let style = match verdict {
            Verdict::Valid { .. } => AnsiColor::Green.on_default(),
            Verdict::Unsigned => dim,
            Verdict::Invalid { .. } => AnsiColor::Red.on_default().bold(),
        };
        let by = verdict::key(verdict).map_or(String::new(), |key| format!(" {key}"));
        let reason = verdict::reason(verdict).map_or(String::new(), |it| format!(": {it}"));
        let text = format!("({}{by}{reason})", verdict::word(verdict));
        line.push_str(&format!("  {style}{}{style:#}", shown(&text)));
    }
    line
}

/// The dump object with `summary`, `link`, `people` and `packages` behind its own keys, and
/// `skew_seconds` and `signature` where there is something to say. The body is as the dump has it,
/// untouched.
pub(crate) fn for_programs(event: &Event, told: &Description, notes: &Notes) -> String {
    let dump = event.to_dump();
    let mut more = json!({
        "summary": told.summary,
        "link": told.link,
        "people": told.people,
        "packages": told.packages,
    });
    if let Some(skew) = notes.skew {
        more["skew_seconds"] = skew.seconds().into();
    }
    if let Some(verdict) = &notes.verdict {
        more["signature"] = verdict::json(verdict);
    }
    let more = more.to_string();
    let (dump, more) = (dump.trim_end().strip_suffix('}'), more.strip_prefix('{'));
    match (dump, more) {
        (Some(dump), Some(more)) => format!("{dump}, {more}"),
        _ => unreachable!("both are JSON objects with at least one key"),
    }
}

#[cfg(test)]
mod tests {
    use event::Registry;
    use serde_json::Value;

    use super::*;

    fn event() -> Event {
        let topic = "org.example.door".parse().unwrap();
        let mut event = Event::new(topic, json!({"agent": "ada", "n": 1})).unwrap();
        event.sent_at = Some("2026-11-24T09:42:31Z".parse().unwrap());
        event
    }

    #[test]
    fn a_person_reads_local_time_topic_and_summary() {
        let event = event();
        let mut told = Registry::builtin().describe(&event);
        told.summary = "the \x1b[31mdoor".to_owned();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let line = for_people(&event, &told, &Notes::default(), &zone);
        let line = anstream::adapter::strip_str(&line).to_string();
        assert_eq!(line, "2026-11-24 10:42:31  org.example.door  the \u{fffd}[31mdoor");
    }

    #[test]
    fn a_program_reads_the_dump_and_the_description_in_one_object() {
        let event = event();
        let line = for_programs(&event, &Registry::builtin().describe(&event), &Notes::default());
        assert!(!line.contains('\n'));
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["topic"], "org.example.door");
        assert_eq!(object["body"]["n"], 1);
        assert!(object["people"].is_array() && object["packages"].is_array());
        assert!(object["summary"].as_str().unwrap().contains("org.example.door"));
        let mut dump = object;
        for key in ["summary", "link", "people", "packages"] {
            dump.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(dump, serde_json::from_str::<Value>(&event.to_dump()).unwrap());
    }

    #[test]
    fn a_clock_that_is_off_and_who_signed_are_said_behind_it() {
        let event = event();
        let told = Registry::builtin().describe(&event);
        let verdict = Verdict::Valid { key: "hall".to_owned() };
        let now = "2026-11-24T06:42:31Z".parse().unwrap();
        let notes = Notes { skew: event.skew(now), verdict: Some(verdict) };
        let line = for_people(&event, &told, &notes, &TimeZone::UTC);
        let line = anstream::adapter::strip_str(&line).to_string();
        assert!(line.ends_with("  (sent 3 h in the future)  (valid hall)"), "{line}");
        let object: Value = serde_json::from_str(&for_programs(&event, &told, &notes)).unwrap();
        assert_eq!(
            (&object["skew_seconds"], &object["signature"]["key"]),
            (&json!(10_800), &json!("hall"))
        );
    }
}
