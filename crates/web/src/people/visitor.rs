//! Who asks: by the session of their browser, or by name and password (HTTP Basic) for programs.

use axum::http::{HeaderMap, header, request::Parts};
use subtle::ConstantTimeEq;

use super::{
    Account, Attempt, NotSignedIn, People, SignedIn, origin,
    refusal::Refusal,
    session::{self, Found},
};
use crate::guard::basic;
use std::sync::Arc;

/// Somebody who is known.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) account: Account,
    /// What their forms have to bring along; none for a program with a password.
    pub(crate) form_token: Option<String>,
}

impl People {
    /// Who sends this request; `None` when it says nothing of that.
    ///
    /// # Errors
    /// What it says is wrong.
    pub(crate) async fn visitor(&self, head: &Parts) -> Result<Option<Visitor>, Refusal> {
        if let Some(Found { account, form_token }) = self.session(head) {
            return Ok(Some(Visitor { account, form_token: Some(form_token) }));
        }
        let Some((name, password)) = head.headers.get(header::AUTHORIZATION).and_then(basic) else {
            return Ok(None);
        };
        let signed_in = self.sign_in(head, &name, &password).await?;
        let account = signed_in.now().ok_or_else(Refusal::not_signed_in)?;
        Ok(Some(Visitor { account, form_token: None }))
    }

    /// The session of a request, if it has a good one.
    pub(crate) fn session(&self, head: &Parts) -> Option<Found> {
        self.sessions.find(session::cookie(&head.headers, self.is_over_tls(head))?)
    }

    /// Checks a name and a password.
    ///
    /// # Errors
    /// They are wrong; too many were, lately.
    pub(crate) async fn sign_in(
        &self,
        head: &Parts,
        name: &str,
        password: &str,
    ) -> Result<Arc<dyn SignedIn>, Refusal> {
        let (from, is_far) = origin::peer(head);
        let Ok(_turn) = self.logins.acquire().await else {
            return Err(Refusal::unavailable("The server stops."));
        };
        let tried = self.accounts.sign_in(Attempt { name, password, from, is_far }).await;
        tried.map_err(|why| match why {
            NotSignedIn::Refused => Refusal::not_signed_in(),
            NotSignedIn::Later(wait) => Refusal::later(
                "Too many logins failed here; wait, and try again.",
                wait.as_secs().max(1),
            ),
        })
    }

    /// Whether the browser at the other end speaks TLS.
    pub(crate) fn is_over_tls(&self, head: &Parts) -> bool {
        origin::is_over_tls(head, self.ways.page_url.as_deref())
    }
}

impl Visitor {
    /// Whether they may change something by this request, whose form or header has this token. A
    /// browser adds the cookie by itself, whoever made it send the request; the token it does not.
    ///
    /// # Errors
    /// It is another site's page that asks; or the token is missing.
    pub(crate) fn check(&self, head: &Parts, token: Option<&str>) -> Result<(), Refusal> {
        if !origin::is_own_page(&head.uri, &head.headers) {
            return Err(Refusal::forbidden("Pages of other sites may not change anything here."));
        }
        let Some(expected) = &self.form_token else { return Ok(()) };
        let given = token.or_else(|| token_of(&head.headers)).unwrap_or_default();
        match bool::from(given.as_bytes().ct_eq(expected.as_bytes())) {
            true => Ok(()),
            false => Err(Refusal::forbidden(
                "This form is of another session; load the page again. (Programs: header \
                 x-form-token, or HTTP Basic instead of a cookie.)",
            )),
        }
    }
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-form-token").and_then(|value| value.to_str().ok())
}
