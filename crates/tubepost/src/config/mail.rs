//! The mail options of the table as the notifier's settings: the one place where the two meet.
//! Defaults, files and what must go together are notify's to check.

use notify::{MailSettings, Mailbox, Tls};

use super::{chat, fault::Fault, settings::Settings, table};

/// A mail server in one line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SmtpUrl {
    host: String,
    port: Option<u16>,
    tls: Tls,
    login: Option<(String, notify::Secret)>,
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
            "smtp" => Tls::None,
            "smtp+starttls" => Tls::StartTls,
            "smtps" => Tls::Implicit,
            _ => return Err(fault()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(fault)?;
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                Some((decode(user), decode(password).into()))
            }
            _ => return Err("has a user without a password, or the reverse".to_owned()),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(SmtpUrl { host, port: url.port(), tls, login })
    }
}

/// Resolves the notifier's configuration; maybe without subscriptions, as rules of a store may be
/// all there are. Reads the files that the settings name.
///
/// # Errors
/// All that does not go together, each with its key.
pub(crate) fn notifier(settings: &Settings) -> Result<Option<notify::Config>, Vec<Fault>> {
    let one = |fault| vec![fault];
    let mail = Some(mail(settings).map_err(one)?);
    let webhook = chat::webhook(settings).map_err(one)?;
    let ntfy = chat::ntfy(settings).map_err(one)?;
    let push = chat::push(settings).map_err(one)?;
    let irc = chat::irc(settings).map_err(one)?;
    let matrix = chat::matrix(settings).map_err(one)?;
    let templates = settings.get(&table::NOTIFY_TEMPLATES).map_err(one)?;
    let subscriptions = settings.subscriptions().to_vec();
    notify::Settings { templates, mail, webhook, ntfy, irc, matrix, push, subscriptions }
        .check()
        .map_err(|error| {
            // Each line of it names the key.
            let fault = |line: &str| Fault::of_file(settings.file(), line);
            error.to_string().lines().map(fault).collect()
        })
}

fn mail(settings: &Settings) -> Result<MailSettings, Fault> {
    let mut mail = MailSettings {
        from: settings.need(&table::MAIL_FROM)?,
        host: settings.need(&table::MAIL_HOST)?,
        port: settings.get(&table::MAIL_PORT)?,
        tls: settings.get(&table::MAIL_TLS)?,
        ca_file: settings.get(&table::MAIL_CA_FILE)?,
        user: settings.get(&table::MAIL_USER)?,
        password: settings.get(&table::MAIL_PASSWORD)?.map(Into::into),
        password_file: settings.get(&table::MAIL_PASSWORD_FILE)?,
        hello_name: settings.get(&table::MAIL_HELLO_NAME)?,
        list_id_domain: settings.get(&table::MAIL_LIST_ID_DOMAIN)?,
        dkim_selector: settings.get(&table::MAIL_DKIM_SELECTOR)?,
        dkim_key_file: settings.get(&table::MAIL_DKIM_KEY_FILE)?,
        page_url: settings.get(&table::MAIL_PAGE_URL)?,
        patch_bytes_max: settings.need(&table::MAIL_PATCH_BYTES_MAX)?,
        timeout_s: settings.need(&table::MAIL_TIMEOUT)?,
        connections_max: settings.need(&table::MAIL_CONNECTIONS_MAX)?,
    };
    let Some(server) = settings.get(&table::MAIL_SMTP_URL)? else { return Ok(mail) };
    let parts = ["host", "port", "tls", "user", "password", "password_file"];
    if let Some(other) = parts.iter().find_map(|part| settings.said(&format!("notify.mail.{part}")))
    {
        let problem =
            "notify.mail.smtp_url names the whole server already; leave one of the two out";
        return Err(Fault::at(&other.origin, problem));
    }
    (mail.host, mail.port, mail.tls) = (server.host, server.port, Some(server.tls));
    (mail.user, mail.password) = server.login.unzip();
    Ok(mail)
}

pub(super) fn tls(text: &str) -> Result<Tls, String> {
    match text {
        "none" => Ok(Tls::None),
        "starttls" => Ok(Tls::StartTls),
        "implicit" => Ok(Tls::Implicit),
        _ => Err("is not a kind: expected none, starttls or implicit".to_owned()),
    }
}

pub(super) fn address(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| {
        "is not a mail address: expected ada@example.org or Ada <ada@example.org>".to_owned()
    })
}

impl Fault {
    // A fault of several settings together.
    fn of_file(file: Option<&std::path::Path>, line: &str) -> Fault {
        let place =
            file.map_or_else(|| "configuration".to_owned(), |file| file.display().to_string());
        Fault { place, problem: line.to_owned(), excerpt: None }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use notify::Kind;

    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_mail_server_can_be_named_in_one_line() {
        let url = SmtpUrl::parse("smtp+starttls://a%40b:p%2Fw@mail.example.org").unwrap();
        let expected = SmtpUrl {
            host: "mail.example.org".to_owned(),
            port: None,
            tls: Tls::StartTls,
            login: Some(("a@b".to_owned(), "p/w".to_owned().into())),
        };
        assert_eq!(url, expected);
        assert_eq!(SmtpUrl::parse("smtp://127.0.0.1:1025").unwrap().port, Some(1025));
        assert_eq!(SmtpUrl::parse("smtps://[::1]").unwrap().host, "::1");
        for text in ["mail.example.org", "http://x", "smtp://", "smtp://ada@host"] {
            assert!(SmtpUrl::parse(text).is_err(), "{text}");
        }
    }

    fn check(text: &str) -> Result<Option<notify::Config>, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("t.toml");
        std::fs::write(&file, text).unwrap();
        let environment: Environment = [("HOME", "/nonexistent")].into_iter().collect();
        let settings = Settings::gather(|_| None, environment, Some(Path::new(&file))).unwrap();
        notifier(&settings)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    const SUBSCRIPTION: &str = "[[notify.subscription]]\nto = \"ada@example.org\"\n";

    #[test]
    fn a_subscription_alone_is_enough_and_without_one_nobody_is_told() {
        let config = check(SUBSCRIPTION).unwrap().unwrap();
        assert_eq!((config.mail.host.as_str(), config.mail.port), ("localhost", 25));
        assert_eq!(config.subscriptions.len(), 1);
        let alone = check("[notify.mail]\nhost = \"mail.example.org\"\n").unwrap().unwrap();
        assert!(alone.subscriptions.is_empty());
    }

    #[test]
    fn the_options_of_the_table_arrive_at_the_notifier() {
        let text = format!(
            "[notify.mail]\nsmtp_url = \"smtps://u:p@mail.example.org\"\n\
             from = \"T <t@example.org>\"\npage_url = \"https://x.org/\"\npatch_bytes_max = \"1 KiB\"\n\
             timeout_s = 5\nconnections_max = 2\n{SUBSCRIPTION}"
        );
        let mail = check(&text).unwrap().unwrap().mail;
        assert_eq!(
            (mail.host.as_str(), mail.port, mail.tls),
            ("mail.example.org", 465, Tls::Implicit)
        );
        assert_eq!(mail.login.unwrap().user, "u");
        assert_eq!(
            (mail.patch_bytes_max, mail.timeout.as_secs(), mail.connections_max),
            (1024, 5, 2)
        );
        assert_eq!(mail.page_url.as_deref(), Some("https://x.org/"));
        assert_eq!(mail.list_id_domain, "example.org");
    }

    #[test]
    fn a_kind_is_set_up_by_its_first_option_and_another_of_it_alone_is_refused() {
        let text = "[notify.webhook]\nsecret = \"0123456789abcdef\"\nprivate_addresses = true\n\
                    [notify.ntfy]\nurl = \"https://ntfy.example.org\"\ntoken = \"tk\"\n\
                    [notify.push]\ncontact = \"mailto:ops@example.org\"\n\
                    [notify.irc]\nurl = \"ircs://irc.example.org\"\nline_pause_ms = 500\n\
                    [notify.matrix]\nurl = \"https://matrix.example.org\"\ntoken = \"t\"\n";
        let always = [Kind::Mail, Kind::Desktop, Kind::Feed];
        let kinds = check(text).unwrap().unwrap().kinds();
        assert_eq!(kinds[..3], always);
        assert_eq!(kinds[3..], [Kind::Webhook, Kind::Ntfy, Kind::Push, Kind::Irc, Kind::Matrix]);
        assert_eq!(check("").unwrap().unwrap().kinds(), always);
        let said = check("[notify.webhook]\nredirects_max = 1\n").unwrap_err();
        assert!(said.contains("t.toml:2") && said.contains("notify.webhook.secret_file"), "{said}");
        let said = check("[notify.push]\ntimeout_s = 5\n").unwrap_err();
        assert!(said.contains("t.toml:2") && said.contains("notify.push.contact"), "{said}");
        let said = check("[notify.ntfy]\ntoken = \"tk_s3cret\"\n").unwrap_err();
        assert!(said.contains("notify.ntfy.url") && !said.contains("s3cret"), "{said}");
        let said = check("[notify]\ntemplates = \"/nowhere/templates\"\n").unwrap_err();
        assert!(said.contains("t.toml: notify.templates: /nowhere/templates"), "{said}");
        let said = check("[notify.irc]\nnick = \"bot\"\n").unwrap_err();
        assert!(said.contains("notify.irc.url"), "{said}");
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_its_key() {
        let twice = format!("[notify.mail]\nsmtp_url = \"smtp://h\"\nport = 25\n{SUBSCRIPTION}");
        let said = check(&twice).unwrap_err();
        assert!(said.contains("t.toml:3: notify.mail.port: notify.mail.smtp_url names"), "{said}");
        let said = check(&format!("[notify.mail]\nuser = \"u\"\n{SUBSCRIPTION}")).unwrap_err();
        assert!(said.contains("t.toml: notify.mail.user"), "{said}");
    }
}
