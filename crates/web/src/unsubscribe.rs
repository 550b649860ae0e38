//! The way out of mails, for who has an address from one: a page that asks on GET, as programs look
//! at links that nobody clicked; the act on POST, as RFC 8058 has it and as the page's button does.
//! Knows neither rules nor mail.

use std::{fmt, sync::Arc};

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use crate::{page, route::Site, shown};

/// Ends what mails came of. May wait for a disk or a database; the pages ask on a thread for that.
pub trait Unsubscribing: fmt::Debug + Send + Sync {
    /// The names of what this token would end; `None` for a token that is none.
    ///
    /// # Errors
    /// For the log.
    fn would_end(&self, token: &str) -> Result<Option<Vec<String>>, String>;

    /// Ends it; what is ended already stays so.
    ///
    /// # Errors
    /// For the log.
    fn end(&self, token: &str) -> Result<Option<Vec<String>>, String>;
}

pub(crate) async fn ask(State(site): State<Site>, Path(token): Path<String>) -> Response {
    match judged(&site, move |door| door.would_end(&token)).await {
        Ok(names) => Html(page::unsubscribe(&names, false)).into_response(),
        Err(refusal) => refusal,
    }
}

pub(crate) async fn act(State(site): State<Site>, Path(token): Path<String>) -> Response {
    match judged(&site, move |door| door.end(&token)).await {
        Ok(names) => Html(page::unsubscribe(&names, true)).into_response(),
        Err(refusal) => refusal,
    }
}

async fn judged(
    site: &Site,
    ask: impl FnOnce(&dyn Unsubscribing) -> Result<Option<Vec<String>>, String> + Send + 'static,
) -> Result<Vec<String>, Response> {
    let unknown = || {
        refused(
            StatusCode::NOT_FOUND,
            "No such subscription",
            "This address is not one of ours, or not whole: copy all of it from the mail.",
        )
    };
    let Some(door) = site.unsubscribing.clone() else { return Err(unknown()) };
    let Ok(_turn) = Arc::clone(&site.farewells).try_acquire_owned() else {
        return Err(refused(StatusCode::SERVICE_UNAVAILABLE, "Not now", TRY_AGAIN));
    };
    let asked = tokio::task::spawn_blocking(move || ask(&*door)).await;
    match asked.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(Some(names)) => Ok(names.iter().map(|name| shown::line(name, 200)).collect()),
        Ok(None) => Err(unknown()),
        Err(reason) => {
            tracing::warn!("somebody could not be unsubscribed: {reason}");
            Err(refused(StatusCode::SERVICE_UNAVAILABLE, "Not now", TRY_AGAIN))
        }
    }
}

fn refused(status: StatusCode, title: &str, said: &str) -> Response {
    (status, Html(page::refusal(title, said))).into_response()
}

/// At once; each is a transaction.
pub(crate) const AT_ONCE: usize = 4;
/// The path below which nobody is asked for a login: the token is it.
pub(crate) const PATH: &str = "/unsubscribe/";
const TRY_AGAIN: &str = "Nothing was changed. Try again in a minute.";
