//! The calls of the API, in one table. `assets/openapi.json` describes each; a test compares them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{RawPathParams, Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{self, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::{MethodFilter, get, on},
};

use super::{
    People,
    call::{Answer, Call, Handler, Outcome, body_of, query_of},
    choices, destinations, groups, history, origin, preview,
    refusal::Refusal,
    rules, silence,
};
use crate::route::Site;

/// Method, address, handler.
const TABLE: &[(Method, &str, Handler)] = &[
    (Method::GET, "/api/v1/me", groups::me),
    (Method::GET, "/api/v1/choices", choices::list),
    (Method::GET, "/api/v1/groups", groups::list),
    (Method::PUT, "/api/v1/groups/{name}", groups::put),
    (Method::GET, "/api/v1/rules", rules::list_all),
    (Method::GET, "/api/v1/owners/{owner}/rules", rules::list),
    (Method::POST, "/api/v1/owners/{owner}/rules", rules::add),
    (Method::GET, "/api/v1/owners/{owner}/rules/{id}", rules::get),
    (Method::PUT, "/api/v1/owners/{owner}/rules/{id}", rules::put),
    (Method::PATCH, "/api/v1/owners/{owner}/rules/{id}", rules::enable),
    (Method::DELETE, "/api/v1/owners/{owner}/rules/{id}", rules::remove),
    (Method::POST, "/api/v1/owners/{owner}/preview", preview::preview),
    (Method::GET, "/api/v1/owners/{owner}/destinations", destinations::list),
    (Method::POST, "/api/v1/owners/{owner}/destinations", destinations::add),
    (Method::DELETE, "/api/v1/owners/{owner}/destinations", destinations::remove),
    (Method::POST, "/api/v1/owners/{owner}/destinations/verify", destinations::verify),
    (Method::GET, "/api/v1/owners/{owner}/silence", silence::get),
    (Method::PATCH, "/api/v1/owners/{owner}/silence", silence::change),
    (Method::GET, "/api/v1/owners/{owner}/history", history::list),
    (Method::GET, "/api/v1/owners/{owner}/why/{event}", history::why),
];

/// The routes of the API.
pub(crate) fn routes() -> Router<Site> {
    let described = get(|headers: HeaderMap| async move {
        crate::asset::OPENAPI.answer(headers.get(header::IF_NONE_MATCH))
    });
    let router = Router::new().route(DESCRIPTION, described);
    TABLE.iter().fold(router, |router, (method, path, handler)| {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        let handler = *handler;
        let answer = move |State(site): State<Site>, places: RawPathParams, request: Request| {
            answer(site, handler, owned(&places), request)
        };
        router.route(path, on(filter, answer))
    })
}

/// Addresses that have logins of their own.
pub(crate) fn is_here(path: &str) -> bool {
    path.starts_with("/api/v1/") || path == DESCRIPTION
}

fn owned(places: &RawPathParams) -> Vec<(String, String)> {
    places.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn answer(
    site: Site,
    handler: Handler,
    places: Vec<(String, String)>,
    request: Request,
) -> Response {
    let by_browser = request.headers().contains_key("sec-fetch-site");
    match call(site, handler, places, request).await {
        Ok(Answer::Json(value)) => Json(value).into_response(),
        Ok(Answer::Made(value)) => (StatusCode::CREATED, Json(value)).into_response(),
        Ok(Answer::Accepted(value)) => (StatusCode::ACCEPTED, Json(value)).into_response(),
        Ok(Answer::Done) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => {
            let mut answer = refusal.into_response();
            // A browser would ask for the password in a window of its own.
            if let (true, Some(ask)) = (by_browser, answer.headers_mut().get_mut(WWW_AUTHENTICATE))
            {
                *ask = HeaderValue::from_static("Session realm=\"Tubepost\"");
            }
            answer
        }
    }
}

async fn call(
    site: Site,
    handler: Handler,
    places: Vec<(String, String)>,
    request: Request,
) -> Outcome {
    let people: Arc<People> = site.people.clone().ok_or_else(|| {
        Refusal::not_found("Nobody signs in here: this server runs without people's rules.")
    })?;
    let (head, body) = request.into_parts();
    let visitor = people.visitor(&head).await?.ok_or_else(|| {
        let said = "Sign in: HTTP Basic with a user's name and password, or a session's cookie.";
        Refusal::new(StatusCode::UNAUTHORIZED, said)
    })?;
    if !origin::is_safe(&head.method) {
        visitor.check(&head, None)?;
    }
    let body = body_of(body).await?;
    let (feed, schemas, query) = (site.feed, site.schemas, query_of(&head));
    Call { people, feed, schemas, visitor, places, query, body }.run(handler).await
}

/// Where the API is described.
pub(crate) const DESCRIPTION: &str = "/api/openapi.json";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_call_is_described_and_nothing_else() {
        let described: serde_json::Value =
            serde_json::from_str(include_str!("../../assets/openapi.json")).unwrap();
        let methods = ["get", "post", "put", "patch", "delete"];
        let described: BTreeSet<String> = described["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let keys = item.as_object().unwrap().keys();
                keys.filter(|key| methods.contains(&key.as_str()))
                    .map(move |key| format!("{} {path}", key.to_uppercase()))
            })
            .collect();
        let here: BTreeSet<String> =
            TABLE.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        assert_eq!(described, here);
    }
}
