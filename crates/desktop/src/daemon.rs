//! The session's notification daemon, by D-Bus: `org.freedesktop.Notifications` 1.2. Knows what a
//! bubble is, and nothing of where it came from.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZero,
    time::Duration,
};

use futures_util::StreamExt;
use tokio::time::timeout;
use zbus::{Connection, MatchRule, Message, MessageStream, Variant};

use crate::{Bubble, Error, Urgency};

/// A connection to it.
pub(crate) struct Daemon {
    connection: Connection,
    signals: MessageStream,
    /// Whether bodies are markup to it.
    has_markup: bool,
    has_actions: bool,
    /// What is on the screen or was, the newest last.
    shown: VecDeque<Shown>,
}

struct Shown {
    id: u32,
    place: Option<String>,
    link: Option<String>,
}

impl Daemon {
    /// Connects to the session's bus, and starts the daemon if the bus knows how.
    ///
    /// # Errors
    /// There is no session, or nobody shows notifications in it.
    pub(crate) async fn connect() -> Result<Daemon, Error> {
        within(async {
            let connection = Connection::session().await?;
            let rule = MatchRule::builder()
                .msg_type(zbus::message::Type::Signal)
                .interface(INTERFACE)
                .path(PATH)
                .build()?;
            let signals =
                MessageStream::for_match_rule(rule, &connection, Some(SIGNALS_MAX)).await?;
            let answer = call(&connection, "GetCapabilities", &()).await?;
            let can: Vec<String> = answer.body().deserialize()?;
            let has = |name: &str| can.iter().any(|it| it == name);
            let (has_markup, has_actions) = (has("body-markup"), has("actions"));
            Ok(Daemon { connection, signals, has_markup, has_actions, shown: VecDeque::new() })
        })
        .await
    }

    /// Shows a bubble; the daemon has it when this returns.
    ///
    /// # Errors
    /// It is gone: connect anew.
    pub(crate) async fn show(&mut self, bubble: &Bubble) -> Result<(), Error> {
        let before = bubble.place.as_ref().and_then(|_| {
            self.shown.iter().find(|shown| shown.place == bubble.place).map(|shown| shown.id)
        });
        let body = match self.has_markup {
            true => escaped(&bubble.body),
            false => bubble.body.clone(),
        };
        let actions: &[&str] = match (&bubble.link, self.has_actions) {
            (Some(_), true) => &["default", "Open"],
            _ => &[],
        };
        let (urgency, icon) = match bubble.urgency {
            Urgency::Low => (0_u8, "dialog-information"),
            Urgency::Normal => (1, "dialog-information"),
            Urgency::Critical => (2, "dialog-error"),
        };
        let hints: HashMap<&str, Variant<'_>> = [
            ("urgency", Variant::from(urgency)),
            ("desktop-entry", Variant::from("tubepost")),
            ("category", Variant::from("x-tubepost.notice")),
        ]
        .into();
        let arguments = (
            APP,
            before.unwrap_or(0),
            icon,
            bubble.summary.as_str(),
            body.as_str(),
            actions,
            hints,
            DAEMON_S_TIMEOUT,
        );
        let id: u32 = within(async {
            let answer = call(&self.connection, "Notify", &arguments).await?;
            answer.body().deserialize()
        })
        .await?;
        self.shown.retain(|shown| shown.id != id);
        self.shown.push_back(Shown { id, place: bubble.place.clone(), link: bubble.link.clone() });
        if self.shown.len() > SHOWN_MAX {
            self.shown.pop_front();
        }
        Ok(())
    }

    /// Waits until somebody clicks a bubble with a link, and gives that. May be cancelled.
    ///
    /// # Errors
    /// The session's bus is gone.
    pub(crate) async fn clicked(&mut self) -> Result<String, Error> {
        loop {
            let signal = match self.signals.next().await {
                Some(Ok(signal)) => signal,
                Some(Err(error)) => return Err(Error::Daemon(error.to_string())),
                None => return Err(Error::Daemon("the session's bus is gone".to_owned())),
            };
            if let Some(link) = self.on_signal(&signal) {
                return Ok(link);
            }
        }
    }

    fn on_signal(&mut self, signal: &Message) -> Option<String> {
        let header = signal.header();
        match header.member().map(|member| member.as_str()) {
            Some("ActionInvoked") => {
                let body = signal.body();
                let (id, action): (u32, &str) = body.deserialize().ok()?;
                let shown = self.shown.iter().find(|shown| shown.id == id)?;
                shown.link.clone().filter(|_| action == "default")
            }
            Some("NotificationClosed") => {
                let (id, _why): (u32, u32) = signal.body().deserialize().ok()?;
                // Its id may become another program's; what is clicked is closed after that.
                self.shown.retain(|shown| shown.id != id);
                None
            }
            _ => None,
        }
    }
}

async fn call(
    connection: &Connection,
    method: &str,
    arguments: &(impl serde::Serialize + zbus::zvariant::DynamicType),
) -> zbus::Result<Message> {
    connection.call_method(Some(INTERFACE), PATH, Some(INTERFACE), method, arguments).await
}

async fn within<T>(work: impl Future<Output = zbus::Result<T>>) -> Result<T, Error> {
    match timeout(PATIENCE, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Error::Daemon(error.to_string())),
        Err(_) => Err(Error::Daemon(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

/// Text as the body's markup has it (Desktop Notifications Specification, Markup).
fn escaped(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => markup.push_str("&amp;"),
            '<' => markup.push_str("&lt;"),
            '>' => markup.push_str("&gt;"),
            '"' => markup.push_str("&quot;"),
            '\'' => markup.push_str("&#39;"),
            c => markup.push(c),
        }
    }
    markup
}

const INTERFACE: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const APP: &str = "Tubepost";
/// The daemon's own.
const DAEMON_S_TIMEOUT: i32 = -1;
const PATIENCE: Duration = Duration::from_secs(10);
const SIGNALS_MAX: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(63);
/// Bubbles whose clicks are understood.
const SHOWN_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        let hostile = "<img src=\"x\"/> <a href='y'>z</a> &amp; <b>";
        let shown = escaped(hostile);
        assert!(!shown.contains(['<', '>', '"', '\'']), "{shown}");
        assert!(shown.ends_with("&amp;amp; &lt;b&gt;"), "{shown}");
    }
}
