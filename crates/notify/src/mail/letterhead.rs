//! A notice as a mail, headers and all. Pure: the same notice gives the same mail.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use event::{Description, Event, Severity};

use jiff::Timestamp;
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use crate::{
    Digest, Mail, Notice, Templates, Unsubscriber,
    limits::{CLOCK_SKEW_MAX, HEADER_CHARS_MAX, SUBJECT_CHARS_MAX},
    mail::{
        body::{self, Sheet},
        header_text::{list, one_line},
        html, message_id,
    },
    templates,
};

/// What all mails of one sender have in common.
#[derive(Debug, Clone)]
pub struct Letterhead {
    from: Mailbox,
    domain: String,
    page_url: Option<String>,
    patch_bytes_max: usize,
    unsubscriber: Option<Unsubscriber>,
    templates: Templates,
}

impl Letterhead {
    /// The letterhead of a configuration.
    pub fn new(mail: &Mail) -> Letterhead {
        Letterhead {
            from: mail.from.clone(),
            domain: mail.list_id_domain.clone(),
            page_url: mail.page_url.clone(),
            patch_bytes_max: mail.patch_bytes_max,
            unsubscriber: mail.unsubscriber.clone(),
            templates: mail.templates.clone(),
        }
    }

    /// The mail that says `notice`, addressed.
    ///
    /// # Errors
    /// What lettre refuses to build, in its words; no event is known that makes it.
    pub fn render(&self, notice: &Notice) -> Result<Message, String> {
        let mailbox = notice.to.mailbox().ok_or("it is not for a mail address")?;
        let app = match only(notice, |_, told| Some(&told.app)) {
            Some(app) => one_line(app, 40),
            None => "digest".to_owned(),
        };
        let subject = self.templates.say(templates::SUBJECT, notice);
        let subject = subject.map(|said| one_line(&said, SUBJECT_CHARS_MAX));
        let subject = subject.filter(|said| !said.is_empty());
        let subject = subject.unwrap_or_else(|| match notice.is_digest() {
            true => format!("[{app}] {}", Digest::of(notice).line(SUBJECT_CHARS_MAX)),
            false => format!("[{app}] {}", notice.description.summary),
        });
        let to: Address = mailbox.email.clone();
        let envelope =
            Envelope::new(Some(self.from.email.clone()), vec![to]).map_err(|e| e.to_string())?;
        let place = notice.to.key();
        // As it was before there were other places: nobody gets a mail a second time.
        let address = place.strip_prefix("mail:").unwrap_or(&place);
        let message_id = match notice.is_digest() {
            true => message_id::message(&notice.key().to_string(), address, &self.domain),
            false => message_id::message(&notice.event.id, address, &self.domain),
        };
        let mut builder = Message::builder()
            .envelope(envelope)
            .date(date(notice))
            .from(self.from.clone())
            .to(mailbox.clone())
            .subject(one_line(&subject, SUBJECT_CHARS_MAX))
            .message_id(Some(message_id));
        if let Some(object) = only(notice, |_, told| told.object.as_ref()) {
            let root = message_id::thread(object, &self.domain);
            builder = builder.in_reply_to(root.clone()).references(root);
        }
        let unsubscribe_url = self.unsubscriber.as_ref().and_then(|it| it.url(notice));
        for header in self.headers(notice, &app, unsubscribe_url.as_deref()) {
            builder = builder.raw_header(header);
        }
        let sheet = Sheet {
            patch_bytes_max: self.patch_bytes_max,
            page_url: self.page_url.as_deref(),
            unsubscribe_url: unsubscribe_url.as_deref(),
        };
        let text = match self.templates.say(templates::TEXT, notice) {
            Some(said) => body::render_said(&said, notice, &sheet),
            None => body::render(notice, &sheet),
        };
        let html = match self.templates.say(templates::HTML, notice) {
            Some(said) => html::render_said(&said, notice, &sheet),
            None => html::render(notice, &sheet),
        };
        let boundary = boundary(notice, &text, &html);
        // RFC 2046 §5.1.4: what a program should rather show stands last.
        let parts = MultiPart::alternative()
            .boundary(boundary)
            .singlepart(part(ContentType::TEXT_PLAIN, &text))
            .singlepart(part(ContentType::TEXT_HTML, &html));
        builder.multipart(parts).map_err(|error| error.to_string())
    }

    /// The headers for programs. Those without a value are left out; a digest's have the values of
    /// all its events.
    fn headers(&self, notice: &Notice, app: &str, unsubscribe: Option<&str>) -> Vec<HeaderValue> {
        let each = |value: fn(&Event, &Description) -> Option<String>| distinct(notice, value);
        let reasons = |value: fn(&crate::Reason) -> Option<String>| {
            let values: Vec<String> = notice.reasons.iter().filter_map(value).collect();
            list(&values, HEADER_CHARS_MAX)
        };
        let severity = notice.matters().map(|(_, told)| told.severity).max();
        let list_id = format!("Tubepost events of {app} <{}.{}>", list_label(app), self.domain);
        let one_click = unsubscribe.filter(|url| url.starts_with("https://"));
        [
            // RFC 2919 §2. RFC 3834 §5.2 for programs that answer by themselves; the third is the
            // one Exchange reads. `Precedence` is in no standard, and these say it better.
            (HeaderName::new_from_ascii_str("List-Id"), list_id),
            (
                HeaderName::new_from_ascii_str("List-Unsubscribe"),
                unsubscribe.map(|url| format!("<{url}>")).unwrap_or_default(),
            ),
            // RFC 8058 §3.1: one click is only for HTTPS.
            (
                HeaderName::new_from_ascii_str("List-Unsubscribe-Post"),
                one_click.map(|_| "List-Unsubscribe=One-Click".to_owned()).unwrap_or_default(),
            ),
            (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()),
            (HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "All".to_owned()),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Id"),
                each(|event, _| Some(event.id.clone())),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Topic"),
                each(|event, _| Some(event.topic.as_str().to_owned())),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-App"),
                each(|_, told| Some(told.app.clone())),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Severity"),
                severity.unwrap_or(Severity::Info).name().to_owned(),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Agent"),
                each(|_, told| told.agent.clone()),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-People"),
                merged(notice, |told| &told.people),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Packages"),
                merged(notice, |told| &told.packages),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Object"),
                each(|_, told| told.object.clone()),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Schema"),
                each(|event, _| event.schema.clone()),
            ),
            (
                HeaderName::new_from_ascii_str("X-Tubepost-Subscription"),
                reasons(|reason| Some(reason.subscription.clone())),
            ),
            (HeaderName::new_from_ascii_str("X-Tubepost-Rule"), reasons(|r| r.rule.clone())),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| HeaderValue::new(name, value))
        .collect()
    }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    // CRLF here already: lettre would move the rest of the text once for every line.
    SinglePart::builder().header(kind).body(text.replace('\n', "\r\n"))
}

/// What stands between the parts. The same notice has the same, so an event's author can know it:
/// it grows until it is nowhere in the parts (RFC 2046 §5.1.1).
fn boundary(notice: &Notice, text: &str, html: &str) -> String {
    let mut boundary = notice.key().simple().to_string();
    // Not beyond RFC 2046's 70 characters; what holds more of it than that does not exist by
    // chance, and then a random one is nowhere.
    while text.contains(&boundary) || html.contains(&boundary) {
        match boundary.len() < 64 {
            true => boundary.push('x'),
            false => boundary = uuid::Uuid::new_v4().simple().to_string(),
        }
    }
    boundary
}

/// What all events of a notice have alike.
fn only<'a, T: PartialEq + ?Sized>(
    notice: &'a Notice,
    value: impl Fn(&'a Event, &'a Description) -> Option<&'a T>,
) -> Option<&'a T> {
    let mut values = notice.matters().map(|(event, told)| value(event, told));
    let first = values.next()??;
    values.all(|other| other == Some(first)).then_some(first)
}

/// A value of each event, none twice. One value is not a list, and may have commas.
fn distinct(notice: &Notice, value: fn(&Event, &Description) -> Option<String>) -> String {
    if !notice.is_digest() {
        let value = value(&notice.event, &notice.description).unwrap_or_default();
        return one_line(&value, HEADER_CHARS_MAX);
    }
    let mut seen = HashSet::new();
    let values = notice.matters().filter_map(|(event, told)| value(event, told));
    let values: Vec<String> = values.filter(|value| seen.insert(value.clone())).collect();
    list(&values, HEADER_CHARS_MAX)
}

/// Names of all events, none twice.
fn merged(notice: &Notice, names: fn(&Description) -> &Vec<String>) -> String {
    let mut seen = HashSet::new();
    let all = notice.matters().flat_map(|(_, told)| names(told));
    let all: Vec<String> = all.filter(|name| seen.insert(*name)).cloned().collect();
    list(&all, HEADER_CHARS_MAX)
}

/// When the event (the last of a digest) was sent, if that can be believed: lettre's dates begin in
/// 1970, and a mail from the future stays on top of a mailbox for ever.
fn date(notice: &Notice) -> SystemTime {
    let latest = notice.received_at.checked_add(CLOCK_SKEW_MAX).unwrap_or(notice.received_at);
    let sent_at = notice.more.last().map_or(&notice.event, |last| &last.event).sent_at;
    let date = match sent_at {
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
