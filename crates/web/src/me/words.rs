//! A rule in words, for a list.

use notify::rule::{Condition, Digest, Outlet, When};

use crate::people::reference;

/// What it wants.
pub(crate) fn what(condition: &Condition) -> String {
    match condition {
        Condition::All(parts) if parts.is_empty() => "every event".to_owned(),
        _ => said(condition, 0),
    }
}

fn said(condition: &Condition, depth: usize) -> String {
    if depth > 3 {
        return "…".to_owned();
    }
    let joined = |parts: &[Condition], by: &str| {
        let parts: Vec<String> = parts.iter().take(8).map(|part| said(part, depth + 1)).collect();
        let text = parts.join(by);
        if depth > 0 && parts.len() > 1 { format!("({text})") } else { text }
    };
    match condition {
        Condition::All(parts) => joined(parts, ", and "),
        Condition::Any(parts) => joined(parts, ", or "),
        Condition::Not(part) => format!("not {}", said(part, depth + 1)),
        Condition::Topic(all) => list("topic", all.iter().map(|it| it.as_str().to_owned())),
        Condition::TopicGlob(all) => list("topic", all.iter().map(|it| it.as_str().to_owned())),
        Condition::App(names) => list("application", names.0.iter().cloned()),
        Condition::Severity(all) => list("severity", all.iter().map(|it| it.name().to_owned())),
        Condition::People(who) => list("concerns", who.iter().map(ToString::to_string)),
        Condition::Agent(who) => list("done by", who.iter().map(ToString::to_string)),
        Condition::Package(names) => list("package", names.0.iter().cloned()),
        Condition::Maintainer(who) => list("maintained by", who.iter().map(ToString::to_string)),
        Condition::Object(names) => list("object", names.0.iter().cloned()),
        Condition::Text(names) => list("text", names.0.iter().map(|text| format!("“{text}”"))),
        Condition::Schema(names) => list("schema", names.0.iter().cloned()),
        Condition::Cel(text) => format!("expression {text}"),
    }
}

fn list(what: &str, names: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = names.collect();
    let (first, more) = all.split_at(all.len().min(5));
    let more = match more.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    format!("{what} {}{more}", first.join(" or "))
}

/// Where an outlet tells, and when.
pub(crate) fn outlet(outlet: &Outlet) -> String {
    let to: Vec<String> = outlet.to.iter().map(|id| place(id)).collect();
    let of = match outlet.severities.is_empty() {
        true => String::new(),
        false => {
            let names: Vec<&str> = outlet.severities.iter().map(|it| it.name()).collect();
            format!("{}: ", names.join(", "))
        }
    };
    format!("{of}{}{}", to.join(", "), when(&outlet.when))
}

/// How a destination is called on the pages.
pub(crate) fn place(id: &str) -> String {
    match id.strip_prefix('@') {
        Some(kind) => format!("all my {kind} addresses"),
        None => reference::shown(id),
    }
}

fn when(when: &When) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(Digest { count, every_minutes, daily, weekly }) = &when.digest {
        let zone = when.zone.as_deref().unwrap_or("UTC");
        let mut at: Vec<String> = Vec::new();
        at.extend(every_minutes.map(|minutes| format!("every {minutes} minutes")));
        at.extend(daily.map(|at| format!("daily at {at} {zone}")));
        let weekly = weekly.as_ref().map(|it| {
            let day = serde_json::to_value(it.day).unwrap_or_default();
            format!("weekly on {} at {} {zone}", day.as_str().unwrap_or_default(), it.at)
        });
        at.extend(weekly);
        at.extend(count.map(|count| format!("by {count}")));
        parts.push(format!("gathered {}", at.join(" or ")));
    }
    let quiet = when.quiet.iter().map(|it| format!("quiet {} to {}", it.from, it.to));
    parts.extend(quiet);
    parts.extend(when.rate.map(|it| format!("at most {} in {} minutes", it.max, it.per_minutes)));
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::rule::Rule;

    #[test]
    fn a_rule_is_said_in_a_line() {
        let rule = Rule::from_json(
            r##"{"owner": {"person": "ada"}, "name": "mine",
                "what": {"all": [{"package": ["kernel", "glibc"]}, {"not": {"agent": "@me"}},
                    {"any": [{"topic": "#.git.#"}, {"text": "CVE"}]}]},
                "outlets": [{"severities": ["error"], "to": ["webhook:https://h.org/s3cret", "@mail"],
                    "when": {"digest": {"daily": "08:00"}, "zone": "Europe/Berlin"}}]}"##,
        )
        .unwrap();
        assert_eq!(
            what(&rule.what),
            "package kernel or glibc, and not done by @me, and (topic #.git.#, or text “CVE”)"
        );
        assert_eq!(
            outlet(&rule.outlets[0]),
            "error: webhook:https://h.org/…, all my mail addresses \
             (gathered daily at 08:00 Europe/Berlin)"
        );
        assert_eq!(what(&Condition::everything()), "every event");
    }
}
