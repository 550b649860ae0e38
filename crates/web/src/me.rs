//! A person's pages: sign in, rules, destinations, silence, history. HTML from the server that
//! works without a script; what they show and do is `people`'s, as the API's.

mod destinations;
mod form;
mod frame;
mod history;
mod quiet;
mod rule_form;
mod rules;
mod sign_in;
mod words;

use axum::{
    Router,
    extract::{RawPathParams, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{MethodRouter, get, post},
};

use crate::{
    page,
    people::{
        call::{Call, body_of, query_of},
        origin,
        refusal::Refusal,
    },
    route::Site,
    view::encoded,
};
use form::Form;

/// What a page comes to.
pub(crate) enum Shown {
    /// This HTML.
    Page(String),
    /// This HTML, and what was asked for was not done.
    Problem(StatusCode, String),
    /// This JSON, for the page's script.
    Json(serde_json::Value),
    /// Another page.
    Elsewhere(String),
}

type Look = fn(&Call) -> Result<Shown, Refusal>;
type Act = fn(&Call, &Form) -> Result<Shown, Refusal>;

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/sign-in", get(sign_in::ask).post(sign_in::act))
        .route("/sign-in/oidc", get(sign_in::away))
        .route("/sign-in/oidc/back", get(sign_in::back))
        .route("/sign-out", post(sign_in::out))
        .route("/me", get(|| async { Redirect::to("/me/rules") }))
        .route("/me/rules", shows(rules::list).post(does(rules::act)))
        .route("/me/rules/new", shows(rules::new).post(does(rules::save_new)))
        .route("/me/rules/{id}", shows(rules::edit).post(does(rules::save)))
        .route("/me/destinations", shows(destinations::list).post(does(destinations::act)))
        .route("/me/quiet", shows(quiet::show).post(does(quiet::act)))
        .route("/me/history", shows(history::list))
        .route("/me/why/{event}", shows(history::why))
}

/// Addresses that have a login of their own.
pub(crate) fn is_here(path: &str) -> bool {
    path == "/me"
        || path.starts_with("/me/")
        || path == "/sign-out"
        || path == "/sign-in"
        || path.starts_with("/sign-in/")
}

fn shows(look: Look) -> MethodRouter<Site> {
    get(move |State(site): State<Site>, places: RawPathParams, request: Request| async move {
        answer(enter(site, &places, request).await, move |call, _| look(call)).await
    })
}

fn does(
    act: Act,
) -> impl Fn(
    State<Site>,
    RawPathParams,
    Request,
) -> std::pin::Pin<Box<dyn Future<Output = Response> + Send>>
+ Clone
+ Send
+ Sync
+ 'static {
    move |State(site): State<Site>, places: RawPathParams, request: Request| {
        Box::pin(async move { answer(enter(site, &places, request).await, act).await })
    }
}

async fn answer(
    entered: Result<(Call, Form), Response>,
    work: impl FnOnce(&Call, &Form) -> Result<Shown, Refusal> + Send + 'static,
) -> Response {
    let (call, form) = match entered {
        Ok(entered) => entered,
        Err(answer) => return answer,
    };
    match call.run(move |call| work(call, &form)).await {
        Ok(Shown::Page(html)) => Html(html).into_response(),
        Ok(Shown::Problem(status, html)) => (status, Html(html)).into_response(),
        Ok(Shown::Json(value)) => axum::Json(value).into_response(),
        Ok(Shown::Elsewhere(path)) => Redirect::to(&path).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

/// Who asks, and with what; or where to sign in.
async fn enter(
    site: Site,
    places: &RawPathParams,
    request: Request,
) -> Result<(Call, Form), Response> {
    let Some(people) = site.people.clone() else {
        let said = "Nobody signs in here: this server runs without people's rules.";
        return Err(refused(&Refusal::not_found(said)));
    };
    let (head, body) = request.into_parts();
    let visitor = match people.visitor(&head).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return Err(to_sign_in(&head.uri, &head.headers)),
        Err(refusal) => return Err(refused(&refusal)),
    };
    let body = body_of(body).await.map_err(|refusal| refused(&refusal))?;
    let form = Form::read(&body);
    if !origin::is_safe(&head.method) {
        visitor.check(&head, form.get("form_token")).map_err(|refusal| refused(&refusal))?;
    }
    let query = query_of(&head);
    let own = || visitor.account.name.clone();
    let owner = query.iter().find(|(name, value)| name == "owner" && !value.is_empty());
    let mut all = vec![("owner".to_owned(), owner.map_or_else(own, |(_, owner)| owner.clone()))];
    all.extend(places.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    let (feed, schemas) = (site.feed, site.schemas);
    Ok((Call { people, feed, schemas, visitor, places: all, query, body }, form))
}

/// Where somebody signs in, to come back here.
fn to_sign_in(uri: &Uri, headers: &HeaderMap) -> Response {
    let wants_json = headers.get(header::ACCEPT).is_some_and(|it| it == JSON);
    if wants_json {
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "The session has ended; sign in again.");
        return refusal.into_response();
    }
    let here = uri.path_and_query().map_or("/me", |it| it.as_str());
    Redirect::to(&format!("/sign-in?next={}", encoded(here))).into_response()
}

fn refused(refusal: &Refusal) -> Response {
    let title = match refusal.status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::FORBIDDEN => "Not yours",
        StatusCode::UNAUTHORIZED => "Not signed in",
        _ => "Not done",
    };
    let html = page::refusal(title, &refusal.reason);
    refusal.with_headers((refusal.status, Html(html)).into_response())
}

/// What the page's script asks for.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
