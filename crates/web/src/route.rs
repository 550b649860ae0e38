//! Addresses to answers.

use std::{future::ready, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{any, get},
};
use event::Registry;
use http_door::WebSockets;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use crate::{
    People, api, asset, catalogue,
    feed::{Bus, Feed},
    filter::Problem,
    guard::{Guard, guard},
    me, page,
    people::table,
    personal_feed::{self, Feeds},
    publish::{self, Door},
    query::Query,
    serve::Metrics,
    stream::{self, Wanted},
    unsubscribe::{self, Unsubscribing},
};

/// What the answers are made of.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) feed: Feed,
    /// True when the server is to stop: the open streams end.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) notice: Option<Arc<str>>,
    pub(crate) metrics: Option<Arc<dyn Metrics>>,
    pub(crate) schemas: Registry,
    pub(crate) publishing: Option<Arc<Door>>,
    pub(crate) unsubscribing: Option<Arc<dyn Unsubscribing>>,
    /// Who may ask for that at once.
    pub(crate) farewells: Arc<Semaphore>,
    pub(crate) feeds: Option<Arc<dyn Feeds>>,
    /// Turns at them.
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) people: Option<Arc<People>>,
}

pub(crate) fn router(site: Site, websockets: Option<WebSockets>, guarded: Guard) -> Router {
    pages()
        .merge(table::routes())
        .merge(me::routes())
        .merge(websockets.map(opening).unwrap_or_default())
        .fallback(no_page)
        .with_state(site)
        .layer(middleware::from_fn_with_state(Arc::new(guarded), guard))
}

fn pages() -> Router<Site> {
    Router::new()
        .route("/", get(feed_page))
        .route("/events", get(|| async { Redirect::permanent("/") }).post(publish::events))
        .route("/events.json", get(events_json))
        .route("/events/stream", get(event_stream))
        .route("/events/{key}", get(event_page))
        .route("/schemas", get(catalogue::list))
        .route("/schemas/", get(catalogue::folder))
        .route("/schemas.json", get(catalogue::index))
        .route("/schemas/{name}", get(catalogue::one))
        .route("/feeds/{file}", get(personal_feed::answer))
        .route("/assets/{file}", get(asset_file))
        .route("/worker.js", get(worker))
        .route("/favicon.ico", get(|| async { Redirect::permanent(&asset::ICON.path) }))
        .route("/unsubscribe/{token}", get(unsubscribe::ask).post(unsubscribe::act))
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/health/ready", get(health_ready))
}

/// By whatever method somebody comes: what is wrong with a request is said by the answer.
fn opening(websockets: WebSockets) -> Router<Site> {
    let paths = websockets.paths;
    let answer = any(move |request: Request| ready(websockets.answer(request)));
    paths.iter().fold(Router::new(), |router, path| router.route(path, answer.clone()))
}

async fn feed_page(State(site): State<Site>, uri: Uri) -> Response {
    let query = Query::of(&uri);
    let found = query.filter().map(|filter| site.feed.newest(&filter, query.limit()));
    match found {
        Err(problem) if problem.field == "limit" => {
            refusal(StatusCode::BAD_REQUEST, "No such limit", &problem.message)
        }
        found => {
            let status = if found.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
            let page = page::feed(&site.feed, &query.asked(), found, site.notice.as_deref());
            (status, Html(page)).into_response()
        }
    }
}

async fn events_json(State(site): State<Site>, uri: Uri) -> Response {
    let query = Query::of(&uri);
    match query.filter() {
        Ok(filter) => {
            let (rows, position) = site.feed.newest(&filter, query.limit());
            Json(api::events(&site.feed, &rows, position)).into_response()
        }
        Err(problem) => refuse_query(&problem),
    }
}

async fn event_stream(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> Response {
    let query = Query::of(&uri);
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(problem) => return refuse_query(&problem),
    };
    let Ok(slot) = Arc::clone(&site.streams).try_acquire_owned() else {
        let said = "Too many live pages are open; close one, or try again later.";
        let wait = [(header::RETRY_AFTER, "10")];
        return (StatusCode::SERVICE_UNAVAILABLE, wait, Json(json!({"error": said})))
            .into_response();
    };
    // What a browser says when it connects again is newer than the address it first asked for.
    let after = match headers.get("last-event-id").and_then(|id| id.to_str().ok()) {
        Some(last) => last.parse().ok(),
        None => query.after(),
    };
    stream::answer(site.feed, Wanted { asked: query.asked(), filter, after }, site.stop, slot)
}

async fn event_page(State(site): State<Site>, Path(key): Path<String>) -> Response {
    // No key ends in ".json": see entry::key_of_id.
    let (key, as_json) = match key.strip_suffix(".json") {
        Some(key) => (key, true),
        None => (key.as_str(), false),
    };
    match (site.feed.get(key), as_json) {
        (Some(entry), true) => api::event(&entry).into_response(),
        (Some(entry), false) => Html(page::event_page(&entry)).into_response(),
        (None, as_json) => {
            let said = format!(
                "It is not among the {} events kept here now: it may be older, or come from before \
                 the last start.",
                site.feed.len()
            );
            match as_json {
                true => (StatusCode::NOT_FOUND, Json(json!({"error": said}))).into_response(),
                false => refusal(StatusCode::NOT_FOUND, "This event is not here", &said),
            }
        }
    }
}

async fn worker(headers: HeaderMap) -> Response {
    asset::WORKER.answer(headers.get(header::IF_NONE_MATCH))
}

async fn asset_file(uri: Uri, headers: HeaderMap) -> Response {
    match asset::find(uri.path()) {
        Some(asset) => asset.answer(headers.get(header::IF_NONE_MATCH)),
        None => no_page(uri).await,
    }
}

async fn health_ready(State(site): State<Site>) -> Response {
    let (status, said) = match site.feed.bus() {
        Bus::Connected => (StatusCode::OK, json!({"status": "ok"})),
        Bus::Connecting => {
            (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "connecting to the bus"}))
        }
        Bus::Away { since, reason } => {
            let since = since.to_string();
            let said = json!({"status": "the bus is away", "since": since, "reason": reason});
            (StatusCode::SERVICE_UNAVAILABLE, said)
        }
    };
    (status, Json(said)).into_response()
}

async fn metrics(State(site): State<Site>, uri: Uri) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    match site.metrics {
        Some(metrics) => {
            let (text, failures) = (metrics.text(), site.schemas.failures());
            (content_type, format!("{text}{TEMPLATE_FAILURES}{failures}\n")).into_response()
        }
        None => no_page(uri).await,
    }
}

async fn no_page(uri: Uri) -> Response {
    let path = crate::shown::line(uri.path(), 200);
    let said = format!(
        "Nothing is at {path}. The live feed is at /, an event at /events/ID (as JSON at \
         /events/ID.json), a list of events at /events.json, the schemas at /schemas."
    );
    match path.ends_with(".json") || path.starts_with("/api/v1/") {
        true => (StatusCode::NOT_FOUND, Json(json!({"error": said}))).into_response(),
        false => refusal(StatusCode::NOT_FOUND, "No such page", &said),
    }
}

fn refusal(status: StatusCode, title: &str, said: &str) -> Response {
    (status, Html(page::refusal(title, said))).into_response()
}

fn refuse_query(problem: &Problem) -> Response {
    let said = json!({"error": problem.message, "field": problem.field});
    (StatusCode::BAD_REQUEST, Json(said)).into_response()
}

const TEMPLATE_FAILURES: &str = "\
# HELP tubepost_event_template_failures_total Events said generically: a template failed
# TYPE tubepost_event_template_failures_total counter
tubepost_event_template_failures_total ";
