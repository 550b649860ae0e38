//! Somebody's own feed, by its secret address. What is in it, and whose it is, somebody else knows;
//! here is HTTP: forms, entity tags, dates.

use std::{fmt, future::Future, pin::Pin};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use event::fnv_1a;
use jiff::{Timestamp, fmt::rfc2822};

use crate::route::Site;

/// Who has people's feeds.
pub trait Feeds: Send + Sync + fmt::Debug {
    /// The feed that a secret opens, as `atom` or `rss`; `None` when it opens none.
    fn find<'a>(
        &'a self,
        secret: &'a str,
        form: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<FeedDocument>, NoFeed>> + Send + 'a>>;
}

/// A feed as it is sent.
#[derive(Debug, Clone)]
pub struct FeedDocument {
    /// The whole of it.
    pub text: String,
    /// With its character set.
    pub media_type: &'static str,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The feeds cannot be read now; why is logged by who has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFeed;

pub(crate) async fn answer(
    State(site): State<Site>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(feeds) = site.feeds else { return nothing() };
    // What is no secret by its look costs no look into the store.
    let Some((secret, form)) = file.split_once('.').filter(|(secret, _)| is_secret(secret)) else {
        return nothing();
    };
    let Ok(_turn) = site.readers.acquire().await else { return nothing() };
    match feeds.find(secret, form).await {
        Ok(Some(document)) => with_validators(document, &headers),
        Ok(None) => nothing(),
        Err(NoFeed) => {
            let wait = [(header::RETRY_AFTER, "60")];
            let said = "The feeds cannot be read now; come again in a minute.\n";
            (StatusCode::SERVICE_UNAVAILABLE, wait, said).into_response()
        }
    }
}

/// The feed, or "not modified" for who has it (RFC 9110 §13.2.2: a tag goes before a date).
fn with_validators(document: FeedDocument, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:016x}\"", fnv_1a(document.text.as_bytes()));
    let said = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_known = match (said(header::IF_NONE_MATCH), said(header::IF_MODIFIED_SINCE)) {
        (Some(tags), _) => tags
            .split(',')
            .map(|it| it.trim().trim_start_matches("W/"))
            .any(|it| it == tag || it == "*"),
        // Dates have whole seconds.
        (None, Some(date)) => rfc2822::parse(date)
            .is_ok_and(|date| date.timestamp().as_second() >= document.updated_at.as_second()),
        (None, None) => false,
    };
    let dated = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&document.updated_at);
    let validators = [
        (header::ETAG, tag),
        (header::LAST_MODIFIED, dated.unwrap_or_default()),
        // Kept by the reader alone, and asked about each time.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    match is_known {
        true => (StatusCode::NOT_MODIFIED, validators).into_response(),
        false => {
            let kind = [(header::CONTENT_TYPE, document.media_type)];
            (validators, kind, document.text).into_response()
        }
    }
}

fn is_secret(text: &str) -> bool {
    text.len() == SECRET_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The same for each address that opens nothing.
fn nothing() -> Response {
    let said = "No feed is here. Its address may have been changed: tubepost notify destination \
                rotate OWNER FEED gives another.\n";
    (StatusCode::NOT_FOUND, said).into_response()
}

/// 128 bits in hexadecimal.
const SECRET_CHARS: usize = 32;
