//! Where somebody is told: a kind of destination, and an address of that kind.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};
use lettre::message::Mailbox;

use crate::{PushSubscription, desktop_user, feed, irc, matrix, ntfy, webhook};

/// The ways there are to tell somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Mail, by SMTP.
    Mail,
    /// A web server of theirs: a URL, before it the shape of the body, `slack+https://…`.
    Webhook,
    /// A topic of the ntfy server, and as good as a password.
    Ntfy,
    /// A nick or a channel.
    Irc,
    /// A user of Matrix.
    Matrix,
    /// `tubepost desktop` in their session.
    Desktop,
    /// Their feed, Atom and RSS.
    Feed,
    /// A browser, by Web Push.
    Push,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Kind; 8] = [
        Kind::Mail,
        Kind::Webhook,
        Kind::Ntfy,
        Kind::Irc,
        Kind::Matrix,
        Kind::Desktop,
        Kind::Feed,
        Kind::Push,
    ];

    /// Its name in addresses and in the configuration: `mail`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Mail => "mail",
            Kind::Webhook => "webhook",
            Kind::Ntfy => "ntfy",
            Kind::Irc => "irc",
            Kind::Matrix => "matrix",
            Kind::Desktop => "desktop",
            Kind::Feed => "feed",
            Kind::Push => "push",
        }
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `KIND:ADDRESS`: `mail:ada@example.org`. Its text may hold a secret, as the URL of a webhook
/// does: for a log there is [`Place::shown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    kind: Kind,
    address: String,
    mailbox: Option<Mailbox>,
}

impl Place {
    /// How somebody is told.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What stands behind the kind.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A mail's address.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        self.mailbox.as_ref()
    }

    /// The same for two ways of writing one place.
    pub fn key(&self) -> String {
        match &self.mailbox {
            // RFC 5321 §2.4: the local part has its case, the domain has none.
            Some(mailbox) => {
                let (user, domain) = (mailbox.email.user(), mailbox.email.domain());
                format!("mail:{user}@{}", domain.to_ascii_lowercase())
            }
            // On IRC names have no case.
            None if self.kind == Kind::Irc => {
                format!("{}:{}", self.kind, self.address.to_ascii_lowercase())
            }
            None => format!("{}:{}", self.kind, self.address),
        }
    }

    /// For logs and lists: without what lets others write there.
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::Mail => {
                let email = self.mailbox.as_ref().map(|mailbox| mailbox.email.to_string());
                email.unwrap_or_else(|| self.address.clone())
            }
            Kind::Irc | Kind::Matrix | Kind::Desktop => format!("{}:{}", self.kind, self.address),
            // A path or query of a URL is often all the secret there is.
            Kind::Webhook => format!("webhook:{}/…", origin(&self.address)),
            // All browsers of a maker have one host: a number tells somebody's apart.
            Kind::Push => {
                let digest = digest(&SHA256, self.address.as_bytes());
                let number = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}"));
                format!("push:{}/…{}", origin(&self.address), number.collect::<String>())
            }
            // Its name opens nothing; what is no name may be the secret, put here by mistake.
            Kind::Feed if feed::is_name(&self.address) => format!("feed:{}", self.address),
            Kind::Ntfy | Kind::Feed => format!("{}:…", self.kind),
        }
    }
}

impl From<Mailbox> for Place {
    fn from(mailbox: Mailbox) -> Place {
        let address = mailbox.email.to_string();
        Place { kind: Kind::Mail, address, mailbox: Some(mailbox) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.address)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let (kind, address) =
            text.split_once(':').ok_or("has no kind; write mail:ada@example.org")?;
        let Some(kind) = Kind::named(kind) else {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            return Err(format!("is of no kind that is known: {}", known.join(", ")));
        };
        if text.len() > BYTES_MAX {
            return Err(format!("has {} bytes, more than {BYTES_MAX}", text.len()));
        }
        if address.is_empty() && matches!(kind, Kind::Feed | Kind::Push) {
            return Err(format!(
                "is none yet; make it with tubepost notify destination add OWNER {kind}:"
            ));
        }
        if address.is_empty() || address.contains(char::is_control) {
            return Err("has no address; write mail:ada@example.org".to_owned());
        }
        match kind {
            Kind::Webhook => drop(address.parse::<webhook::Address>()?),
            Kind::Ntfy => ntfy::check_topic(address)?,
            Kind::Desktop => drop(desktop_user(address)?),
            Kind::Push => drop(address.parse::<PushSubscription>()?),
            Kind::Irc => irc::check_address(address)?,
            Kind::Matrix => drop(matrix::check_address(address)?),
            _ => {}
        }
        let mailbox = match kind {
            Kind::Mail => Some(
                address
                    .parse()
                    .map_err(|_| "has no address; write mail:ada@example.org".to_owned())?,
            ),
            _ => None,
        };
        Ok(Place { kind, address: address.to_owned(), mailbox })
    }
}

fn origin(address: &str) -> String {
    let origin = address.split('/').take(3).collect::<Vec<_>>().join("/");
    origin.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// A browser's push endpoint with its keys is some hundred.
const BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    #[test]
    fn one_mail_address_in_two_spellings_is_one_place() {
        assert_eq!(place("mail:ada@EXAMPLE.org").key(), place("mail:ada@example.org").key());
        assert_ne!(place("mail:Ada@example.org").key(), place("mail:ada@example.org").key());
        assert_ne!(place("irc:ada").key(), place("matrix:@ada:x").key());
        assert_eq!(place("irc:Ada").key(), place("irc:ada").key());
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        for (text, shown) in [
            ("mail:ada@example.org", "ada@example.org"),
            ("webhook:https://chat.example.org/hooks/s3cret", "webhook:https://chat.example.org/…"),
            ("webhook:slack+https://h.org:8443/s3cret", "webhook:slack+https://h.org:8443/…"),
            ("webhook:https://h.org?token=s3cret", "webhook:https://h.org/…"),
            ("ntfy:s3cret", "ntfy:…"),
            ("feed:s3cret", "feed:…"),
            ("feed:3f9a0b12c4d5", "feed:3f9a0b12c4d5"),
            ("irc:ada", "irc:ada"),
        ] {
            assert_eq!(place(text).shown(), shown);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_the_mend() {
        for (text, said) in [
            ("ada@example.org", "has no kind"),
            ("pigeon:roof", "no kind that is known: mail, webhook"),
            ("mail:", "has no address"),
            ("mail:ada", "has no address"),
            ("irc:ada\r\nQUIT", "has no address"),
            ("webhook:example.org", "is no URL"),
            ("ntfy:a/b", "is no topic"),
            ("desktop:a#", "is no user of the bus"),
            ("feed:", "make it with tubepost notify destination add OWNER feed:"),
            ("push:", "make it with"),
        ] {
            let error = text.parse::<Place>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(format!("irc:{}", "a".repeat(3000)).parse::<Place>().is_err());
    }
}
