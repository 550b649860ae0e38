//! The client-server API of one homeserver: asks as the one user there is, logs in when it has to,
//! and reads answers. Knows no rooms.

use std::{sync::Arc, time::Duration};

use http_door::call::{CallError, Caller, HeaderMap, HeaderValue, Method, Reach, header, trusted};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::settings::{Login, Matrix};
use crate::{
    Error, Failure,
    answer::{WAIT_MAX, retry_after},
    mail::one_line,
};

/// One homeserver, as one user.
#[derive(Debug)]
pub(crate) struct Homeserver {
    caller: Caller,
    url: Url,
    login: Login,
    session: Mutex<Option<Arc<Session>>>,
}

/// Who it is there, until the homeserver says otherwise.
#[derive(Debug)]
struct Session {
    authorization: HeaderValue,
    user: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// JSON; null when it is none, or too large.
    pub(crate) body: Value,
    /// How long it asks to be left alone.
    pub(crate) wait: Option<Duration>,
}

impl Answer {
    /// `M_FORBIDDEN`; empty when it is no error of Matrix.
    pub(crate) fn code(&self) -> &str {
        self.body["errcode"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// For the operator, one line.
    pub(crate) fn said(&self) -> String {
        let words = self.body["error"].as_str().unwrap_or_default();
        let words = one_line(&format!("{} {words}", self.code()), WORDS_CHARS_MAX);
        format!("answered {} {words}", self.status).trim_end().to_owned()
    }
}

impl Homeserver {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Settings`] when there is no authority to trust.
    pub(crate) fn new(matrix: &Matrix) -> Result<Homeserver, Error> {
        let trusted = trusted(matrix.ca_file.as_deref())
            .map_err(|why| Error::Settings(vec![format!("notify.matrix.ca_file: {why}")]))?;
        Ok(Homeserver {
            // The operator named it: where it stands is theirs to say.
            caller: Caller::new(trusted, Reach::Anywhere, matrix.timeout),
            url: matrix.url.clone(),
            login: matrix.login.clone(),
            session: Mutex::default(),
        })
    }

    /// Who it is.
    ///
    /// # Errors
    /// [`Failure::Away`].
    pub(crate) async fn user(&self) -> Result<String, Failure> {
        Ok(self.session(None).await?.user.clone())
    }

    /// Asks; whatever is answered is the answer, but for a login that is refused.
    ///
    /// # Errors
    /// [`Failure::Away`]: no answer, or not for this user.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let session = self.session(None).await?;
        let answer = self.send(method.clone(), path, body, Some(&session)).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        // A token may be taken back at any time; with a password there is another.
        let session = self.session(Some(session)).await?;
        let answer = self.send(method, path, body, Some(&session)).await?;
        match answer.status {
            401 => Err(self.unknown(&answer)),
            _ => Ok(answer),
        }
    }

    /// The session; another one than `stale`.
    async fn session(&self, stale: Option<Arc<Session>>) -> Result<Arc<Session>, Failure> {
        let mut session = self.session.lock().await;
        let is_stale =
            |one: &Arc<Session>| stale.as_ref().is_some_and(|stale| Arc::ptr_eq(one, stale));
        if let Some(there) = session.as_ref().filter(|there| !is_stale(there)) {
            return Ok(Arc::clone(there));
        }
        *session = None;
        let (authorization, user) = match &self.login {
            Login::Token(token) => {
                let authorization = bearer(token.expose())?;
                let whoami = Session { authorization: authorization.clone(), user: String::new() };
                let path = ["account", "whoami"];
                let answer = self.send(Method::GET, &path, None, Some(&whoami)).await?;
                (authorization, self.user_of(&answer)?)
            }
            Login::Password { user, password, device } => {
                let body = json!({
                    "type": "m.login.password",
                    "identifier": {"type": "m.id.user", "user": user},
                    "password": password.expose(),
                    "device_id": device,
                    "initial_device_display_name": "Tubepost",
                });
                let answer = self.send(Method::POST, &["login"], Some(&body), None).await?;
                let user = self.user_of(&answer)?;
                let token = answer.body["access_token"].as_str().unwrap_or_default();
                (bearer(token)?, user)
            }
        };
        let new = Arc::new(Session { authorization, user });
        *session = Some(Arc::clone(&new));
        Ok(new)
    }

    fn user_of(&self, answer: &Answer) -> Result<String, Failure> {
        let user = answer.body["user_id"].as_str().filter(|user| user.starts_with('@'));
        match user {
            Some(user) if answer.is_good() => Ok(user.to_owned()),
            _ => Err(self.unknown(answer)),
        }
    }

    /// Nobody can be told before somebody mends it, or it asked to wait.
    fn unknown(&self, answer: &Answer) -> Failure {
        let mend = match (&self.login, answer.status, answer.code()) {
            (_, 429 | 500..=599, _) => "",
            (_, _, "") => "; check notify.matrix.url, the root of the homeserver's client API",
            (Login::Token(_), ..) => "; check notify.matrix.token_file",
            (Login::Password { .. }, ..) => "; check notify.matrix.user and password_file",
        };
        Failure::Away(format!("the homeserver {}{mend}", answer.said()))
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
        session: Option<&Session>,
    ) -> Result<Answer, Failure> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["_matrix", "client", "v3"]).extend(path);
        }
        let mut headers = HeaderMap::new();
        if let Some(session) = session {
            headers.insert(header::AUTHORIZATION, session.authorization.clone());
        }
        let body = match body {
            Some(body) => {
                let json = HeaderValue::from_static("application/json");
                headers.insert(header::CONTENT_TYPE, json);
                body.to_string().into()
            }
            None => bytes::Bytes::new(),
        };
        let sent = self.caller.send(method, &url, headers, body).await;
        let reply = sent.map_err(|error| match error {
            CallError::Forbidden(why) | CallError::Away(why) => Failure::Away(why),
        })?;
        let status = reply.status.as_u16();
        let header =
            reply.header("retry-after").and_then(|text| retry_after(text, Timestamp::now()));
        let text = reply.beginning(BODY_BYTES_MAX).await;
        let body: Value = serde_json::from_slice(&text).unwrap_or_default();
        let wait = header.or_else(|| {
            let wait = Duration::from_millis(body["retry_after_ms"].as_u64()?);
            (!wait.is_zero()).then_some(wait.min(WAIT_MAX))
        });
        Ok(Answer { status, body, wait })
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
        Failure::Away("the access token has characters that no token has".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Account data of somebody with ten thousand rooms.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
const WORDS_CHARS_MAX: usize = 200;
