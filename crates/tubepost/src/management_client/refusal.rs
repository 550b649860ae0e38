//! The API's way to say no, `{"error": …, "reason": …}`, as a sentence.

use std::fmt;

use hyper::StatusCode;
use serde_json::Value;

use super::Endpoint;

/// What was refused, to whom, why, and the mend.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Refusal {
    subject: String,
    mend: Option<String>,
    status: StatusCode,
    reason: Option<String>,
    user: Option<String>,
}

impl Refusal {
    pub(super) fn new(
        endpoint: &Endpoint,
        status: StatusCode,
        body: &Value,
        user: Option<String>,
    ) -> Refusal {
        Refusal {
            subject: endpoint.subject().to_owned(),
            mend: endpoint.mend().map(str::to_owned),
            status,
            reason: sentence(&body["reason"]).or_else(|| sentence(&body["error"])),
            user,
        }
    }

    /// Whether there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    fn is_login(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        self.status == StatusCode::UNAUTHORIZED && reason.starts_with("Login failed")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.as_deref().unwrap_or("no reason is given");
        let to = self.user.as_ref().map(|user| format!(" to user '{user}'")).unwrap_or_default();
        if self.is_login() {
            let user = self.user.as_deref().unwrap_or_default();
            return write!(
                f,
                "login of user '{user}' is refused: {reason}; give another in --url or \
                 TUBEPOST_MANAGEMENT_URL (guest may log in on its own machine only)"
            );
        }
        match self.status {
            StatusCode::NOT_FOUND => {
                let why = reason.strip_prefix("Not Found: ").unwrap_or(reason);
                let is_bare = ["Not Found", "Object Not Found"].contains(&why);
                let why = if is_bare { String::new() } else { format!(" ({why})") };
                write!(f, "{}: not found{why}", self.subject)?;
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let mend = "it may be the server's own, or need another user tag or permission";
                return write!(f, "{}: is refused{to}: {reason}; {mend}", self.subject);
            }
            _ => write!(f, "{}: is refused{to}: {reason}", self.subject)?,
        }
        // Of something else that it needs, RabbitMQ says 400.
        let is_missing = self.is_not_found() || reason.to_lowercase().contains("not found");
        match self.mend.as_ref().filter(|_| is_missing) {
            Some(mend) => write!(f, "; {mend}"),
            None => Ok(()),
        }
    }
}

// RabbitMQ gives lines, words with underscores, text that is escaped for a page, and objects.
fn sentence(reason: &Value) -> Option<String> {
    let text = match reason {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text, |text, (escaped, plain)| text.replace(escaped, plain));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("; ");
    let text = text.trim_end_matches('.');
    match text.is_empty() {
        true => None,
        false if text.contains(' ') => Some(text.to_owned()),
        false => Some(text.replace('_', " ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(status: u16, body: &Value) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        let endpoint = Endpoint::queue("/", "jobs");
        Refusal::new(&endpoint, status, body, Some("ada".to_owned())).to_string()
    }

    #[test]
    fn a_refusal_is_one_sentence_with_what_and_whom() {
        for (status, body, expected) in [
            (
                404,
                json!({"error": "Object Not Found", "reason": "Not Found"}),
                "queue 'jobs' in virtual host '/': not found; see tubepost queue list",
            ),
            (
                404,
                json!({"error": "not_found", "reason": "vhost_not_found"}),
                "queue 'jobs' in virtual host '/': not found (vhost not found); \
                 see tubepost queue list",
            ),
            (
                404,
                json!({"error": "not_found", "reason": "Not Found: no queue 'jobs'"}),
                "queue 'jobs' in virtual host '/': not found (no queue 'jobs'); \
                 see tubepost queue list",
            ),
            (
                400,
                json!({"error": "bad_request", "reason": "vhost_not_found"}),
                "queue 'jobs' in virtual host '/': is refused to user 'ada': vhost not found; \
                 see tubepost queue list",
            ),
            (
                400,
                json!({"error": "bad_request", "reason": "Validation failed\n\n&lt;&lt;x&gt;&gt;\n"}),
                "queue 'jobs' in virtual host '/': is refused to user 'ada': \
                 Validation failed; <<x>>",
            ),
            (
                401,
                json!({"error": "not_authorised", "reason": "Access refused."}),
                "queue 'jobs' in virtual host '/': is refused to user 'ada': Access refused; \
                 it may be the server's own, or need another user tag or permission",
            ),
            (
                401,
                json!({"error": "not_authorized", "reason": "Login failed"}),
                "login of user 'ada' is refused: Login failed; give another in --url or \
                 TUBEPOST_MANAGEMENT_URL (guest may log in on its own machine only)",
            ),
            (
                400,
                json!({"error": "bad_request", "reason": {"a": [1]}}),
                "queue 'jobs' in virtual host '/': is refused to user 'ada': {\"a\":[1]}",
            ),
            (
                500,
                json!(null),
                "queue 'jobs' in virtual host '/': is refused to user 'ada': no reason is given",
            ),
        ] {
            assert_eq!(said(status, &body), expected);
        }
    }
}
