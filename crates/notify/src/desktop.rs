//! The desktop as a destination: a notice becomes a [`Slip`] in the person's own queue on the bus,
//! where `tubepost desktop` takes it. The queue keeps the newest only: who comes back after weeks
//! reads a summary, and the bus holds no more than that.

use client::{BusUrl, Event, Inbox, Publisher};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    Destination, Failure, Notice,
    chat_text::web_link,
    mail::{one_line, visible},
    rule::texts,
};

/// Notices that wait for one person.
pub const DESKTOP_NOTICES_MAX: u32 = 500;

/// The queue of a person, which nobody else has to have rights on: `tubepost.desktop.ada`.
pub fn desktop_inbox(user: &str) -> Inbox {
    Inbox { name: format!("tubepost.desktop.{user}"), length_max: DESKTOP_NOTICES_MAX }
}

/// The user of the bus that a `desktop:` destination is for.
///
/// # Errors
/// It is no name of one.
pub fn desktop_user(address: &str) -> Result<&str, String> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    match address.len() <= USER_BYTES_MAX && address.chars().all(is_name) && !address.is_empty() {
        true => Ok(address),
        false => Err("is no user of the bus: letters, digits, '.', '_', '-', '@' and '+', up to \
                      100 bytes"
            .to_owned()),
    }
}

/// A notice as it lies in the queue, the body of an event of topic [`TOPIC`]. Texts are cut and
/// have no control characters; they are text, and who shows them escapes them for the medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slip {
    /// Of this form; a reader leaves others alone.
    pub version: u32,
    /// The same for each repetition of the notice.
    pub key: String,
    /// One line.
    pub summary: String,
    /// Some lines.
    #[serde(default)]
    pub text: String,
    /// HTTP or HTTPS.
    #[serde(default)]
    pub link: Option<String>,
    /// Who said it: `git`.
    pub app: String,
    /// What it is about; a later notice of the same replaces this one.
    #[serde(default)]
    pub object: Option<String>,
    /// `debug`, `info`, `warning`, `error`.
    pub severity: String,
    /// When the notifier heard of it.
    #[serde(with = "texts::text")]
    pub at: Timestamp,
    /// Of how many events it tells.
    pub count: usize,
}

impl Slip {
    /// A notice, cut and cleaned.
    pub fn of(notice: &Notice) -> Slip {
        let told = &notice.description;
        let count = 1 + notice.more.len();
        let line = |text: &str| one_line(text, LINE_CHARS_MAX);
        let severity = notice.matters().map(|(_, told)| told.severity).max();
        let (summary, text, object) = match notice.is_digest() {
            false => {
                let text = visible(told.text.as_deref().unwrap_or_default().trim(), TEXT_BYTES_MAX);
                (line(&told.summary), text, told.object.as_deref().map(line))
            }
            true => {
                let lines = notice.matters().take(LINES_MAX).map(|(_, told)| line(&told.summary));
                let mut lines = lines.collect::<Vec<_>>();
                if count > LINES_MAX {
                    lines.push(format!("and {} more", count - LINES_MAX));
                }
                (format!("{count} events"), lines.join("\n"), None)
            }
        };
        Slip {
            version: VERSION,
            key: notice.key().to_string(),
            summary,
            text,
            link: told.link.as_deref().and_then(web_link).map(String::from),
            app: one_line(&told.app, 100),
            object,
            severity: severity.unwrap_or(told.severity).name().to_owned(),
            at: notice.received_at,
            count,
        }
    }

    /// The slip that an event of a person's queue is.
    ///
    /// # Errors
    /// It is none, or of another release's form.
    pub fn from_event(event: &Event) -> Result<Slip, String> {
        let slip = Slip::deserialize(event.body.object()).map_err(|error| error.to_string())?;
        match slip.version {
            VERSION => Ok(slip),
            version => Err(format!("it has version {version}, and this release knows {VERSION}")),
        }
    }

    fn to_event(&self) -> Result<Event, String> {
        let topic = TOPIC.parse().map_err(|error: event::Error| error.to_string())?;
        let body = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let mut event = Event::new(topic, body).map_err(|error| error.to_string())?;
        event.id.clone_from(&self.key);
        Ok(event)
    }
}

/// Puts notices into people's queues. Connects when the first comes.
#[derive(Debug)]
pub struct DesktopPost {
    bus: BusUrl,
    publisher: Mutex<Option<Publisher>>,
}

impl DesktopPost {
    /// For the people of this bus; its user has to have the right to make and fill their queues.
    pub fn new(bus: BusUrl) -> DesktopPost {
        DesktopPost { bus, publisher: Mutex::default() }
    }
}

impl Destination for DesktopPost {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let user = desktop_user(notice.to.address()).map_err(Failure::Refused)?;
        let event = Slip::of(notice).to_event().map_err(Failure::Refused)?;
        let publisher = {
            let mut held = self.publisher.lock().await;
            match &*held {
                Some(publisher) => publisher.clone(),
                None => {
                    let connecting = Publisher::connect(&self.bus, "tubepost notify desktop");
                    let publisher =
                        connecting.await.map_err(|error| Failure::Away(error.to_string()))?;
                    held.insert(publisher).clone()
                }
            }
        };
        match publisher.publish_to_inbox(&desktop_inbox(user), &event).await {
            Ok(()) => Ok(()),
            // One queue that was made otherwise, or a right that is missing, is one person's.
            Err(error @ client::Error::Refused { .. }) => Err(Failure::Deferred(error.to_string())),
            Err(error) => Err(Failure::Away(error.to_string())),
        }
    }

    // What is published at the same time shares the wait for the bus's disk.
    fn at_once(&self) -> usize {
        AT_ONCE
    }
}

/// Of the events in people's queues; they pass no exchange, so nobody else gets them.
const TOPIC: &str = "tubepost.desktop.notice";
const VERSION: u32 = 1;
const AT_ONCE: usize = 32;
const USER_BYTES_MAX: usize = 100;
const LINE_CHARS_MAX: usize = 200;
const LINES_MAX: usize = 10;
const TEXT_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::tests::digest;

    #[test]
    fn a_hostile_event_is_lines_of_text_with_a_bound() {
        let hostile = digest(1, |_, _, told| {
            told.summary = format!("a\r\nb\u{1b}[31m\u{202e}\u{0}{}", "y".repeat(9000));
            told.text = Some(format!("\u{1b}]0;x\u{7}\u{202e}line\n{}", "z".repeat(90_000)));
            told.app = "app\n".repeat(900);
            told.object = Some("o\u{200f}\n".repeat(900));
            told.link = Some("javascript:alert(1)".to_owned());
        });
        let slip = Slip::of(&hostile);
        let line = |text: &str| !text.contains(|c: char| c.is_control() || c == '\u{202e}');
        assert!(line(&slip.summary) && line(&slip.app), "{slip:?}");
        assert!(line(slip.object.as_deref().unwrap()), "{slip:?}");
        assert!(slip.text.split('\n').all(line), "{slip:?}");
        assert_eq!(slip.link, None);
        let bytes = serde_json::to_vec(&slip).unwrap().len();
        assert!(bytes < 8 * 1024, "{bytes} bytes");
    }

    #[test]
    fn a_digest_is_one_slip_of_its_worst_severity() {
        let many = digest(30, |number, _, told| {
            told.summary = format!("number {number}");
            if number == 29 {
                told.severity = event::Severity::Error;
            }
        });
        let slip = Slip::of(&many);
        assert_eq!(
            (slip.count, slip.severity.as_str(), &*slip.summary),
            (30, "error", "30 events")
        );
        assert!(slip.text.starts_with("number 0\n") && slip.text.ends_with("and 20 more"));
        let read = Slip::from_event(&slip.to_event().unwrap()).unwrap();
        assert_eq!(read, slip);
        let newer = Slip { version: 2, ..slip };
        assert!(Slip::from_event(&newer.to_event().unwrap()).unwrap_err().contains("version 2"));
    }

    #[test]
    fn only_a_name_of_a_user_is_a_queue() {
        assert_eq!(desktop_inbox(desktop_user("ada").unwrap()).name, "tubepost.desktop.ada");
        for name in ["", "a b", "a/b", "a\n", "#", &"a".repeat(101)] {
            assert!(desktop_user(name).is_err(), "{name}");
        }
    }
}
