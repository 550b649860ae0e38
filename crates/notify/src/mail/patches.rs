//! The patches of a push of several commits: each with a heading and what it changes, all of them
//! bounded together. Pure.
//!
//! A description's `patch` is one unified diff, or several, each behind a line `commit HEADING`: no
//! line of a diff begins like that.

use event::Description;

use super::{body::cut_at_line, header_text::one_line};
use crate::Notice;

/// Those that are shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Patches<'a> {
    pub(super) shown: Vec<Patch<'a>>,
    /// What is said of the others.
    pub(super) left_out: Option<String>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Patch<'a> {
    /// One line.
    pub(super) heading: String,
    /// The event's link.
    pub(super) link: Option<&'a str>,
    /// `1 file changed, 5 insertions(+), 3 deletions(-)`.
    pub(super) stat: String,
    /// All of it.
    pub(super) whole: &'a str,
    /// Its beginning, as far as there is room; ends with a line.
    pub(super) kept: &'a str,
}

impl<'a> Patches<'a> {
    /// Those of a notice, if it has several; one alone needs no heading.
    pub(super) fn of(notice: &'a Notice, bytes_max: usize) -> Patches<'a> {
        let all: Vec<(String, Option<&str>, &str)> =
            notice.matters().flat_map(|(_, told)| of_event(told)).collect();
        let several = all.len() > 1 || notice.is_digest();
        if !several || bytes_max == 0 {
            return Patches::default();
        }
        let (mut room, mut shown) = (bytes_max, Vec::new());
        let count = all.len().min(SHOWN_MAX);
        for (index, (heading, link, whole)) in all.iter().take(count).enumerate() {
            // So that a large one leaves something for those behind it.
            let kept = cut_at_line(whole, room / (count - index));
            room -= kept.len();
            let (heading, stat) = (heading.clone(), stat(whole));
            shown.push(Patch { heading, link: *link, stat, whole, kept });
        }
        let others = all.get(count..).unwrap_or_default();
        let bytes: usize = others.iter().map(|(_, _, whole)| whole.len()).sum();
        let left_out = (!others.is_empty())
            .then(|| format!("{} more patches, {bytes} bytes, are left out", others.len()));
        Patches { shown, left_out }
    }

    /// Whether the event's own patch is one of these.
    pub(super) fn are_several(&self) -> bool {
        !self.shown.is_empty()
    }
}

/// Heading, link and diff of each patch of an event.
fn of_event(told: &Description) -> Vec<(String, Option<&str>, &str)> {
    let Some(text) = told.patch.as_deref() else { return Vec::new() };
    let link = told.link.as_deref();
    let summary = || one_line(&told.summary, HEADING_CHARS_MAX);
    let mut patches = Vec::new();
    let (mut heading, mut begin, mut at) = (summary(), 0, 0);
    for line in text.split_inclusive('\n') {
        if let Some(next) = line.strip_prefix(MARK) {
            patches.push((heading, link, text.get(begin..at).unwrap_or_default()));
            heading = one_line(next, HEADING_CHARS_MAX);
            begin = at + line.len();
        }
        at += line.len();
    }
    patches.push((heading, link, text.get(begin..).unwrap_or_default()));
    patches.retain(|(_, _, diff)| !diff.trim().is_empty());
    patches
}

/// What a diff changes, in git's words.
fn stat(diff: &str) -> String {
    let (mut files, mut insertions, mut deletions) = (0_usize, 0_usize, 0_usize);
    // Lines of a hunk that are still to come, of the old file and of the new: only there is a `+`
    // an insertion.
    let (mut old, mut new) = (0_u64, 0_u64);
    for line in diff.lines() {
        if old > 0 || new > 0 {
            match line.as_bytes().first() {
                Some(b'+') => (insertions, new) = (insertions + 1, new.saturating_sub(1)),
                Some(b'-') => (deletions, old) = (deletions + 1, old.saturating_sub(1)),
                Some(b'\\') => {}
                _ => (old, new) = (old.saturating_sub(1), new.saturating_sub(1)),
            }
        } else if let Some(hunk) = line.strip_prefix("@@ ") {
            let mut ranges = hunk.split(' ');
            (old, new) = (length(ranges.next(), '-'), length(ranges.next(), '+'));
        } else if line.starts_with("diff ") {
            files += 1;
        }
    }
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let mut stat = format!("{files} file{} changed", plural(files));
    if insertions > 0 {
        stat.push_str(&format!(", {insertions} insertion{}(+)", plural(insertions)));
    }
    if deletions > 0 {
        stat.push_str(&format!(", {deletions} deletion{}(-)", plural(deletions)));
    }
    stat
}

/// `-12,5` is five lines, `-12` one.
fn length(range: Option<&str>, sign: char) -> u64 {
    let range = range.and_then(|range| range.strip_prefix(sign)).unwrap_or("0,0");
    range.split_once(',').map_or(Ok(1), |(_, length)| length.parse()).unwrap_or(0)
}

const MARK: &str = "commit ";
const SHOWN_MAX: usize = 50;
const HEADING_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests;
