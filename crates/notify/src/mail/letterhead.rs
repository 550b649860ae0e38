//! A notice as a mail, headers and all. Pure: the same notice gives the same mail.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use crate::{
    Mail, Notice,
    limits::{CLOCK_SKEW_MAX, HEADER_CHARS_MAX, SUBJECT_CHARS_MAX},
    mail::{
        body,
        header_text::{list, one_line},
        message_id,
    },
};

/// What all mails of one sender have in common.
#[derive(Debug, Clone)]
pub struct Letterhead {
    from: Mailbox,
    domain: String,
    page_url: Option<String>,
    patch_bytes_max: usize,
}

impl Letterhead {
    /// The letterhead of a configuration.
    pub fn new(mail: &Mail) -> Letterhead {
        Letterhead {
            from: mail.from.clone(),
            domain: mail.list_id_domain.clone(),
            page_url: mail.page_url.clone(),
            patch_bytes_max: mail.patch_bytes_max,
        }
    }

    /// The mail that says `notice`, addressed.
    ///
    /// # Errors
    /// What lettre refuses to build, in its words; no event is known that makes it.
    pub fn render(&self, notice: &Notice) -> Result<Message, String> {
        let description = &notice.description;
        let mailbox = notice.to.mailbox().ok_or("it is not for a mail address")?;
        let app = one_line(&description.app, 40);
        let subject = format!("[{app}] {}", description.summary);
        let to: Address = mailbox.email.clone();
        let envelope =
            Envelope::new(Some(self.from.email.clone()), vec![to]).map_err(|e| e.to_string())?;
        let place = notice.to.key();
        // As it was before there were other places: nobody gets a mail a second time.
        let address = place.strip_prefix("mail:").unwrap_or(&place);
        let message_id = message_id::message(&notice.event.id, address, &self.domain);
        let mut builder = Message::builder()
            .envelope(envelope)
            .date(date(notice))
            .from(self.from.clone())
            .to(mailbox.clone())
            .subject(one_line(&subject, SUBJECT_CHARS_MAX))
            .message_id(Some(message_id));
        if let Some(object) = &description.object {
            let root = message_id::thread(object, &self.domain);
            builder = builder.in_reply_to(root.clone()).references(root);
        }
        for header in self.headers(notice, &app) {
            builder = builder.raw_header(header);
        }
        // CRLF here already: lettre would move the rest of the text once for every line.
        let body = body::render(notice, self.patch_bytes_max, self.page_url.as_deref());
        let part =
            SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body.replace('\n', "\r\n"));
        builder.singlepart(part).map_err(|error| error.to_string())
    }

    /// The headers for programs. Those without a value are left out.
    fn headers(&self, notice: &Notice, app: &str) -> Vec<HeaderValue> {
        let (event, description) = (&notice.event, &notice.description);
        let line = |text: &str| one_line(text, HEADER_CHARS_MAX);
        let names: Vec<String> = notice.reasons.iter().map(|r| r.subscription.clone()).collect();
        let list_id = format!("Tubepost events of {app} <{}.{}>", list_label(app), self.domain);
        [
            // RFC 2919 §2. RFC 3834 §5.2 for programs that answer by themselves; the third is the
            // one Exchange reads. `Precedence` is in no standard, and these say it better.
            (HeaderName::new_from_ascii_str("List-Id"), list_id),
            (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()),
            (HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "All".to_owned()),
            (HeaderName::new_from_ascii_str("X-Tubepost-Id"), line(&event.id)),
            (HeaderName::new_from_ascii_str("X-Tubepost-Topic"), line(event.topic.as_str())),
            (HeaderName::new_from_ascii_str("X-Tubepost-App"), line(app)),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Severity"),
                description.severity.name().to_owned(),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Agent"),
                line(description.agent.as_deref().unwrap_or_default()),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-People"),
                list(&description.people, HEADER_CHARS_MAX),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Packages"),
                list(&description.packages, HEADER_CHARS_MAX),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Object"),
                line(description.object.as_deref().unwrap_or_default()),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Schema"),
                line(event.schema.as_deref().unwrap_or_default()),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Subscription"),
                list(&names, HEADER_CHARS_MAX),
            ),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| HeaderValue::new(name, value))
        .collect()
    }
}

/// When the event was sent, if that can be believed: lettre's dates begin in 1970, and a mail
/// from the future stays on top of a mailbox for ever.
fn date(notice: &Notice) -> SystemTime {
    let latest = notice.received_at.checked_add(CLOCK_SKEW_MAX).unwrap_or(notice.received_at);
    let date = match notice.event.sent_at {
        Some(sent_at) if sent_at >= Timestamp::UNIX_EPOCH && sent_at <= latest => sent_at,
        _ => notice.received_at.max(Timestamp::UNIX_EPOCH),
    };
    SystemTime::UNIX_EPOCH + Duration::from_secs(date.as_second().unsigned_abs())
}

/// RFC 2919 §2: the label of a list id is a domain label.
fn list_label(app: &str) -> String {
    let label: String = app
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    match label.trim_matches('-') {
        "" => "events".to_owned(),
        label => label.to_owned(),
    }
}

#[cfg(test)]
mod tests;
