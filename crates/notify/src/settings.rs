//! The `[notify]` section of the configuration file, as text. [`Settings::check`] makes the
//! [`crate::Config`] of it.
//!
//! Addresses, patterns and severities are parsed while reading, so that a wrong one is reported
//! with its line and column.

use std::path::PathBuf;

use event::{Pattern, Severity};
use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use crate::{IrcSettings, MatrixSettings, NtfySettings, PushSettings, Secret, WebhookSettings};

/// `[notify]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A directory of templates that say notices in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<PathBuf>,
    /// `[notify.mail]`: how mail leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailSettings>,
    /// `[notify.webhook]`: how web servers of people are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSettings>,
    /// `[notify.ntfy]`: the ntfy server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ntfy: Option<NtfySettings>,
    /// `[notify.push]`: how browsers are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushSettings>,
    /// `[notify.irc]`: the IRC server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irc: Option<IrcSettings>,
    /// `[notify.matrix]`: the homeserver of Matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<MatrixSettings>,
    /// `[[notify.subscription]]`, any number: who hears of what.
    #[serde(default, rename = "subscription", skip_serializing_if = "Vec::is_empty")]
    pub subscriptions: Vec<SubscriptionSettings>,
}

/// `[[notify.subscription]]`: an empty list asks for nothing in particular.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionSettings {
    /// Shown in each mail; default `subscription N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address, `ada@example.org` or `Ada <ada@example.org>`.
    #[serde(with = "text")]
    pub to: Mailbox,
    /// Topic patterns; default all.
    #[serde(default, with = "texts")]
    pub patterns: Vec<Pattern>,
    /// Only events that concern one of these people.
    #[serde(default)]
    pub people: Vec<String>,
    /// Only events that concern one of these packages.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Only events of one of these applications.
    #[serde(default)]
    pub apps: Vec<String>,
    /// Only events of this severity or above: debug, info, warning, error; default all.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub severity_min: Option<Severity>,
    /// Not what one of these did: put your own name here to not hear of your own doings.
    #[serde(default)]
    pub except_agents: Vec<String>,
}

/// `[notify.mail]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The sender, also of bounces: `Tubepost <tubepost@example.org>`.
    #[serde(with = "text")]
    pub from: Mailbox,
    /// The mail server.
    #[serde(default = "localhost")]
    pub host: String,
    /// Its port; default 25 without TLS, 587 with STARTTLS, 465 with implicit TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Default: none for a server on this machine, else starttls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Certificates (PEM) to trust beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The login name; none means no login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The login's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file that holds the password and nothing else; a line break at its end is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The name to greet the server with; default this machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hello_name: Option<String>,
    /// The domain of List-Id and Message-ID; default that of `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_id_domain: Option<String>,
    /// Where the key is published: SELECTOR._domainkey.DOMAIN, the domain being that of `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_selector: Option<String>,
    /// The private key (PEM) to sign mails with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_key_file: Option<PathBuf>,
    /// Where a person reads more of Tubepost; shown at the end of each mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
    /// How many bytes of a patch go into a mail; cut at a line's end. 0: none.
    #[serde(default = "patch_bytes_max")]
    pub patch_bytes_max: u32,
    /// How long the server may take for one answer, in seconds; ten times as long for the answer
    /// to the mail itself (RFC 5321 §4.5.3.2.6).
    #[serde(default = "timeout_s")]
    pub timeout_s: u16,
    /// How many connections to the server at once.
    #[serde(default = "connections_max")]
    pub connections_max: u8,
}

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all.
    None,
    /// From STARTTLS on; a server without it is refused.
    StartTls,
    /// From the first byte.
    Implicit,
}

fn localhost() -> String {
    "localhost".to_owned()
}

fn patch_bytes_max() -> u32 {
    64 * 1024
}

fn timeout_s() -> u16 {
    60
}

fn connections_max() -> u8 {
    4
}

/// A value that reads and writes as a string.
mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Named;

    pub(super) fn serialize<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display> + Named,
    {
        let text = String::deserialize(from)?;
        text.parse().map_err(|error| D::Error::custom(T::fault(&text, &error)))
    }
}

/// As [`text`], or nothing.
mod optional_text {
    use event::Severity;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Severity>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Severity>, D::Error> {
        super::text::deserialize(from).map(Some)
    }
}

/// A list of values that read and write as strings.
mod texts {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Named;

    pub(super) fn serialize<S: Serializer, T: Display>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T>(from: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display> + Named,
    {
        // Item by item, so that the place of the wrong one is reported.
        Ok(Vec::<Parsed<T>>::deserialize(from)?.into_iter().map(|item| item.0).collect())
    }

    struct Parsed<T>(T);

    impl<'de, T: FromStr<Err: Display> + Named> Deserialize<'de> for Parsed<T> {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Parsed<T>, D::Error> {
            super::text::deserialize(from).map(Parsed)
        }
    }
}

/// How a wrong value is reported.
trait Named {
    fn fault(text: &str, error: &dyn std::fmt::Display) -> String;
}

impl Named for Mailbox {
    fn fault(text: &str, _error: &dyn std::fmt::Display) -> String {
        format!("'{text}' is not a mail address; write ada@example.org or Ada <ada@example.org>")
    }
}

impl Named for Pattern {
    fn fault(_text: &str, error: &dyn std::fmt::Display) -> String {
        error.to_string()
    }
}

impl Named for Severity {
    fn fault(_text: &str, error: &dyn std::fmt::Display) -> String {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(toml: &str) -> String {
        toml::from_str::<Settings>(toml).unwrap_err().to_string()
    }

    #[test]
    fn what_is_read_can_be_written_and_read_again_without_the_password() {
        let text = r##"
            [mail]
            from = "Tubepost <tubepost@example.org>"
            host = "mail.example.org"
            tls = "starttls"
            user = "tubepost"
            password = "hunter2"

            [[subscription]]
            to = "Ada <ada@example.org>"
            patterns = ["#.git.receive", "org.*"]
            severity_min = "warning"
        "##;
        let settings: Settings = toml::from_str(text).unwrap();
        let written = toml::to_string(&settings).unwrap();
        assert!(!written.contains("hunter2"), "{written}");
        assert!(!format!("{settings:?}").contains("hunter2"));
        let mut again: Settings = toml::from_str(&written).unwrap();
        again.mail.as_mut().unwrap().password = Some("hunter2".to_owned().into());
        assert_eq!(again, settings);
    }

    #[test]
    fn a_wrong_value_is_reported_with_its_line_and_the_mend() {
        let address = fault("[mail]\nfrom = \"not an address\"");
        assert!(address.contains("line 2"), "{address}");
        assert!(address.contains("write ada@example.org"), "{address}");

        let pattern = fault("[[subscription]]\nto = 'a@b.org'\npatterns = ['a.#', \"a\\u0007\"]");
        assert!(pattern.contains("line 3") && pattern.contains("control character"), "{pattern}");

        let severity = fault("[[subscription]]\nto = 'a@b.org'\nseverity_min = 'loud'");
        assert!(severity.contains("line 3") && severity.contains("debug, info"), "{severity}");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        for text in [
            "[mail]\nfrom = 'a@b.org'\nhots = 'x'",
            "[[subscription]]\nto = 'a@b.org'\nhots = 'x'",
            "hots = 'x'",
        ] {
            assert!(fault(text).contains("hots"), "{}", fault(text));
        }
    }
}
