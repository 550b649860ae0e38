//! The address of a webhook: `https://…`, before it the shape of the body: `slack+https://…`.

use std::str::FromStr;

use url::Url;

/// What the other side reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// CloudEvents 1.0, structured; of a digest, a batch.
    CloudEvents,
    /// Slack's incoming webhooks.
    Slack,
    /// Mattermost's, which read Markdown.
    Mattermost,
    /// Discord's.
    Discord,
}

/// Where, and in which shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) shape: Shape,
    pub(crate) url: Url,
}

impl FromStr for Address {
    type Err = String;

    // No reason quotes the text: a path is often the secret.
    fn from_str(text: &str) -> Result<Address, String> {
        let (shape, rest) = match text.split_once('+') {
            Some(("slack", rest)) => (Shape::Slack, rest),
            Some(("mattermost", rest)) => (Shape::Mattermost, rest),
            Some(("discord", rest)) => (Shape::Discord, rest),
            _ => (Shape::CloudEvents, text),
        };
        let url = Url::parse(rest).map_err(|error| format!("is no URL: {error}; {MEND}"))?;
        match url.scheme() {
            "https" | "http" if url.has_host() => {}
            _ => return Err(format!("is no web address; {MEND}")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a login, which is not sent; put the secret into the path, or have \
                        the receiver check the signature"
                .to_owned());
        }
        if url.fragment().is_some() {
            return Err("has a '#', behind which nothing reaches a server; leave it out".to_owned());
        }
        Ok(Address { shape, url })
    }
}

const MEND: &str = "write webhook:https://example.org/hook, for a chat \
                    webhook:slack+https://…, mattermost+https://… or discord+https://…";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_stands_before_the_address() {
        for (text, shape) in [
            ("https://example.org/hook?a=b+c", Shape::CloudEvents),
            ("slack+https://hooks.example.org/T/B/x", Shape::Slack),
            ("mattermost+http://chat.example.org/hooks/x", Shape::Mattermost),
            ("discord+https://discord.example.org/api/webhooks/1/x", Shape::Discord),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().shape, shape, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_secret() {
        for (text, said) in [
            ("example.org/s3cret", "is no URL"),
            ("ftp://example.org/s3cret", "is no web address"),
            ("teams+https://example.org/s3cret", "is no web address"),
            ("https://ada:s3cret@example.org/", "has a login"),
            ("https://example.org/#s3cret", "has a '#'"),
            ("https:///s3cret:x", "is no URL"),
            ("", "is no URL"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(said) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
