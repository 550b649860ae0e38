//! What every request passes and every answer carries: the right host, a login where one is
//! asked for, and the headers that tell a browser to distrust whatever it may find on the page.

use std::{fmt, future::Future, net::IpAddr, pin::Pin, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http_door::{host_name, host_of};
use tokio::sync::Semaphore;

use crate::{People, limits::LOGINS_AT_ONCE, me, people::table, unsubscribe};

/// Says whether a name and a password belong to a user who may see the pages.
pub trait Login: fmt::Debug + Send + Sync {
    /// Checks a password. The pages ask for at most two at once.
    fn verify<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
}

#[derive(Debug)]
pub(crate) struct Guard {
    /// Names it may be called by; `None` for any.
    hosts: Option<Vec<String>>,
    /// Where it really is, for the message.
    address: String,
    login: Option<Arc<dyn Login>>,
    logins: Semaphore,
    /// Where somebody else asks for a login.
    open: &'static [&'static str],
    /// Whose sessions are as good as that login.
    people: Option<Arc<People>>,
}

impl Guard {
    pub(crate) fn new(
        address: std::net::SocketAddr,
        hosts: &[String],
        login: Option<Arc<dyn Login>>,
        open: &'static [&'static str],
    ) -> Guard {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect::<Vec<_>>();
        // Beyond loopback nobody knows all the names of a machine; a list, once given, holds.
        let any = !address.ip().is_loopback() && hosts.is_empty();
        Guard {
            hosts: (!any).then_some(hosts),
            address: address.to_string(),
            login,
            logins: Semaphore::new(LOGINS_AT_ONCE),
            open,
            people: None,
        }
    }

    /// Lets people in who signed in, too.
    pub(crate) fn with_people(self, people: Option<Arc<People>>) -> Guard {
        Guard { people, ..self }
    }

    /// DNS rebinding: a stranger's page may resolve its own name to 127.0.0.1 and read what is
    /// served there, but it cannot change the name its browser sends.
    fn is_host_known(&self, host: &str) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let name = host_name(host).to_ascii_lowercase();
        let loopback =
            name.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        loopback || name == "localhost" || hosts.contains(&name)
    }

    async fn is_let_in(&self, head: &Parts) -> bool {
        let Some(login) = &self.login else { return true };
        if self.people.as_ref().is_some_and(|people| people.session(head).is_some()) {
            return true;
        }
        let Some((user, password)) = head.headers.get(header::AUTHORIZATION).and_then(basic) else {
            return false;
        };
        let Ok(_turn) = self.logins.acquire().await else { return false };
        login.verify(&user, &password).await
    }
}

/// Lets a request pass, or answers it.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let answer = match host_of(&head.uri, &head.headers) {
        None => (StatusCode::BAD_REQUEST, "The request names no host (RFC 9112 §3.2).\n")
            .into_response(),
        Some(host) if !guard.is_host_known(host) => refuse_host(host, &guard.address),
        Some(_) => {
            let path = head.uri.path();
            // A feed's address is its login: readers of feeds have no other.
            let open = path.starts_with("/health/")
                || path.starts_with("/feeds/")
                || path.starts_with(unsubscribe::PATH)
                || guard.open.contains(&path)
                || (guard.people.is_some() && has_own_login(path));
            match open || guard.is_let_in(&head).await {
                true => next.run(Request::from_parts(head, body)).await,
                false => ask_for_login(),
            }
        }
    };
    protect(answer)
}

/// What a person signs in for, and what it takes to show the form.
fn has_own_login(path: &str) -> bool {
    table::is_here(path) || me::is_here(path) || path.starts_with("/assets/")
}

fn refuse_host(host: &str, address: &str) -> Response {
    let host = crate::shown::line(host, 100);
    let said = format!(
        "Tubepost does not answer to the name '{host}' here: it listens on loopback only, and a \
         name that leads here from elsewhere may be an attack (DNS rebinding).\n\
         Open http://{address}/ instead.\n"
    );
    (StatusCode::MISDIRECTED_REQUEST, said).into_response()
}

/// The answer to who has to say who they are.
pub(crate) fn ask_for_login() -> Response {
    let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"Tubepost\", charset=\"UTF-8\"")];
    let said = "Log in with a Tubepost user's name and password.\n";
    (StatusCode::UNAUTHORIZED, ask, said).into_response()
}

fn protect(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in PROTECTION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Nothing but our own files, no frame around us, and HTML from a string only where `feed.js`
/// makes it of the server's answers (Trusted Types).
const PROTECTION: [(header::HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types tubepost tubepost-worker",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With "no-referrer" a form's origin would be null for our own pages, too.
    (header::REFERRER_POLICY, "same-origin"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Name and password of a header (RFC 7617).
pub(crate) fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, code) = value.to_str().ok()?.split_once(' ')?;
    let pair = match scheme.eq_ignore_ascii_case("basic") {
        true => String::from_utf8(BASE64_STANDARD.decode(code.trim()).ok()?).ok()?,
        false => return None,
    };
    pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(address: &str, hosts: &[&str], host: &str) -> bool {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        Guard::new(address.parse().unwrap(), &hosts, None, &[]).is_host_known(host)
    }

    #[test]
    fn on_loopback_only_loopback_s_names_and_given_ones_are_known() {
        for host in ["localhost", "LocalHost:15672", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:9"]
        {
            assert!(known("127.0.0.1:1", &[], host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evil.example:15672",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
            "[::2]",
        ] {
            assert!(!known("127.0.0.1:1", &[], host), "{host}");
        }
        assert!(known("[::1]:1", &["bus.example.org"], "Bus.example.org:443"));
    }

    #[test]
    fn beyond_loopback_any_name_is_known_unless_names_are_given() {
        assert!(known("10.0.0.1:1", &[], "bus.example.org"));
        assert!(known("10.0.0.1:1", &["bus.example.org"], "bus.example.org"));
        assert!(!known("10.0.0.1:1", &["bus.example.org"], "evil.example"));
    }

    #[test]
    fn a_login_is_read_as_the_standard_writes_it() {
        let read = |text: &str| basic(&HeaderValue::from_str(text).unwrap());
        // RFC 7617 §2.
        let aladdin = ("Aladdin".to_owned(), "open sesame".to_owned());
        assert_eq!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), Some(aladdin));
        for text in ["", "Basic", "Basic !", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QQ=="] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
