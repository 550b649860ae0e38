//! The pages over a real socket: what is shown, what is refused, what every answer carries.

use std::{future::Future, pin::Pin, sync::Arc};

use crate::sample::{described, event};
use crate::site::{Answer, Site};
use web::{Bus, Error, Feed, Login, Options};

fn push(feed: &Feed, topic: &str, id: &str, summary: &str) {
    let mut event = event(topic);
    event.id = id.to_owned();
    let mut told = described(summary);
    told.people = vec!["ada".to_owned()];
    feed.push(event, told);
}

async fn site_with_three() -> Site {
    let site = Site::start(Options::default()).await;
    push(&site.feed, "org.example.git.receive", "id-1", "the first");
    push(&site.feed, "org.example.build.done", "id-2", "the second");
    push(&site.feed, "org.example.git.receive", "id-3", "the third");
    site
}

fn place(answer: &Answer, text: &str) -> usize {
    answer.body.find(text).unwrap_or_else(|| panic!("no {text} in {}", answer.body))
}

#[tokio::test]
async fn the_page_shows_the_newest_first_without_any_script() {
    let site = site_with_three().await;
    let page = site.get("/").await;
    assert_eq!(page.status, 200);
    assert!(place(&page, "the third") < place(&page, "the second"));
    assert!(place(&page, "the second") < place(&page, "the first"));
    assert!(page.body.contains("data-event-id=\"id-2\" data-topic=\"org.example.build.done\""));
    assert!(page.body.contains("href=\"/events/id-2\""));
    assert!(page.body.contains("href=\"/?text=person%3Aada\""));
}

#[tokio::test]
async fn a_notice_stands_on_top_of_the_feed_as_text() {
    let notice = Some("synced <every> 200ms only".to_owned());
    let site = Site::start(Options { notice, ..Options::default() }).await;
    let page = site.get("/").await;
    let notice = place(&page, "id=\"notice\"");
    assert!(page.body[notice..].contains("synced &lt;every&gt; 200ms only"), "{}", page.body);
    assert!(notice < place(&page, "id=\"feed\""));
    let site = Site::start(Options::default()).await;
    assert!(!site.get("/").await.body.contains("id=\"notice\""));
}

#[tokio::test]
async fn the_filter_is_a_form_and_tells_what_is_wrong_beside_its_field() {
    let site = site_with_three().await;
    let page = site.get("/?pattern=%23.git.*&text=FIRST").await;
    assert!(page.body.contains("the first"));
    assert!(!page.body.contains("the second") && !page.body.contains("the third"));
    assert!(page.body.contains("value=\"#.git.*\"") && page.body.contains("value=\"FIRST\""));

    let nothing = site.get("/?text=nothing+of+that").await;
    assert_eq!(nothing.status, 200);
    assert!(nothing.body.contains("data-empty=\"no-match\""));

    let wrong = site.get("/?pattern=git*").await;
    assert_eq!(wrong.status, 400);
    let beside = place(&wrong, "id=\"pattern-problem\"");
    assert!(wrong.body[beside..].split("</span>").next().unwrap().contains("whole word"));
    assert!(wrong.body.contains("value=\"git*\""));
    assert_eq!(site.get("/?limit=many").await.status, 400);
}

#[tokio::test]
async fn an_empty_feed_says_what_to_type() {
    let site = Site::start(Options::default()).await;
    let page = site.get("/").await;
    assert!(page.body.contains("data-empty=\"no-event\""));
    assert!(page.body.contains("tubepost publish org.example.hello"));
}

#[tokio::test]
async fn an_event_has_a_page_and_its_json_is_as_published() {
    let site = Site::start(Options::default()).await;
    let mut event = event("org.example.git.receive");
    let body = r#"{"n": 12345678901234567890123, "x":1.50,"commit":{"patch":"p"}}"#;
    event.body = event::Body::parse(body.to_owned()).unwrap();
    event.headers.insert("x-one".to_owned(), "two".into());
    let mut told = described("a push");
    told.patch = Some("@@ -1 +1 @@\n-old\n+new\n".to_owned());
    let id = event.id.clone();
    site.feed.push(event, told);

    let page = site.get(&format!("/events/{id}")).await;
    assert_eq!(page.status, 200);
    for part in [
        "<span class=\"add\">+new\n</span>",
        "<span class=\"num\">12345678901234567890123</span>",
        "<span class=\"num\">1.50</span>",
        "<bdi>x-one</bdi></th><td><bdi>two</bdi>",
    ] {
        place(&page, part);
    }
    let json = site.get(&format!("/events/{id}.json")).await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    place(&json, &format!("\"body\":{body}"));
    let whole: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(whole["description"]["summary"], "a push");
    assert_eq!(whole["headers"]["x-one"], "two");
}

#[tokio::test]
async fn the_list_as_json_is_filtered_and_limited() {
    let site = site_with_three().await;
    site.feed.set_bus(Bus::Connected);
    let list = site.get("/events.json?pattern=%23.receive&limit=1").await;
    let list: serde_json::Value = serde_json::from_str(&list.body).unwrap();
    assert_eq!(list["events"].as_array().unwrap().len(), 1);
    assert_eq!(list["events"][0]["id"], "id-3");
    assert_eq!(list["events"][0]["path"], "/events/id-3");
    assert_eq!((&list["kept"], &list["bus"]), (&3.into(), &"connected".into()));

    let wrong = site.get("/events.json?pattern=a*").await;
    assert_eq!(wrong.status, 400);
    let wrong: serde_json::Value = serde_json::from_str(&wrong.body).unwrap();
    assert_eq!(wrong["field"], "pattern");
}

#[tokio::test]
async fn what_is_not_there_is_said_with_where_to_look() {
    let site = site_with_three().await;
    for path in ["/nothing", "/events/unknown", "/assets/feed.css", "/api/overview"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("href=\"/\""), "{path}");
    }
    for path in ["/events/unknown.json", "/nothing.json"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.starts_with("{\"error\":"), "{path}");
    }
    assert_eq!(site.request("POST", "/", &[]).await.status, 405);
    assert_eq!(site.get("/events").await.header("location"), Some("/"));
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_distrust_it() {
    let site = site_with_three().await;
    let style = site.asset("css").await;
    for path in ["/", "/events/id-1", "/events/id-1.json", "/nothing", "/?pattern=a*", &style] {
        let answer = site.get(path).await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
    }
    let answer = site.request("GET", "/", &[("host", "evil.example")]).await;
    assert!(answer.header("content-security-policy").is_some());
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_addresses_that_name_their_content() {
    let site = site_with_three().await;
    for (extension, media_type) in
        [("css", "text/css"), ("js", "text/javascript"), ("svg", "image/svg+xml")]
    {
        let path = site.asset(extension).await;
        let asset = site.get(&path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert!(asset.header("content-type").unwrap().starts_with(media_type));
        assert!(asset.header("cache-control").unwrap().contains("immutable"));
        let etag = asset.header("etag").unwrap().to_owned();
        let again = site.request("GET", &path, &[("if-none-match", &etag)]).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""));
    }
    assert_eq!(site.get("/").await.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_strange_host_is_refused_on_loopback() {
    let site = site_with_three().await;
    for host in ["evil.example", "evil.example:15672", "localhost.evil.example"] {
        for path in ["/", "/events.json", "/events/stream", "/health/live"] {
            let answer = site.request("GET", path, &[("host", host)]).await;
            assert_eq!(answer.status, 421, "{host}{path}");
            assert!(!answer.body.contains("the first") && answer.body.contains("DNS rebinding"));
        }
    }
    for host in ["localhost", "localhost:1", "127.0.0.1", "[::1]:15672"] {
        assert_eq!(site.request("GET", "/", &[("host", host)]).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_the_rest_goes_on() {
    let site = site_with_three().await;
    let long = "x".repeat(1000);
    assert_eq!(site.get(&format!("/?text={long}")).await.status, 400);
    assert_eq!(site.get(&format!("/?pattern={long}")).await.status, 400);
    assert_eq!(site.get(&format!("/events/{long}")).await.status, 404);
    let longer = "x".repeat(100_000);
    let refused = site.get(&format!("/?text={longer}")).await;
    assert!([414, 431].contains(&refused.status), "{}", refused.status);
    assert_eq!(site.get("/").await.status, 200);
}

#[tokio::test]
async fn readiness_follows_the_bus() {
    let site = Site::start(Options::default()).await;
    assert_eq!(site.get("/health/live").await.status, 200);
    assert_eq!(site.get("/health/ready").await.status, 503);
    site.feed.set_bus(Bus::Connected);
    assert_eq!(site.get("/health/ready").await.status, 200);
    let since = "2026-11-25T09:41:47Z".parse().unwrap();
    site.feed.set_bus(Bus::Away { since, reason: "bus.example refused".to_owned() });
    let ready = site.get("/health/ready").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("bus.example refused"));
    let page = site.get("/").await;
    assert!(page.body.contains("away since 2026-11-25 09:41:47 UTC: bus.example refused"));
}

#[derive(Debug)]
pub(crate) struct OnlyAda;

impl Login for OnlyAda {
    fn verify<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move { (user, password) == ("ada", "open sesame") })
    }
}

#[tokio::test]
async fn where_a_login_is_asked_for_nothing_but_health_is_shown_without() {
    let site = Site::start(Options { login: Some(Arc::new(OnlyAda)), ..Options::default() }).await;
    push(&site.feed, "org.example.secret", "id-1", "the secret");
    for path in ["/", "/events.json", "/events/id-1", "/events/stream", "/nothing"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
        assert!(!answer.body.contains("secret"));
    }
    // base64 of "ada:open sesame" and "ada:wrong"
    let right = site.request("GET", "/", &[("authorization", "Basic YWRhOm9wZW4gc2VzYW1l")]).await;
    assert!(right.status == 200 && right.body.contains("the secret"));
    let wrong = site.request("GET", "/", &[("authorization", "Basic YWRhOndyb25n")]).await;
    assert_eq!(wrong.status, 401);
    assert_eq!(site.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn beyond_loopback_the_pages_are_not_served_without_a_login() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let never = std::future::pending::<()>();
    let error = web::serve(listener, Feed::default(), Options::default(), never).await.unwrap_err();
    assert!(matches!(error, Error::NoLogin(_)));
    assert!(error.to_string().contains("listen on 127.0.0.1"), "{error}");
}
