//! The settings of the mail notifier, resolved: one server, one sender, the subscriptions.

use std::{fmt, fs};

pub(crate) use super::subscription::RawSubscription as Subscription;
use super::{
    fault::{Fault, Origin},
    settings::Settings,
    table,
};

/// Everything the mail notifier needs.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// The server's host.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// How the way there is protected.
    pub(crate) tls: MailTls,
    /// The login, when there is one.
    pub(crate) login: Option<Login>,
    /// The sender: an address, or a name with one in angle brackets.
    pub(crate) from: String,
    /// The end of `List-Id` and `Message-ID`.
    pub(crate) list_id_domain: String,
    /// Where the pages are reached.
    pub(crate) base_url: Option<String>,
    /// A patch in a mail is cut beyond this.
    pub(crate) patch_bytes_max: u64,
    /// Who wants what; at least one.
    pub(crate) subscriptions: Vec<Subscription>,
}

/// A name and a password. Its debug form has no password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The name.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailTls {
    /// Not at all: for a server on this machine.
    None,
    /// By STARTTLS, required.
    StartTls,
    /// From the first byte.
    Implicit,
}

impl MailTls {
    pub(super) fn parse(text: &str) -> Result<MailTls, String> {
        match text {
            "none" => Ok(MailTls::None),
            "starttls" => Ok(MailTls::StartTls),
            "implicit" => Ok(MailTls::Implicit),
            _ => Err("is not a kind: expected none, starttls or implicit".to_owned()),
        }
    }

    /// RFC 5321, 6409, 8314.
    pub(super) fn usual_port(self) -> u16 {
        match self {
            MailTls::None => 25,
            MailTls::StartTls => 587,
            MailTls::Implicit => 465,
        }
    }
}

/// A mail server in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SmtpUrl {
    host: String,
    port: u16,
    tls: MailTls,
    login: Option<Login>,
}

impl SmtpUrl {
    pub(super) fn parse(text: &str) -> Result<SmtpUrl, String> {
        let fault = || {
            "is not a mail server: expected smtp://host:25, smtp+starttls://user:password@host or \
             smtps://user:password@host"
                .to_owned()
        };
        let url = url::Url::parse(text).map_err(|_| fault())?;
        let tls = match url.scheme() {
            "smtp" => MailTls::None,
            "smtp+starttls" => MailTls::StartTls,
            "smtps" => MailTls::Implicit,
            _ => return Err(fault()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(fault)?;
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                Some(Login { user: decode(user), password: decode(password) })
            }
            _ => return Err("has a user without a password, or the reverse".to_owned()),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(SmtpUrl { host, port: url.port().unwrap_or(tls.usual_port()), tls, login })
    }
}

impl Mail {
    /// Resolves the settings; `None` when nobody subscribes.
    ///
    /// # Errors
    /// Settings that do not go together, or a password file that cannot be read.
    pub(crate) fn check(settings: &Settings) -> Result<Option<Mail>, Fault> {
        if settings.subscriptions().is_empty() {
            return Ok(None);
        }
        let server = server(settings)?;
        Ok(Some(Mail {
            host: server.host,
            port: server.port,
            tls: server.tls,
            login: server.login,
            from: settings.need(&table::MAIL_FROM)?,
            list_id_domain: settings.need(&table::MAIL_LIST_ID_DOMAIN)?,
            base_url: settings.get(&table::MAIL_BASE_URL)?,
            patch_bytes_max: settings.need(&table::MAIL_PATCH_BYTES_MAX)?,
            subscriptions: settings.subscriptions().to_vec(),
        }))
    }
}

fn server(settings: &Settings) -> Result<SmtpUrl, Fault> {
    if let Some(server) = settings.get(&table::MAIL_SMTP_URL)? {
        let parts = ["host", "port", "tls", "user", "password", "password_file"];
        let other = parts.iter().find_map(|part| settings.said(&format!("notify.mail.{part}")));
        return match other {
            Some(other) => Err(Fault::at(
                &other.origin,
                "notify.mail.smtp_url names the whole server already; leave one of the two out",
            )),
            None => Ok(server),
        };
    }
    let tls = settings.need(&table::MAIL_TLS)?;
    let user = settings.get(&table::MAIL_USER)?;
    let login = match (user, password(settings)?) {
        (Some(user), Some((password, _))) => Some(Login { user, password }),
        (None, None) => None,
        (Some(_), None) => {
            let problem = "has no password; set notify.mail.password_file or notify.mail.password";
            return Err(fault_of(settings, "notify.mail.user", problem));
        }
        (None, Some((_, origin))) => {
            return Err(Fault::at(&origin, "a password without a user; set notify.mail.user"));
        }
    };
    let host = settings.need(&table::MAIL_HOST)?;
    Ok(SmtpUrl { host, port: settings.need(&table::MAIL_PORT)?, tls, login })
}

fn password(settings: &Settings) -> Result<Option<(String, Origin)>, Fault> {
    let said = settings.said("notify.mail.password").map(|setting| setting.origin.clone());
    let file = settings.said("notify.mail.password_file").map(|setting| setting.origin.clone());
    match (said, file) {
        (Some(_), Some(file)) => {
            Err(Fault::at(&file, "notify.mail.password is set too; leave one of the two out"))
        }
        (Some(origin), None) => {
            Ok(settings.get(&table::MAIL_PASSWORD)?.map(|password| (password, origin)))
        }
        (None, Some(origin)) => {
            let path = settings.need(&table::MAIL_PASSWORD_FILE)?;
            let text = fs::read_to_string(&path).map_err(|error| {
                Fault::at(&origin, format!("{} cannot be read: {error}", path.display()))
            })?;
            let password = text.lines().next().unwrap_or_default().to_owned();
            Ok(Some((password, origin)))
        }
        (None, None) => Ok(None),
    }
}

fn fault_of(settings: &Settings, key: &str, problem: &str) -> Fault {
    let origin = settings.said(key).map_or(Origin::Default, |setting| setting.origin.clone());
    Fault::at(&origin, problem)
}

/// `ada@example.org` or `Ada <ada@example.org>`. Only the form; the mail crate has the last word.
pub(super) fn address(text: &str) -> Result<String, String> {
    let bare = match text.rsplit_once('<') {
        Some((_, bare)) => bare.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let parts = bare.split_once('@').filter(|(user, domain)| {
        !user.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',');
    match parts.is_some() && !bare.contains(odd) && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err("is not a mail address: expected one such as ada@example.org".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_can_be_named_in_one_line() {
        let url = SmtpUrl::parse("smtp+starttls://a%40b:p%2Fw@mail.example.org").unwrap();
        let login = Login { user: "a@b".to_owned(), password: "p/w".to_owned() };
        let expected = SmtpUrl {
            host: "mail.example.org".to_owned(),
            port: 587,
            tls: MailTls::StartTls,
            login: Some(login),
        };
        assert_eq!(url, expected);
        assert_eq!(SmtpUrl::parse("smtp://127.0.0.1:1025").unwrap().port, 1025);
        assert_eq!(SmtpUrl::parse("smtps://[::1]").unwrap().host, "::1");
        for text in ["mail.example.org", "http://x", "smtp://", "smtp://ada@host"] {
            assert!(SmtpUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for text in ["ada@example.org", "Ada L. <ada@example.org>"] {
            assert!(address(text).is_ok(), "{text}");
        }
        for text in ["", "ada", "@x", "a@", "a b@c", "Ada <ada@x", "a@b\nBcc: x@y", "a@b,c@d"] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_login_does_not_show_its_password() {
        let login = Login { user: "ada".to_owned(), password: "s3cret".to_owned() };
        assert!(!format!("{login:?}").contains("s3cret"));
    }
}
