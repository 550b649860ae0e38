//! ntfy as a destination: its HTTP API, "publish as JSON", on the one server of the configuration.
//! An address is a topic of it.

mod settings;

use bytes::Bytes;
use event::Severity;
use http_door::call::{CallError, Caller, HeaderMap, HeaderValue, Method, Reach, header, trusted};
use jiff::Timestamp;
use serde_json::json;
use url::Url;

pub use settings::{Ntfy, NtfySettings};

use crate::{
    Destination, Error, Failure, Notice, Templates,
    answer::{Meaning, Waits, quoted, retry_after},
    chat_text::ChatText,
};

/// Publishes notices on an ntfy server.
#[derive(Debug)]
pub struct NtfyPublisher {
    caller: Caller,
    url: Url,
    authorization: Option<HeaderValue>,
    waits: Waits,
    templates: Templates,
}

impl NtfyPublisher {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Settings`] when there is no authority to trust, or the token is no header.
    pub fn new(ntfy: &Ntfy) -> Result<NtfyPublisher, Error> {
        let wrong = |why: String| Error::Settings(vec![format!("notify.ntfy.{why}")]);
        let trusted =
            trusted(ntfy.ca_file.as_deref()).map_err(|why| wrong(format!("ca_file: {why}")))?;
        let authorization = ntfy.token.as_ref().map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| wrong("token has characters that no token has".to_owned()))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        Ok(NtfyPublisher {
            // The operator named it: where it stands is theirs to say.
            caller: Caller::new(trusted, Reach::Anywhere, ntfy.timeout),
            url: ntfy.url.clone(),
            authorization: authorization.transpose()?,
            waits: Waits::default(),
            templates: ntfy.templates.clone(),
        })
    }
}

impl Destination for NtfyPublisher {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        // Its limits are per visitor: that is this server, whatever the topic.
        let away = |failure: Failure| Failure::Away(failure.to_string());
        self.waits.check("", "ntfy").map_err(away)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let sent = self
            .caller
            .send(Method::POST, &self.url, headers, message(notice, &self.templates))
            .await;
        let reply = sent.map_err(|error| match error {
            CallError::Forbidden(why) | CallError::Away(why) => Failure::Away(why),
        })?;
        let wait = reply.header("retry-after").and_then(|text| retry_after(text, Timestamp::now()));
        let status = reply.status.as_u16();
        match (status, Meaning::of(status)) {
            (_, Meaning::Taken) => Ok(()),
            (401, _) => {
                Err(Failure::Away(format!("ntfy {}; check notify.ntfy.token", quoted(reply).await)))
            }
            (404 | 405, _) | (_, Meaning::Moved) => Err(Failure::Away(format!(
                "ntfy {}; check notify.ntfy.url, which is the root of the server",
                quoted(reply).await
            ))),
            (_, Meaning::Later) => {
                if let Some(wait) = wait {
                    self.waits.begin("", wait);
                }
                Err(Failure::Away(format!("ntfy {}", quoted(reply).await)))
            }
            (_, Meaning::Never | Meaning::Gone) => {
                Err(Failure::Refused(format!("ntfy {}", quoted(reply).await)))
            }
        }
    }
}

/// The body. Told again with the same sequence id, a client shows it once (ntfy 2.16 on; older
/// servers do not read it).
fn message(notice: &Notice, templates: &Templates) -> Bytes {
    let ChatText { title, text, link, lines } = ChatText::by(templates, notice);
    let told = match (lines.is_empty(), text.is_empty()) {
        (false, _) => lines.join("\n"),
        (true, false) => text,
        // Without a message the server would write "triggered".
        (true, true) => title.clone(),
    };
    let worst = notice.matters().map(|(_, description)| description.severity).max();
    let (priority, tag) = match worst.unwrap_or(Severity::Info) {
        Severity::Debug => (2, None),
        Severity::Info => (3, None),
        Severity::Warning => (4, Some("warning")),
        Severity::Error => (5, Some("rotating_light")),
    };
    let app = one_tag(&notice.description.app);
    let tags: Vec<&str> = tag.into_iter().chain(app.as_deref()).collect();
    let mut message = json!({
        "topic": notice.to.address(),
        "title": title,
        "message": cut(&told),
        "priority": priority,
        "tags": tags,
        "sequence_id": notice.key().to_string(),
    });
    if let (Some(link), Some(fields)) = (link, message.as_object_mut()) {
        fields.insert("click".to_owned(), link.as_str().into());
    }
    message.to_string().into()
}

/// Commas would make several of it.
fn one_tag(app: &str) -> Option<String> {
    let kept = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let tag: String = app.chars().filter(kept).take(40).collect();
    (!tag.is_empty()).then_some(tag)
}

/// ntfy makes an attachment of what has more than 4,096 bytes.
fn cut(text: &str) -> String {
    if text.len() <= MESSAGE_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = MESSAGE_BYTES_MAX - "…".len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// A topic: `^[-_A-Za-z0-9]{1,64}$`, as ntfy's server has it.
pub(crate) fn check_topic(topic: &str) -> Result<(), String> {
    let named = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match (1..=64).contains(&topic.len()) && topic.bytes().all(named) {
        true => Ok(()),
        false => Err("is no topic of 1 to 64 letters, digits, '-' and '_'; write ntfy:MY-TOPIC, \
                      and choose one that nobody guesses"
            .to_owned()),
    }
}

const MESSAGE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Matter, chat_text::notice_of};
    use serde_json::Value;

    fn said(notice: &Notice) -> Value {
        serde_json::from_slice(&message(notice, &Templates::default())).unwrap()
    }

    #[test]
    fn a_message_has_what_the_event_says() {
        let mut notice = notice_of(|d| d.severity = Severity::Error);
        notice.to = "ntfy:ada-x7".parse().unwrap();
        assert_eq!(
            said(&notice),
            json!({
                "topic": "ada-x7",
                "title": "[git] ada pushed to kernel (main): fix the scheduler",
                "message": "fix the scheduler\n\nIt woke the wrong task.",
                "priority": 5,
                "tags": ["rotating_light", "git"],
                "sequence_id": notice.key().to_string(),
                "click": "https://git.example.org/kernel/c/1f2e3d",
            })
        );
    }

    #[test]
    fn a_digest_is_as_urgent_as_its_worst_and_no_message_is_empty_or_too_long() {
        let mut notice = notice_of(|_| {});
        let (event, mut description) = crate::notice::sample();
        description.severity = Severity::Warning;
        description.summary = "ö".repeat(400);
        let matter = Matter { event: event.into(), description: description.into() };
        notice.more = vec![matter; 30];
        let digest = said(&notice);
        assert_eq!((&digest["priority"], &digest["title"]), (&json!(4), &json!("31 events")));
        assert!(digest["message"].as_str().unwrap().len() <= MESSAGE_BYTES_MAX);
        let bare = said(&notice_of(|d| d.text = None));
        assert_eq!(bare["message"], bare["title"]);
    }

    #[test]
    fn what_an_event_says_makes_no_tag_no_click_and_no_control_character() {
        let said = said(&notice_of(|d| {
            d.app = "a,skull\n\u{1b}".to_owned();
            d.link = Some("javascript:x".to_owned());
            d.text = Some("\u{1b}[2Jx".to_owned());
        }));
        assert_eq!(said["tags"], json!(["askull"]));
        assert!(said.get("click").is_none());
        assert_eq!(said["message"], "[2Jx");
    }

    #[test]
    fn a_topic_is_a_word() {
        assert!(check_topic("ada-x7_B").is_ok());
        for topic in ["", "a/b", "a b", "ä", &"a".repeat(65)] {
            assert!(check_topic(topic).is_err(), "{topic}");
        }
    }
}
