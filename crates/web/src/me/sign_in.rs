//! Signing in and out.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
};
use minijinja::context;

use super::{form::Form, refused};
use crate::{
    asset::ME_STYLE,
    page,
    people::{
        People, SignedIn,
        call::{body_of, query_of},
        origin,
        refusal::Refusal,
        session,
    },
    route::Site,
    view::encoded,
};
use std::sync::Arc;

/// The form.
pub(crate) async fn ask(State(site): State<Site>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let query = query_of(&head);
    let next = query.iter().find(|(name, _)| name == "next").map_or("", |(_, value)| value);
    match &site.people {
        None => refused(&nobody()),
        Some(people) if people.session(&head).is_some() => {
            Redirect::to(within(next)).into_response()
        }
        Some(people) => Html(form(people, next, "", None)).into_response(),
    }
}

/// Somebody tries.
pub(crate) async fn act(State(site): State<Site>, request: Request) -> Response {
    let Some(people) = site.people.clone() else { return refused(&nobody()) };
    let (head, body) = request.into_parts();
    // Somebody else's page must not sign anybody in: what they do then would be seen elsewhere.
    if !origin::is_own_page(&head.uri, &head.headers) {
        return refused(&Refusal::forbidden("Pages of other sites may not sign anybody in here."));
    }
    let form_sent = match body_of(body).await {
        Ok(body) => Form::read(&body),
        Err(refusal) => return refused(&refusal),
    };
    let (name, next) = (form_sent.text("name"), form_sent.text("next"));
    let password = form_sent.get("password").unwrap_or_default();
    match begin(&people, &head, name, password).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(within(next))).into_response(),
        Err(refusal) => {
            let html = Html(form(&people, next, name, Some(&refusal.reason)));
            refusal.with_headers((refusal.status, html).into_response())
        }
    }
}

async fn begin(
    people: &Arc<People>,
    head: &Parts,
    name: &str,
    password: &str,
) -> Result<HeaderValue, Refusal> {
    welcome(people, head, people.sign_in(head, name, password).await?).await
}

/// Begins the session of somebody who is known now; the cookie.
async fn welcome(
    people: &Arc<People>,
    head: &Parts,
    login: Arc<dyn SignedIn>,
) -> Result<HeaderValue, Refusal> {
    let account = login.now().ok_or_else(Refusal::not_signed_in)?;
    // Who is new gets everybody's default rules, where there are rules at all.
    let (stores, person) = (Arc::clone(&people.stores), account.name.clone());
    let welcome = move || stores.look().and_then(|store| store.add_person(&person));
    if let Ok(Err(error)) = tokio::task::spawn_blocking(welcome).await {
        tracing::warn!(%error, name = account.name, "the default rules were not given");
    }
    let token = people.sessions.begin(login, &account.name).map_err(|error| {
        tracing::error!(error, "no session can be begun");
        Refusal::unavailable("No session can be begun now; try again.")
    })?;
    tracing::info!(name = account.name, operator = account.operator, "signed in to the pages");
    Ok(session::set_cookie(Some(&token), people.is_over_tls(head)))
}

/// To the provider, which vouches for people.
pub(crate) async fn away(State(site): State<Site>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let Some((people, oidc)) = site.people.as_ref().and_then(|it| Some((it, it.oidc.as_ref()?)))
    else {
        return refused(&nobody());
    };
    let query = query_of(&head);
    let next = query.iter().find(|(name, _)| name == "next").map_or("", |(_, value)| value);
    let over_tls = people.is_over_tls(&head);
    let redirect = format!("{}/sign-in/oidc/back", own_address(people, &head, over_tls));
    match oidc.begin(redirect, within(next)).await {
        Ok((to, state)) => {
            let cookie = session::set_state_cookie(&state, over_tls);
            ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Back from there.
pub(crate) async fn back(State(site): State<Site>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let Some(people) = site.people.clone() else { return refused(&nobody()) };
    let Some(oidc) = &people.oidc else { return refused(&nobody()) };
    let kept = session::state_cookie(&head.headers);
    let back = match oidc.finish(&query_of(&head), kept).await {
        Ok(back) => back,
        Err(refusal) => return refused(&refusal),
    };
    let next = back.next;
    match welcome(&people, &head, back.login).await.map(|cookie| (cookie, next)) {
        // A redirect would be the other site's still, and a strict cookie not sent along.
        Ok((cookie, next)) => {
            let html = page::render("me/signed_in.html", context! { next });
            ([(header::SET_COOKIE, cookie)], Html(html)).into_response()
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Where these pages are, as the browser has it; as the operator says, if they do.
fn own_address(people: &People, head: &Parts, over_tls: bool) -> String {
    if let Some(url) = &people.ways.page_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = http_door::host_of(&head.uri, &head.headers).unwrap_or("localhost");
    format!("{}://{host}", if over_tls { "https" } else { "http" })
}

/// Ends the session.
pub(crate) async fn out(State(site): State<Site>, request: Request) -> Response {
    let Some(people) = site.people.clone() else { return refused(&nobody()) };
    let (head, body) = request.into_parts();
    let form = match body_of(body).await {
        Ok(body) => Form::read(&body),
        Err(refusal) => return refused(&refusal),
    };
    let over_tls = people.is_over_tls(&head);
    if let Ok(Some(visitor)) = people.visitor(&head).await {
        if let Err(refusal) = visitor.check(&head, form.get("form_token")) {
            return refused(&refusal);
        }
        if let Some(token) = session::cookie(&head.headers, over_tls) {
            people.sessions.end(token);
        }
    }
    let cookie = session::set_cookie(None, over_tls);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response()
}

fn form(people: &People, next: &str, name: &str, problem: Option<&str>) -> String {
    let rest = context! {
        next => within(next),
        next_encoded => encoded(within(next)),
        name => crate::shown::line(name, 255),
        problem,
        provider => people.oidc.as_ref().map(|oidc| crate::shown::line(&oidc.shown(), 100)),
        me_style => ME_STYLE.path.as_str(),
    };
    page::render("me/sign_in.html", rest)
}

fn nobody() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Nobody signs in here: this server has no people's rules.")
}

/// A page of ours to go to: never another site's, however it is written.
fn within(next: &str) -> &str {
    let is_ours = next.starts_with("/me") || next.starts_with("/events/");
    match is_ours && !next.contains(['\\', '\r', '\n']) && !next.contains("//") {
        true => next,
        false => "/me/rules",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        assert_eq!(
            within("/me/why/0199-a?owner=group%3Akernel"),
            "/me/why/0199-a?owner=group%3Akernel"
        );
        for next in
            ["", "https://evil.example", "//evil.example", "/\\evil", "/me//x", "/me\r\nx: y"]
        {
            assert_eq!(within(next), "/me/rules", "{next}");
        }
    }
}
