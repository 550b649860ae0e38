//! A notice of several events, in order: by what they are about, then by what happened. Knows no
//! medium: mail makes text and HTML of it, and what has room for one line takes
//! [`Digest::line`].

use std::{collections::HashMap, fmt::Write};

use event::{Description, Event, Severity};

use crate::{Notice, mail::one_line};

/// What a digest says, each thing once.
#[derive(Debug)]
pub struct Digest<'a> {
    /// By object, in the order in which each was first heard of.
    pub groups: Vec<Group<'a>>,
    /// How many events there are.
    pub events: usize,
}

/// The events about one thing.
#[derive(Debug)]
pub struct Group<'a> {
    /// What they are about; events without an object are together by application.
    pub title: &'a str,
    /// What happened, how often: in the order in which each was first heard of.
    pub kinds: Vec<(String, usize)>,
    /// How many of them are errors.
    pub errors: usize,
    /// The events in order.
    pub matters: Vec<(&'a Event, &'a Description)>,
}

impl<'a> Digest<'a> {
    /// Puts a notice in order. Takes time in proportion to its events.
    pub fn of(notice: &'a Notice) -> Digest<'a> {
        let mut digest = Digest { groups: Vec::new(), events: 0 };
        let mut places: HashMap<(bool, &str), usize> = HashMap::new();
        let mut kinds: HashMap<(usize, String), usize> = HashMap::new();
        for (event, told) in notice.matters() {
            let title = told.object.as_deref().unwrap_or(&told.app);
            let new = digest.groups.len();
            let place = *places.entry((told.object.is_some(), title)).or_insert(new);
            if place == new {
                digest.groups.push(Group {
                    title,
                    kinds: Vec::new(),
                    errors: 0,
                    matters: Vec::new(),
                });
            }
            let Some(group) = digest.groups.get_mut(place) else { continue };
            let what = what_happened(event, told);
            let kind = *kinds.entry((place, what.clone())).or_insert(group.kinds.len());
            match group.kinds.get_mut(kind) {
                Some((_, count)) => *count += 1,
                None => group.kinds.push((what, 1)),
            }
            group.errors += usize::from(told.severity == Severity::Error);
            group.matters.push((event, told));
            digest.events += 1;
        }
        digest
    }

    /// All of it in one line of at most `chars_max` characters:
    /// `12 events: git/kernel: 3 git.receive; bash: 9 koji.build, 1 failed`.
    pub fn line(&self, chars_max: usize) -> String {
        let mut line = format!("{} events: ", self.events);
        for (index, group) in self.groups.iter().enumerate() {
            if line.len() > chars_max * 4 {
                break;
            }
            let between = if index > 0 { "; " } else { "" };
            let _ = write!(line, "{between}{}", group.line());
        }
        one_line(&line, chars_max)
    }
}

impl Group<'_> {
    /// `git/kernel: 3 git.receive, 1 git.branch, 1 failed`.
    pub fn line(&self) -> String {
        let mut line = format!("{}: ", one_line(self.title, TITLE_CHARS_MAX));
        for (index, (kind, count)) in self.kinds.iter().take(KINDS_MAX).enumerate() {
            let between = if index > 0 { ", " } else { "" };
            let _ = write!(line, "{between}{count} {kind}");
        }
        let rest: usize = self.kinds.iter().skip(KINDS_MAX).map(|(_, count)| count).sum();
        if rest > 0 {
            let _ = write!(line, ", {rest} others");
        }
        if self.errors > 0 {
            let _ = write!(line, ", {} failed", self.errors);
        }
        line
    }
}

/// A topic says it in its last words; those before are where it comes from, and alike for all.
fn what_happened(event: &Event, told: &Description) -> String {
    let topic = event.topic.as_str();
    let name = match told.schema.as_deref() {
        Some(schema) => schema,
        None => match topic.rmatch_indices('.').nth(1) {
            Some((dot, _)) => topic.get(dot + 1..).unwrap_or(topic),
            None => topic,
        },
    };
    one_line(name, KIND_CHARS_MAX)
}

const TITLE_CHARS_MAX: usize = 100;
const KIND_CHARS_MAX: usize = 60;
const KINDS_MAX: usize = 8;

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Matter, Reason, notice::sample};

    /// A digest of so many events, of which `change` makes each what it is.
    pub(crate) fn digest(
        count: usize,
        mut change: impl FnMut(usize, &mut Event, &mut Description),
    ) -> Notice {
        let mut matters = (0..count).map(|number| {
            let (mut event, mut description) = sample();
            event.id = format!("event-{number}");
            change(number, &mut event, &mut description);
            Matter { event: Arc::new(event), description: Arc::new(description) }
        });
        let Matter { event, description } = matters.next().unwrap();
        Notice {
            event,
            description,
            more: matters.collect(),
            to: "mail:ada@example.org".parse().unwrap(),
            reasons: vec![Reason {
                subscription: "all".to_owned(),
                pattern: "#".to_owned(),
                rule: Some("r7".to_owned()),
            }],
            received_at: "2026-11-25T09:41:40Z".parse().unwrap(),
        }
    }

    #[test]
    fn events_are_grouped_by_object_and_counted_by_topic() {
        let notice = digest(5, |number, event, told| match number {
            1 | 2 => {
                event.topic = "org.example.koji.build".parse().unwrap();
                (told.schema, told.object) = (None, Some("builds/bash".to_owned()));
                if number == 2 {
                    told.severity = Severity::Error;
                }
            }
            4 => (told.object, told.app) = (None, "bodhi".to_owned()),
            _ => {}
        });
        let digest = Digest::of(&notice);
        let lines: Vec<String> = digest.groups.iter().map(Group::line).collect();
        assert_eq!(
            lines,
            [
                "git/kernel: 2 git.receive",
                "builds/bash: 2 koji.build, 1 failed",
                "bodhi: 1 git.receive"
            ]
        );
        assert_eq!(
            digest.line(80),
            "5 events: git/kernel: 2 git.receive; builds/bash: 2 koji.build, 1 failed; bodhi…"
        );
    }

    #[test]
    fn an_object_and_an_application_of_one_name_are_two_things() {
        let notice = digest(2, |number, _, told| match number {
            0 => told.object = Some("git".to_owned()),
            _ => told.object = None,
        });
        assert_eq!(Digest::of(&notice).groups.len(), 2);
    }

    #[test]
    fn hostile_names_stay_one_bounded_line() {
        let notice = digest(300, |number, event, told| {
            told.object = Some(format!("x\r\nBcc: evil\u{1b}[2J\u{202e}{number}"));
            told.schema = Some("s\n\n".repeat(1000));
            event.id = "\0".to_owned();
        });
        let line = Digest::of(&notice).line(200);
        assert!(line.chars().count() <= 200 && !line.contains(char::is_control), "{line:?}");
    }
}
