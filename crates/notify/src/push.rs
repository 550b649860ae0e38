//! Browsers as a destination: Web Push (RFC 8030). What a notice says is encrypted for the one
//! browser (RFC 8291), and the push service, which reads nothing of it, learns who sent it
//! (VAPID, RFC 8292). Each service may be down by itself, so nothing here is [`Failure::Away`].

mod encryption;
mod settings;
mod subscription;
mod vapid;

use event::Severity;
use http_door::call::{CallError, Caller, HeaderMap, HeaderValue, Method, Reach, header, trusted};
use jiff::Timestamp;

pub use settings::{Push, PushSettings};
pub use subscription::PushSubscription;
pub use vapid::VapidKey;

use crate::{
    Destination, Error, Failure, Notice, Slip,
    answer::{Meaning, Waits, quoted, retry_after},
};

/// Sends notices to browsers.
#[derive(Debug)]
pub struct PushSender {
    caller: Caller,
    key: VapidKey,
    contact: String,
    waits: Waits,
}

impl PushSender {
    /// Makes the key if there is none; connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Settings`] when the key cannot be read or made, or there is no authority to trust.
    pub fn new(push: &Push) -> Result<PushSender, Error> {
        let wrong = |why: String| Error::Settings(vec![format!("notify.push.{why}")]);
        let trusted =
            trusted(push.ca_file.as_deref()).map_err(|why| wrong(format!("ca_file: {why}")))?;
        let reach = match push.private_addresses {
            true => Reach::Anywhere,
            false => Reach::Public,
        };
        Ok(PushSender {
            caller: Caller::new(trusted, reach, push.timeout),
            key: push.key().map_err(|why| wrong(format!("key_file {why}")))?,
            contact: push.contact.clone(),
            waits: Waits::default(),
        })
    }

    fn headers(&self, notice: &Notice, to: &PushSubscription) -> Option<HeaderMap> {
        let token = self.key.token(&to.origin(), &self.contact, Timestamp::now())?;
        let mut headers = HeaderMap::new();
        let mut authorization = HeaderValue::from_str(&token).ok()?;
        authorization.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, authorization);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert("ttl", HeaderValue::from(TTL_S));
        let worst = notice.matters().map(|(_, description)| description.severity).max();
        // RFC 8030 §5.3: a phone that sleeps is woken for what is urgent.
        let urgency = match worst.unwrap_or(Severity::Info) {
            Severity::Debug => "very-low",
            Severity::Info => "normal",
            Severity::Warning | Severity::Error => "high",
        };
        headers.insert("urgency", HeaderValue::from_static(urgency));
        if !notice.is_digest()
            && let Some(object) = &notice.description.object
        {
            // §5.4: of what waits for a browser, a later notice of the same takes the place of the
            // earlier one. The service must not learn what it is about.
            headers.insert("topic", HeaderValue::from_str(&self.key.topic(object)).ok()?);
        }
        Some(headers)
    }
}

impl Destination for PushSender {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let (shown, whom) = (notice.to.shown(), notice.to.key());
        let to: PushSubscription = notice
            .to
            .address()
            .parse()
            .map_err(|why| Failure::Refused(format!("{shown} {why}")))?;
        self.waits.check(&whom, &shown)?;
        let body = to
            .encrypted(&message(notice))
            .ok_or_else(|| Failure::Bounced(format!("{shown} has keys that encrypt nothing")))?;
        let headers = self
            .headers(notice, &to)
            .ok_or_else(|| Failure::Refused(format!("{shown} cannot be asked: no signature")))?;
        let sent = self.caller.send(Method::POST, to.endpoint(), headers, body.into()).await;
        let reply = sent.map_err(|error| match error {
            CallError::Forbidden(why) => Failure::Refused(format!(
                "{why}; an operator may allow it with notify.push.private_addresses = true"
            )),
            CallError::Away(why) => Failure::Deferred(why),
        })?;
        let wait = reply.header("retry-after").and_then(|text| retry_after(text, Timestamp::now()));
        let status = reply.status.as_u16();
        match (status, Meaning::of(status)) {
            (_, Meaning::Taken) => Ok(()),
            (_, Meaning::Later) => {
                if let Some(wait) = wait {
                    self.waits.begin(&whom, wait);
                }
                Err(Failure::Deferred(format!("{shown} {}", quoted(reply).await)))
            }
            (_, Meaning::Gone) => Err(Failure::Bounced(format!("{shown} {}", quoted(reply).await))),
            (401 | 403, _) => Err(Failure::Refused(format!(
                "{shown} {}; the browser has to subscribe with the key of tubepost notify push-key",
                quoted(reply).await
            ))),
            (_, Meaning::Moved | Meaning::Never) => {
                Err(Failure::Refused(format!("{shown} {}", quoted(reply).await)))
            }
        }
    }

    // One that hangs holds one hand for as long as its time-out: there are enough for others.
    fn at_once(&self) -> usize {
        AT_ONCE
    }
}

/// What the browser's service worker gets: a slip as JSON, cut to what one record holds.
fn message(notice: &Notice) -> Vec<u8> {
    let mut slip = Slip::of(notice);
    let text = |slip: &Slip| serde_json::to_vec(slip).unwrap_or_default();
    let mut message = text(&slip);
    if message.len() > encryption::MESSAGE_BYTES_MAX {
        slip.text.clear();
        message = text(&slip);
    }
    if message.len() > encryption::MESSAGE_BYTES_MAX {
        slip.link = None;
        slip.object = None;
        message = text(&slip);
    }
    message
}

/// How long the service keeps it for a browser that is off: what happened yesterday is in the
/// lists that people have.
const TTL_S: u32 = 24 * 3600;
const AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::tests::digest;

    #[test]
    fn the_longest_notice_fits_into_one_record() {
        let longest = digest(1, |_, _, told| {
            told.summary = "\u{1f600}\"".repeat(3000);
            told.text = Some("\"\\".repeat(9000));
            told.link = Some(format!("https://example.org/{}", "a".repeat(1900)));
            told.object = Some("\"ü".repeat(3000));
            told.app = "\u{1f600}".repeat(300);
        });
        let message = message(&longest);
        assert!(message.len() <= encryption::MESSAGE_BYTES_MAX, "{}", message.len());
        let read: Slip = serde_json::from_slice(&message).unwrap();
        assert!(read.summary.starts_with('\u{1f600}'), "{read:?}");
    }
}
