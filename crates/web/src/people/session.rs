//! Who is signed in, by the cookie that their browser has. Kept in memory: a start of the server
//! ends all of them. Bounded in number, for each person, in age and in idleness.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tokio::time::Instant;

use super::{Account, SignedIn};
use crate::limits::{SESSION_AGE_MAX, SESSION_IDLE_MAX, SESSIONS_MAX, SESSIONS_OF_ONE_MAX};

/// All sessions. Tokens are 256 random bits and the map's hash is keyed, so that a guess learns
/// nothing from the time it takes.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

#[derive(Debug)]
struct Session {
    login: Arc<dyn SignedIn>,
    name: String,
    /// What a page's form has to bring along (CSRF).
    form_token: String,
    since: Instant,
    seen: Instant,
}

/// A session that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) account: Account,
    pub(crate) form_token: String,
}

impl Sessions {
    /// Begins one; the cookie's value. The longest idle make room.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn begin(&self, login: Arc<dyn SignedIn>, name: &str) -> Result<String, String> {
        let (token, form_token) = (random()?, random()?);
        let now = Instant::now();
        let mut all = self.all();
        all.retain(|_, session| !session.is_over(now));
        let of_one = all.values().filter(|session| session.name == name).count();
        if of_one >= SESSIONS_OF_ONE_MAX {
            remove_idlest(&mut all, |session| session.name == name);
        }
        if all.len() >= SESSIONS_MAX {
            remove_idlest(&mut all, |_| true);
        }
        let name = name.to_owned();
        all.insert(token.clone(), Session { login, name, form_token, since: now, seen: now });
        Ok(token)
    }

    /// Whose it is, if it is good still.
    pub(crate) fn find(&self, token: &str) -> Option<Found> {
        let now = Instant::now();
        let (login, form_token) = {
            let mut all = self.all();
            let session = all.get_mut(token)?;
            if session.is_over(now) {
                all.remove(token);
                return None;
            }
            session.seen = now;
            (Arc::clone(&session.login), session.form_token.clone())
        };
        // Not under the lock: it may look at a file.
        let account = login.now();
        if account.is_none() {
            self.end(token);
        }
        Some(Found { account: account?, form_token })
    }

    /// Ends one.
    pub(crate) fn end(&self, token: &str) {
        self.all().remove(token);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= SESSION_AGE_MAX
            || now.duration_since(self.seen) >= SESSION_IDLE_MAX
    }
}

fn remove_idlest(all: &mut HashMap<String, Session>, which: impl Fn(&Session) -> bool) {
    let idlest = all.iter().filter(|(_, session)| which(session)).min_by_key(|(_, it)| it.seen);
    if let Some(token) = idlest.map(|(token, _)| token.clone()) {
        all.remove(&token);
    }
}

/// 256 bits, as text.
pub(crate) fn random() -> Result<String, String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The session's cookie of a request. Over TLS only one that no neighbour could have set.
pub(crate) fn cookie(headers: &HeaderMap, over_tls: bool) -> Option<&str> {
    named(headers, name(over_tls))
}

fn named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (this, value) = pair.trim().split_once('=')?;
        (this == name).then_some(value)
    })
}

/// The header that gives a browser its cookie, or takes it away.
pub(crate) fn set_cookie(token: Option<&str>, over_tls: bool) -> HeaderValue {
    let (name, secure) = (name(over_tls), if over_tls { "; Secure" } else { "" });
    let (value, age_s) = match token {
        Some(token) => (token, SESSION_AGE_MAX.as_secs()),
        None => ("", 0),
    };
    let cookie =
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}");
    // It is base64 and words of ours.
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}

/// The state of who is at a provider, for their browser to keep until they are back.
pub(crate) fn set_state_cookie(state: &str, over_tls: bool) -> HeaderValue {
    let secure = if over_tls { "; Secure" } else { "" };
    let age_s = super::oidc::AWAY_MAX.as_secs();
    // Lax: they come back from another site.
    let cookie = format!(
        "{STATE}={state}; Path=/sign-in/oidc; HttpOnly; SameSite=Lax; Max-Age={age_s}{secure}"
    );
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}

/// The state that a browser kept.
pub(crate) fn state_cookie(headers: &HeaderMap) -> Option<&str> {
    named(headers, STATE)
}

const STATE: &str = "tubepost-oidc";

/// RFC 6265bis §4.1.3.2: the prefix keeps neighbours of the host from setting it.
fn name(over_tls: bool) -> &'static str {
    if over_tls { "__Host-tubepost" } else { "tubepost-session" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::AtomicBool, time::Duration};

    #[derive(Debug, Default)]
    struct Login(AtomicBool);

    impl SignedIn for Login {
        fn now(&self) -> Option<Account> {
            let is_gone = self.0.load(std::sync::atomic::Ordering::Relaxed);
            (!is_gone).then(|| Account { name: "ada".to_owned(), operator: false })
        }
    }

    fn begin(sessions: &Sessions, name: &str) -> String {
        sessions.begin(Arc::new(Login::default()), name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_with_its_time_with_idleness_and_with_the_account() {
        let sessions = Sessions::default();
        let idle = begin(&sessions, "ada");
        assert!(sessions.find(&idle).is_some() && sessions.find("guess").is_none());
        tokio::time::advance(SESSION_IDLE_MAX).await;
        assert!(sessions.find(&idle).is_none());

        let used = begin(&sessions, "ada");
        let mut age = Duration::ZERO;
        while age < SESSION_AGE_MAX {
            assert!(sessions.find(&used).is_some(), "{age:?}");
            tokio::time::advance(SESSION_IDLE_MAX / 2).await;
            age += SESSION_IDLE_MAX / 2;
        }
        assert!(sessions.find(&used).is_none());

        let login = Arc::new(Login::default());
        let token = sessions.begin(Arc::<Login>::clone(&login), "ada").unwrap();
        login.0.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(sessions.find(&token).is_none());
        let ended = begin(&sessions, "ada");
        sessions.end(&ended);
        assert!(sessions.find(&ended).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_idlest_of_too_many_make_room() {
        let sessions = Sessions::default();
        let first = begin(&sessions, "ada");
        for _ in 0..SESSIONS_OF_ONE_MAX {
            tokio::time::advance(Duration::from_secs(1)).await;
            begin(&sessions, "ada");
        }
        assert!(sessions.find(&first).is_none());
        for number in 0..SESSIONS_MAX + 10 {
            begin(&sessions, &number.to_string());
        }
        assert_eq!(sessions.all().len(), SESSIONS_MAX);
    }

    #[test]
    fn the_cookie_is_for_this_host_and_no_script_and_read_back() {
        let set = set_cookie(Some("abc"), true);
        let set = set.to_str().unwrap();
        for part in ["__Host-tubepost=abc;", "HttpOnly", "SameSite=Strict", "Secure", "Path=/;"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set_cookie(Some("abc"), false).to_str().unwrap().contains("Secure"));
        let mut headers = HeaderMap::new();
        let cookies = "a=b; tubepost-session=plain; __Host-tubepost=abc";
        headers.insert(header::COOKIE, HeaderValue::from_static(cookies));
        assert_eq!(cookie(&headers, true), Some("abc"));
        assert_eq!(cookie(&headers, false), Some("plain"));
        assert_eq!(cookie(&HeaderMap::new(), true), None);
    }
}
