//! `nats://user:password@host:port`.

use std::fmt;

use crate::Error;

/// Where a NATS server is, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsUrl(url::Url);

impl NatsUrl {
    /// Whether a URL is one of these.
    pub(crate) fn is_one(text: &str) -> bool {
        ["nats:", "tls:"].iter().any(|scheme| text.starts_with(scheme))
    }

    /// # Errors
    /// It is none, or one that is not spoken here.
    pub(crate) fn parse(text: &str) -> Result<NatsUrl, Error> {
        let url =
            url::Url::parse(text).map_err(|error| Error::Wrong(format!("not a URL: {error}")))?;
        if url.scheme() != "nats" {
            return Err(Error::Wrong("NATS is spoken without TLS: give nats://…".to_owned()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(Error::Wrong("a URL needs a host: nats://host:port".to_owned()));
        }
        Ok(NatsUrl(url))
    }

    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port().unwrap_or(4222)
    }

    /// None: nobody in particular.
    pub(super) fn user(&self) -> Option<&str> {
        Some(self.0.username()).filter(|it| !it.is_empty())
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.0.password()
    }
}

/// Without the password.
impl fmt::Display for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nats://")?;
        if let Some(user) = self.user() {
            write!(f, "{user}@")?;
        }
        write!(f, "{}:{}", self.host(), self.port())
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NatsUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sent_and_never_shown() {
        let url = NatsUrl::parse("nats://ada:s3cret@127.0.0.1").unwrap();
        assert_eq!((url.user(), url.password()), (Some("ada"), Some("s3cret")));
        assert_eq!(
            format!("{url} {url:?}"),
            "nats://ada@127.0.0.1:4222 NatsUrl(nats://ada@127.0.0.1:4222)"
        );
        for text in ["nats:", "nats://", "tls://h", "nats://h:port"] {
            assert!(NatsUrl::is_one(text) && NatsUrl::parse(text).is_err(), "{text}");
        }
    }
}
