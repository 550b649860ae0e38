//! The schemas in force: as files and an index for programs, which keep what they have as long as
//! its entity tag is the same, and as pages for people.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use event::{Catalogue, Schema};
use serde_json::json;

use crate::{page, query::Query, route::Site};

/// All schemas: a page, or the index for who asks for JSON.
pub(crate) async fn list(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if accepts.contains("application/json") && !accepts.contains("text/html") {
        return index(State(site), headers).await;
    }
    let text = Query::of(&uri).asked().text;
    let schemas = site.schemas.schemas();
    let found: Vec<&Arc<Schema>> =
        schemas.iter().filter(|schema| is_about(schema, &text)).collect();
    Html(page::schemas(&found, schemas.len(), &text)).into_response()
}

/// The index: name, version and entity tag of each.
pub(crate) async fn index(State(site): State<Site>, headers: HeaderMap) -> Response {
    let (catalogue, tag) = Catalogue::of(&site.schemas);
    tagged(&tag, &headers, || Json(catalogue).into_response())
}

/// One schema: its file with `.json`, its page without.
pub(crate) async fn one(
    State(site): State<Site>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    // A schema may be called so itself; its own name goes before.
    let as_file = name.strip_suffix(".json").filter(|_| named(&site, &name).is_none());
    let Some(schema) = named(&site, as_file.unwrap_or(&name)) else {
        let said = "No schema here has this name; the list has all.";
        return match as_file {
            Some(_) => (StatusCode::NOT_FOUND, Json(json!({"error": said}))).into_response(),
            None => {
                let page = page::refusal("No such schema", said);
                (StatusCode::NOT_FOUND, Html(page)).into_response()
            }
        };
    };
    match as_file {
        None => {
            let mut examples = site.schemas.told_examples(&schema);
            examples.truncate(EXAMPLES_SHOWN_MAX);
            Html(page::schema(&schema, &examples)).into_response()
        }
        Some(_) => tagged(&schema.tag(), &headers, || {
            let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
            (kind, schema.text().to_owned()).into_response()
        }),
    }
}

/// `/schemas/` is what people type.
pub(crate) async fn folder() -> Redirect {
    Redirect::permanent("/schemas")
}

fn named(site: &Site, name: &str) -> Option<Arc<Schema>> {
    site.schemas.schema(name)
}

/// Whether each word is somewhere in what identifies the schema.
fn is_about(schema: &Schema, text: &str) -> bool {
    let topics: Vec<&str> = schema.topics().iter().map(event::Pattern::as_str).collect();
    let all =
        [schema.name(), schema.title(), schema.description(), schema.owner(), &topics.join(" ")]
            .join(" ")
            .to_lowercase();
    text.to_lowercase().split_whitespace().all(|word| all.contains(word))
}

/// The answer with its tag, or "not modified" for who has it (RFC 9110 §13.1.2).
fn tagged(tag: &str, headers: &HeaderMap, answer: impl FnOnce() -> Response) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|tags| {
        tags.split(',')
            .map(|it| it.trim().trim_start_matches("W/"))
            .any(|it| it == tag || it == "*")
    });
    let mut answer = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { answer() };
    if let Ok(tag) = HeaderValue::from_str(tag) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    // Kept, and asked about each time.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

const EXAMPLES_SHOWN_MAX: usize = 50;
