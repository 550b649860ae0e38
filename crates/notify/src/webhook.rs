//! Webhooks as a destination: a signed POST to a web server of the person's, as a CloudEvent or in
//! the shape of a chat. Each host may be down by itself, so nothing here is [`Failure::Away`].

mod address;
mod body;
mod settings;
mod signature;

use bytes::Bytes;
use http_door::call::{CallError, Caller, HeaderMap, HeaderValue, Method, Reach, Reply, trusted};
use jiff::Timestamp;
use url::Url;

pub(crate) use address::Address;
pub use settings::{Webhook, WebhookSettings};

use crate::{
    Destination, Error, Failure, Notice, Place, Secret, Templates,
    answer::{Meaning, Waits, quoted, retry_after},
};
use signature::SigningSecret;

/// Delivers notices by HTTP POST.
#[derive(Debug)]
pub struct Webhooks {
    caller: Caller,
    secret: Secret,
    redirects_max: u8,
    waits: Waits,
    templates: Templates,
}

impl Webhook {
    /// What who receives at an address checks signatures with: `whsec_…`. For its owner only.
    pub fn secret_of(&self, to: &Place) -> String {
        SigningSecret::of(&self.secret, to).text()
    }
}

impl Webhooks {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Settings`] when there is no authority to trust.
    pub fn new(webhook: &Webhook) -> Result<Webhooks, Error> {
        let trusted = trusted(webhook.ca_file.as_deref())
            .map_err(|why| Error::Settings(vec![format!("notify.webhook.ca_file: {why}")]))?;
        let reach = match webhook.private_addresses {
            true => Reach::Anywhere,
            false => Reach::Public,
        };
        Ok(Webhooks {
            caller: Caller::new(trusted, reach, webhook.timeout),
            secret: webhook.secret.clone(),
            redirects_max: webhook.redirects_max,
            waits: Waits::default(),
            templates: webhook.templates.clone(),
        })
    }

    /// The answer, after the redirects that are allowed.
    async fn ask(
        &self,
        mut url: Url,
        headers: &HeaderMap,
        body: &Bytes,
        shown: &str,
    ) -> Result<Reply, Failure> {
        let mut redirects = 0;
        loop {
            let asked = self.caller.send(Method::POST, &url, headers.clone(), body.clone()).await;
            let reply = asked.map_err(|error| match error {
                CallError::Forbidden(why) => Failure::Refused(format!(
                    "{why}; an operator may allow it with notify.webhook.private_addresses = true"
                )),
                CallError::Away(why) => Failure::Deferred(why),
            })?;
            let is_redirect = matches!(reply.status.as_u16(), 301 | 302 | 307 | 308);
            if !is_redirect {
                return Ok(reply);
            }
            if redirects >= self.redirects_max {
                return Err(Failure::Refused(format!(
                    "{shown} leads elsewhere ({}); name the address it leads to, or have an \
                     operator raise notify.webhook.redirects_max",
                    reply.status
                )));
            }
            redirects += 1;
            url = reply.header("location").and_then(|to| next(&url, to)).ok_or_else(|| {
                Failure::Refused(format!("{shown} leads to no address that may be followed"))
            })?;
        }
    }
}

impl Destination for Webhooks {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let (shown, whom) = (notice.to.shown(), notice.to.key());
        let Address { shape, url } = notice
            .to
            .address()
            .parse()
            .map_err(|why| Failure::Refused(format!("{shown} {why}")))?;
        self.waits.check(&whom, &shown)?;
        let http = body::render(shape, notice, &self.templates)
            .map_err(|why| Failure::Refused(format!("event {}: {why}", notice.event.id)))?;
        let secret = SigningSecret::of(&self.secret, &notice.to);
        let headers = headers(&http, notice, &secret, Timestamp::now()).ok_or_else(|| {
            Failure::Refused(format!("event {} is no HTTP request", notice.event.id))
        })?;
        let reply = self.ask(url, &headers, &http.body, &shown).await?;
        let wait = reply.header("retry-after").and_then(|text| retry_after(text, Timestamp::now()));
        match Meaning::of(reply.status.as_u16()) {
            Meaning::Taken => Ok(()),
            Meaning::Later => {
                if let Some(wait) = wait {
                    self.waits.begin(&whom, wait);
                }
                Err(Failure::Deferred(format!("{shown} {}", quoted(reply).await)))
            }
            Meaning::Moved | Meaning::Never => {
                Err(Failure::Refused(format!("{shown} {}", quoted(reply).await)))
            }
            Meaning::Gone => Err(Failure::Bounced(format!("{shown} {}", quoted(reply).await))),
        }
    }

    // One that hangs holds one hand for as long as its time-out: there are enough for others.
    fn at_once(&self) -> usize {
        AT_ONCE
    }
}

/// The body's own, and Standard Webhooks' three.
fn headers(
    http: &event::Http,
    notice: &Notice,
    secret: &SigningSecret,
    now: Timestamp,
) -> Option<HeaderMap> {
    let (id, seconds) = (notice.key().to_string(), now.as_second());
    let mut headers = HeaderMap::new();
    for (name, value) in &http.headers {
        let name: http_door::call::HeaderName = name.parse().ok()?;
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    let signature = secret.signature(&id, seconds, &http.body);
    headers.insert("webhook-id", HeaderValue::from_str(&id).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    headers.insert("webhook-signature", HeaderValue::from_str(&signature).ok()?);
    Some(headers)
}

/// Where a redirect leads: to the web, and never from TLS to none.
fn next(from: &Url, location: &str) -> Option<Url> {
    let to = from.join(location).ok()?;
    let is_web = matches!(to.scheme(), "http" | "https") && to.has_host();
    let is_safe = from.scheme() == "http" || to.scheme() == "https";
    (is_web && is_safe && to.username().is_empty() && to.password().is_none()).then_some(to)
}

const AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_the_web_and_never_out_of_tls() {
        let from: Url = "https://a.example.org/x/y".parse().unwrap();
        let to = |location| next(&from, location).map(String::from);
        assert_eq!(to("z?q").as_deref(), Some("https://a.example.org/x/z?q"));
        assert_eq!(to("//b.example.org/").as_deref(), Some("https://b.example.org/"));
        for location in [
            "http://a.example.org/",
            "file:///etc/passwd",
            "https://u:p@b.example.org/",
            "https://",
        ] {
            assert_eq!(to(location), None, "{location}");
        }
    }
}
