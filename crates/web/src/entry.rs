//! One event in the feed: the event, what is told of it, where it stands.

use std::{fmt, str::FromStr, sync::OnceLock};

use event::{Description, Event};
use jiff::Timestamp;

use crate::limits::SEARCHED_BYTES_MAX;

/// Where an event stands in one feed's sequence. Another feed, and the same program started
/// again, has another epoch, so that a position of before is never mistaken for one of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: u64,
    pub(crate) serial: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.serial)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Position, ()> {
        let (epoch, serial) = text.split_once('-').ok_or(())?;
        Ok(Position {
            epoch: u64::from_str_radix(epoch, 16).map_err(|_| ())?,
            serial: serial.parse().map_err(|_| ())?,
        })
    }
}

/// An event as the feed keeps it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    /// The last part of its address, unique in the feed: its id where that can be one.
    pub(crate) key: String,
    pub(crate) event: Event,
    pub(crate) description: Description,
    pub(crate) received_at: Timestamp,
    /// What the text filter looks at, in lower case.
    pub(crate) searched: String,
    /// Its row, rendered once for all who look.
    pub(crate) row: OnceLock<String>,
}

impl Entry {
    pub(crate) fn new(
        position: Position,
        key: String,
        event: Event,
        description: Description,
    ) -> Entry {
        let searched = searched(&event, &description);
        let received_at = Timestamp::now();
        Entry { position, key, event, description, received_at, searched, row: OnceLock::new() }
    }

    /// When it was sent; when it was received if it does not say.
    pub(crate) fn time(&self) -> Timestamp {
        self.event.sent_at.unwrap_or(self.received_at)
    }

    /// About how much memory it takes. A parsed JSON object takes some times its text.
    pub(crate) fn size_bytes(&self) -> usize {
        let told = &self.description;
        let texts = [&told.link, &told.icon, &told.agent, &told.object, &told.text, &told.patch];
        1024 + 4 * self.event.body.bytes().len()
            + self.searched.len()
            + told.summary.len()
            + texts.iter().map(|text| text.as_deref().map_or(0, str::len)).sum::<usize>()
            + told.people.iter().chain(&told.packages).map(|name| name.len() + 24).sum::<usize>()
            + self.event.headers.iter().map(|(k, v)| 64 + k.len() + value_bytes(v)).sum::<usize>()
    }
}

/// The id itself where an address can hold it as it is and the pages use it for nothing else.
pub(crate) fn key_of_id(id: &str) -> Option<&str> {
    let fits = !id.is_empty()
        && id.len() <= 128
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !id.ends_with(".json")
        && id != "stream";
    fits.then_some(id)
}

fn searched(event: &Event, told: &Description) -> String {
    let mut searched = String::new();
    let texts = [told.summary.as_str(), event.topic.as_str(), told.app.as_str()].into_iter();
    for text in texts.chain(told.people.iter().chain(&told.packages).map(String::as_str)) {
        let room = SEARCHED_BYTES_MAX.saturating_sub(searched.len());
        searched.extend(text.chars().take(room).flat_map(char::to_lowercase));
        searched.push('\n');
        if room == 0 {
            break;
        }
    }
    searched
}

fn value_bytes(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => value.to_string().len(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_as_written_and_nothing_else_is() {
        let position = Position { epoch: 0x18f, serial: 42 };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "18f", "18f-", "-42", "18f-42x", "zz-1"] {
            assert_eq!(text.parse::<Position>(), Err(()), "{text}");
        }
    }

    #[test]
    fn only_an_id_that_is_safe_in_an_address_is_its_own_key() {
        assert_eq!(key_of_id("0193-ab_c.d"), Some("0193-ab_c.d"));
        let long = "x".repeat(129);
        for id in ["", ".", "..", "a/b", "a.json", "stream", "<b>", "a b", "ä", "~1", &long] {
            assert_eq!(key_of_id(id), None, "{id}");
        }
    }
}
