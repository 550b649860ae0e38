//! People, and a site with theirs, for one test.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use notify::{
    Kind,
    store::{Location, Store},
};
use serde_json::Value;
use tempfile::TempDir;
use web::{Account, Accounts, Attempt, NotSignedIn, Options, People, SignedIn, Trying, Ways};

use crate::site::{Answer, Site};

/// Everybody's password is their name; `root` is an operator.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Nobody's login is good any more.
    pub(crate) are_gone: Arc<AtomicBool>,
    pub(crate) tries: Mutex<Vec<(Option<std::net::IpAddr>, bool)>>,
}

#[derive(Debug)]
struct Name(String, Arc<AtomicBool>);

impl Accounts for Names {
    fn sign_in<'a>(&'a self, attempt: Attempt<'a>) -> Trying<'a> {
        self.tries.lock().unwrap().push((attempt.from, attempt.is_far));
        Box::pin(async move {
            match (attempt.name, attempt.name == attempt.password) {
                ("slow", _) => Err(NotSignedIn::Later(std::time::Duration::from_secs(6))),
                (name, true) => {
                    let name = Name(name.to_owned(), Arc::clone(&self.are_gone));
                    Ok(Arc::new(name) as Arc<dyn SignedIn>)
                }
                _ => Err(NotSignedIn::Refused),
            }
        })
    }
}

impl SignedIn for Name {
    fn now(&self) -> Option<Account> {
        let account = Account { name: self.0.clone(), operator: self.0 == "root" };
        (!self.1.load(Ordering::Relaxed)).then_some(account)
    }
}

pub(crate) struct House {
    pub(crate) site: Site,
    pub(crate) names: Arc<Names>,
    pub(crate) rules: Location,
    directory: TempDir,
}

impl House {
    pub(crate) async fn start() -> House {
        House::start_with(Options::default(), Ways::default()).await
    }

    pub(crate) async fn start_with(options: Options, ways: Ways) -> House {
        let directory = tempfile::tempdir().unwrap();
        let rules = Location::File(directory.path().join("notify.db"));
        let names = Arc::<Names>::default();
        let ways = Ways {
            kinds: vec![Kind::Mail, Kind::Webhook, Kind::Feed, Kind::Push],
            feed_url: "https://bus.example.org".to_owned(),
            ..ways
        };
        let people = People::new(Arc::<Names>::clone(&names), rules.clone(), ways);
        let site = Site::start(Options { people: Some(Arc::new(people)), ..options }).await;
        House { site, names, rules, directory }
    }

    pub(crate) fn store(&self) -> Store {
        self.rules.open().unwrap()
    }

    /// A call of the API, with a password.
    pub(crate) async fn call(&self, who: &str, method: &str, path: &str, body: Value) -> Answer {
        let login = login(who);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/api/v1/{path}");
        self.site.post(method, &path, &[("authorization", &login)], &body).await
    }

    /// The code that was sent, and is none of these, as it lies on disk.
    pub(crate) fn code(&self, others: &[&str]) -> String {
        let mut bytes = Vec::new();
        for name in ["notify-outbox.db", "notify-outbox.db-wal"] {
            bytes.extend(std::fs::read(self.directory.path().join(name)).unwrap_or_default());
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let codes = text.split("\"code\": \"").skip(1).filter_map(|rest| rest.get(..9));
        let mut codes = codes.filter(|code| !others.contains(code));
        codes.next().expect("a code was sent").to_owned()
    }
}

pub(crate) fn login(who: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{who}:{who}")))
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
