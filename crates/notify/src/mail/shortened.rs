//! How much of a digest a mail says, and what it says of the rest: a mail of ten thousand events is
//! still one that is read.

use event::{Description, Event};

use crate::digest::{Digest, Group};

/// The groups that are shown.
pub(super) fn groups<'d, 'a>(digest: &'d Digest<'a>) -> impl Iterator<Item = &'d Group<'a>> {
    digest.groups.iter().take(GROUPS_MAX)
}

/// The events of a group that are shown.
pub(super) fn matters<'a>(group: &Group<'a>) -> impl Iterator<Item = (&'a Event, &'a Description)> {
    group.matters.iter().take(LINES_MAX).copied()
}

/// What is said of those of a group that are not.
pub(super) fn rest_of(group: &Group<'_>) -> Option<String> {
    let rest = group.matters.len().saturating_sub(LINES_MAX);
    (rest > 0).then(|| format!("and {rest} more"))
}

/// What is said of the groups that are not.
pub(super) fn rest(digest: &Digest<'_>) -> Option<String> {
    let rest = digest.groups.get(GROUPS_MAX..).filter(|rest| !rest.is_empty())?;
    let events: usize = rest.iter().map(|group| group.matters.len()).sum();
    Some(format!("and {events} events about {} other things", rest.len()))
}

/// Characters of an event's line.
pub(super) const LINE_CHARS_MAX: usize = 300;
const GROUPS_MAX: usize = 100;
const LINES_MAX: usize = 20;
