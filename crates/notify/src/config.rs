//! The settings, checked and resolved: what the notifier works with.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use event::{Pattern, Severity};
use lettre::message::Mailbox;

use crate::{
    Dkim, Error, Irc, Kind, MailSettings, Matrix, Ntfy, Push, Secret, Settings, Subscription,
    SubscriptionSettings, Templates, Tls, Unsubscriber, Webhook,
    rule::{Condition, Names, Rule, Who},
    secret::one_of,
};

/// A notifier's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The operator's words; each kind has them, too.
    pub templates: Templates,
    /// How mail leaves.
    pub mail: Mail,
    /// How webhooks are called, when they may be.
    pub webhook: Option<Webhook>,
    /// The ntfy server, when there is one.
    pub ntfy: Option<Ntfy>,
    /// How browsers are told, when they may be.
    pub push: Option<Push>,
    /// The IRC server, when there is one.
    pub irc: Option<Irc>,
    /// The homeserver of Matrix, when there is one.
    pub matrix: Option<Matrix>,
    /// Who hears of what, by the configuration file; maybe nobody.
    pub subscriptions: Vec<Subscription>,
}

/// How mail leaves. See [`MailSettings`] for the meaning of each.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The sender, also of bounces.
    pub from: Mailbox,
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub tls: Tls,
    /// Certificates to trust beside the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// The login, if there is one.
    pub login: Option<Login>,
    /// The name to greet with; `None` is this machine's.
    pub hello_name: Option<String>,
    /// The domain of List-Id and Message-ID.
    pub list_id_domain: String,
    /// Shown at the end of each mail.
    pub page_url: Option<String>,
    /// How much of a patch goes into a mail.
    pub patch_bytes_max: usize,
    /// How long the server may take for one answer.
    pub timeout: Duration,
    /// How many connections to the server at once, at least one.
    pub connections_max: usize,
    /// Signs each mail.
    pub dkim: Option<Dkim>,
    /// The operator's words.
    pub(crate) templates: Templates,
    /// Makes the way out that stands in each mail; whoever answers at its addresses sets it.
    pub unsubscriber: Option<Unsubscriber>,
}

/// A login at the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Config {
    /// The ways to tell people that are set up.
    pub fn kinds(&self) -> Vec<Kind> {
        let others = [
            (Kind::Webhook, self.webhook.is_some()),
            (Kind::Ntfy, self.ntfy.is_some()),
            (Kind::Push, self.push.is_some()),
            (Kind::Irc, self.irc.is_some()),
            (Kind::Matrix, self.matrix.is_some()),
        ];
        let others = others.into_iter().filter_map(|(kind, is_set_up)| is_set_up.then_some(kind));
        // Feeds are in the store and desktops on the bus: there is nothing to set up.
        [Kind::Mail, Kind::Desktop, Kind::Feed].into_iter().chain(others).collect()
    }

    /// The subscriptions as the rules that they are.
    pub fn rules(&self) -> Vec<Rule> {
        self.subscriptions.iter().zip(1..).map(|(one, number)| one.rule(number)).collect()
    }

    /// The topics that somebody wants: what the notifier's queue is bound to. Sorted, none twice.
    pub fn patterns(&self) -> Vec<Pattern> {
        let mut patterns: Vec<Pattern> = Vec::new();
        for subscription in &self.subscriptions {
            match subscription.what.topics() {
                Some(topics) => patterns.extend(topics),
                None => return "#".parse().into_iter().collect(),
            }
        }
        patterns.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        patterns.dedup();
        patterns
    }
}

impl Settings {
    /// Resolves defaults, reads the files that are named and checks what belongs together.
    /// `None` when nothing is said of mail, and nobody subscribes.
    ///
    /// # Errors
    /// [`Error::Settings`] with everything that is wrong.
    pub fn check(self) -> Result<Option<Config>, Error> {
        let mut problems = Vec::new();
        let templates = match self.templates.as_deref().map(Templates::load) {
            None => Templates::default(),
            Some(Ok(templates)) => templates,
            Some(Err(faults)) => {
                problems.extend(faults.iter().map(|fault| format!("notify.templates: {fault}")));
                Templates::default()
            }
        };
        let mail = self.mail.map(|mail| mail.check(&mut problems));
        let webhook = self.webhook.and_then(|webhook| webhook.check(&mut problems));
        let ntfy = self.ntfy.and_then(|ntfy| ntfy.check(&mut problems));
        let push = self.push.and_then(|push| push.check(&mut problems));
        let irc = self.irc.and_then(|irc| irc.check(&mut problems));
        let matrix = self.matrix.and_then(|matrix| matrix.check(&mut problems));
        let subscriptions: Vec<Subscription> = self
            .subscriptions
            .into_iter()
            .enumerate()
            .map(|(index, subscription)| subscription.check(index + 1, &mut problems))
            .collect();
        if mail.is_none() && !subscriptions.is_empty() {
            problems.push(
                "notify.mail is missing, but there are subscriptions; \
                 add [notify.mail] with from = \"tubepost@your.domain\" and host"
                    .to_owned(),
            );
        }
        match mail {
            _ if !problems.is_empty() => Err(Error::Settings(problems)),
            Some(mail) => Ok(Some(Config {
                mail: Mail { templates: templates.clone(), ..mail },
                webhook: webhook.map(|it| Webhook { templates: templates.clone(), ..it }),
                ntfy: ntfy.map(|it| Ntfy { templates: templates.clone(), ..it }),
                irc: irc.map(|it| Irc { templates: templates.clone(), ..it }),
                matrix: matrix.map(|it| Matrix { templates: templates.clone(), ..it }),
                push,
                templates,
                subscriptions,
            })),
            None => Ok(None),
        }
    }
}

impl SubscriptionSettings {
    fn check(self, number: usize, problems: &mut Vec<String>) -> Subscription {
        let name = self.name.clone().unwrap_or_else(|| format!("subscription {number}"));
        if name.trim().is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
            problems.push(format!(
                "notify.subscription {number}: name {name:?} is not a line of 1 to 100 characters"
            ));
        }
        let before = problems.len();
        let lists = [
            ("people", &self.people),
            ("packages", &self.packages),
            ("apps", &self.apps),
            ("except_agents", &self.except_agents),
        ];
        for (key, list) in lists {
            if list.iter().any(|item| item.trim().is_empty()) {
                problems.push(format!(
                    "notify.subscription {number} ({name}): {key} has an empty name, which matches \
                     nothing; remove it"
                ));
            }
        }
        let what = self.condition();
        if problems.len() == before
            && let Err(faults) = what.check()
        {
            problems.extend(
                faults
                    .iter()
                    .map(|fault| format!("notify.subscription {number} ({name}): {fault}")),
            );
        }
        Subscription { name, to: self.to, what }
    }

    /// Kinds of tests must all hold; within a kind one must.
    fn condition(&self) -> Condition {
        let named = |names: &[String]| Names(names.to_vec());
        let people = |names: &[String]| names.iter().cloned().map(Who::Person).collect();
        let mut all = Vec::new();
        if !self.patterns.is_empty() {
            all.push(Condition::Topic(self.patterns.clone()));
        }
        if !self.people.is_empty() {
            all.push(Condition::People(people(&self.people)));
        }
        if !self.packages.is_empty() {
            all.push(Condition::Package(named(&self.packages)));
        }
        if !self.apps.is_empty() {
            all.push(Condition::App(named(&self.apps)));
        }
        if let Some(min) = self.severity_min {
            let severities = [Severity::Debug, Severity::Info, Severity::Warning, Severity::Error];
            let wanted = severities.into_iter().filter(|severity| *severity >= min);
            all.push(Condition::Severity(wanted.collect()));
        }
        if !self.except_agents.is_empty() {
            let by = Condition::Agent(people(&self.except_agents));
            all.push(Condition::Not(Box::new(by)));
        }
        Condition::All(all)
    }
}

impl MailSettings {
    fn check(self, problems: &mut Vec<String>) -> Mail {
        let mut wrong = |problem: String| problems.push(format!("notify.mail.{problem}"));
        let tls =
            self.tls.unwrap_or(if is_loopback(&self.host) { Tls::None } else { Tls::StartTls });
        let port = self.port.unwrap_or(match tls {
            Tls::None => 25,
            Tls::StartTls => 587,
            Tls::Implicit => 465,
        });
        self.check_numbers(port, &mut wrong);
        self.check_names(&mut wrong);
        if self.ca_file.is_some() && tls == Tls::None {
            wrong("ca_file is set but tls is none; set tls to starttls or implicit".to_owned());
        }
        let ca_pem = self.ca_file.as_deref().and_then(|path| read("ca_file", path, &mut wrong));
        let file = self.password_file.as_deref();
        let password = one_of("password", self.password, file, &mut wrong);
        let login = login(self.user, password, &mut wrong);
        if login.is_some() && tls == Tls::None && !is_loopback(&self.host) {
            wrong(format!(
                "tls is none: the password would go to {} in the clear; set tls to starttls or \
                 implicit, or remove user",
                self.host
            ));
        }
        let list_id_domain =
            self.list_id_domain.unwrap_or_else(|| self.from.email.domain().to_ascii_lowercase());
        if !is_domain(&list_id_domain) {
            wrong(format!(
                "list_id_domain '{list_id_domain}' is not a domain of letters, digits, '-' and '.'"
            ));
        }
        let domain = self.from.email.domain().to_ascii_lowercase();
        let dkim = dkim(&domain, self.dkim_selector, self.dkim_key_file, &mut wrong);
        Mail {
            from: self.from,
            host: self.host,
            port,
            tls,
            ca_pem,
            login,
            hello_name: self.hello_name,
            list_id_domain,
            page_url: self.page_url,
            patch_bytes_max: self.patch_bytes_max as usize,
            timeout: Duration::from_secs(self.timeout_s.into()),
            connections_max: self.connections_max.into(),
            dkim,
            templates: Templates::default(),
            unsubscriber: None,
        }
    }

    fn check_numbers(&self, port: u16, wrong: &mut impl FnMut(String)) {
        if port == 0 {
            wrong("port is 0; leave it out for the usual one".to_owned());
        }
        if !(1..=600).contains(&self.timeout_s) {
            wrong(format!("timeout_s is {}; take 1 to 600 seconds", self.timeout_s));
        }
        if !(1..=32).contains(&self.connections_max) {
            wrong(format!("connections_max is {}; take 1 to 32", self.connections_max));
        }
    }

    fn check_names(&self, wrong: &mut impl FnMut(String)) {
        let split = |c: char| c.is_whitespace() || c == ':';
        let named = !self.host.is_empty() && !self.host.contains(split);
        if !named && self.host.parse::<IpAddr>().is_err() {
            wrong(format!("host '{}' is not a host name; a port goes to port", self.host));
        }
        if let Some(name) = self.hello_name.as_deref().filter(|name| !is_domain(name)) {
            wrong(format!("hello_name '{name}' is not a host name such as bus.example.org"));
        }
        if let Some(url) = self.page_url.as_deref().filter(|url| !is_web_url(url)) {
            wrong(format!("page_url '{url}' does not start with https:// or has white space"));
        }
    }
}

fn login(
    user: Option<String>,
    password: Option<Secret>,
    wrong: &mut impl FnMut(String),
) -> Option<Login> {
    match (user, password) {
        (Some(user), Some(password)) => Some(Login { user, password }),
        (None, None) => None,
        (Some(user), None) => {
            wrong(format!("user is '{user}', but there is no password; set password_file"));
            None
        }
        (None, Some(_)) => {
            wrong("password is set, but user is not; set both or neither".to_owned());
            None
        }
    }
}

fn dkim(
    domain: &str,
    selector: Option<String>,
    file: Option<PathBuf>,
    wrong: &mut impl FnMut(String),
) -> Option<Dkim> {
    let (selector, file) = match (selector, file) {
        (Some(selector), Some(file)) => (selector, file),
        (None, None) => return None,
        (Some(_), None) => {
            wrong("dkim_selector is set, but dkim_key_file is not; set both or neither".to_owned());
            return None;
        }
        (None, Some(_)) => {
            wrong("dkim_key_file is set, but dkim_selector is not; set both or neither".to_owned());
            return None;
        }
    };
    if !is_domain(&selector) {
        wrong(format!("dkim_selector '{selector}' is not of letters, digits, '-' and '.'"));
        return None;
    }
    let pem = read("dkim_key_file", &file, wrong)?;
    Dkim::new(domain, &selector, &pem)
        .map_err(|problem| wrong(format!("dkim_key_file {} {problem}", file.display())))
        .ok()
}

fn read(key: &str, path: &Path, wrong: &mut impl FnMut(String)) -> Option<Vec<u8>> {
    fs::read(path)
        .map_err(|error| wrong(format!("{key} {} cannot be read: {error}", path.display())))
        .ok()
}

pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// RFC 5321 §4.1.2, as strict as List-Id and Message-ID need it.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_web_url(text: &str) -> bool {
    let shown = |c: char| !c.is_whitespace() && !c.is_control();
    (text.starts_with("https://") || text.starts_with("http://")) && text.chars().all(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "[[subscription]]\nto = 'ada@example.org'\n";

    fn check(mail: &str) -> Result<Config, String> {
        let text = format!("[mail]\nfrom = 'tubepost@Example.org'\n{mail}\n{SUBSCRIPTION}");
        let settings: Settings = toml::from_str(&text).unwrap();
        settings.check().map(Option::unwrap).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_safe_and_resolved() {
        let mail = check("").unwrap().mail;
        assert_eq!((mail.host.as_str(), mail.port, mail.tls), ("localhost", 25, Tls::None));
        assert_eq!(mail.list_id_domain, "example.org");
        assert_eq!(mail.patch_bytes_max, 65_536);

        let mail = check("host = 'mail.example.org'").unwrap().mail;
        assert_eq!((mail.port, mail.tls), (587, Tls::StartTls), "beyond loopback: encrypted");
        let mail = check("host = 'mail.example.org'\ntls = 'implicit'").unwrap().mail;
        assert_eq!(mail.port, 465);
    }

    #[test]
    fn a_password_never_leaves_in_the_clear_except_to_this_machine() {
        let login = "user = 'u'\npassword = 'hunter2'\ntls = 'none'\n";
        let error = check(&format!("{login}host = 'mail.example.org'")).unwrap_err();
        assert!(error.contains("in the clear") && !error.contains("hunter2"), "{error}");
        for host in ["127.0.0.1", "::1", "localhost"] {
            assert!(check(&format!("{login}host = '{host}'")).unwrap().mail.login.is_some());
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once_by_key() {
        let error = check(
            "host = 'mail:25'\nport = 0\ntimeout_s = 0\nconnections_max = 0\nuser = 'u'\n\
             hello_name = 'a b'\nlist_id_domain = '<x>'\npage_url = 'bus'\nca_file = '/nowhere/ca'",
        )
        .unwrap_err();
        for key in [
            "host",
            "port",
            "timeout_s",
            "connections_max",
            "user",
            "hello_name",
            "list_id_domain",
            "page_url",
            "ca_file /nowhere/ca",
        ] {
            assert!(error.contains(&format!("notify.mail.{key}")), "{key} in\n{error}");
        }
    }

    #[test]
    fn the_password_is_read_from_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "s3cret word\n").unwrap();
        let config = check(&format!("user = 'u'\npassword_file = '{}'", path.display())).unwrap();
        assert_eq!(config.mail.login.unwrap().password.expose(), "s3cret word");

        let error = check("user = 'u'\npassword_file = '/nowhere/password'").unwrap_err();
        assert!(error.contains("/nowhere/password"), "{error}");
        fs::write(&path, "").unwrap();
        let error =
            check(&format!("user = 'u'\npassword_file = '{}'", path.display())).unwrap_err();
        assert!(error.contains("does not hold one line"), "{error}");
    }

    #[test]
    fn mail_alone_is_enough_for_a_store_and_a_subscription_without_it_has_a_mend() {
        let settings: Settings = toml::from_str("[mail]\nfrom = 'a@b.org'").unwrap();
        assert!(settings.check().unwrap().unwrap().subscriptions.is_empty());
        assert!(Settings::default().check().unwrap().is_none());
        let settings: Settings = toml::from_str(SUBSCRIPTION).unwrap();
        let error = settings.check().unwrap_err().to_string();
        assert!(error.contains("add [notify.mail]"), "{error}");
    }

    #[test]
    fn the_queue_is_bound_to_what_somebody_wants() {
        let patterns = |text: &str| {
            let text = format!("[mail]\nfrom = 'a@b.org'\n{text}");
            let config = toml::from_str::<Settings>(&text).unwrap().check().unwrap().unwrap();
            config.patterns().iter().map(|p| p.as_str().to_owned()).collect::<Vec<_>>()
        };
        let one = format!("{SUBSCRIPTION}patterns = ['b.#', 'a.*']\n");
        let two = format!("{SUBSCRIPTION}patterns = ['a.*', 'c']\n");
        assert_eq!(patterns(&format!("{one}{two}")), ["a.*", "b.#", "c"]);
        assert_eq!(patterns(&format!("{one}{SUBSCRIPTION}")), ["#"]);
    }
}
