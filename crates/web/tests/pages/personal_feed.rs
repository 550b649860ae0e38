//! A feed by its secret address: validators, and nothing without the secret.

use std::{future::Future, pin::Pin, sync::Arc};

use web::{FeedDocument, Feeds, NoFeed, Options};

use crate::site::Site;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[derive(Debug)]
struct OneFeed;

impl Feeds for OneFeed {
    fn find<'a>(
        &'a self,
        secret: &'a str,
        form: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<FeedDocument>, NoFeed>> + Send + 'a>> {
        let document = FeedDocument {
            text: "<feed/>".to_owned(),
            media_type: "application/atom+xml; charset=utf-8",
            updated_at: "2026-11-25T09:41:40.5Z".parse().unwrap(),
        };
        let found = match (secret, form) {
            (SECRET, "atom") => Ok(Some(document)),
            (_, "down") => Err(NoFeed),
            _ => Ok(None),
        };
        Box::pin(async { found })
    }
}

#[tokio::test]
async fn who_has_a_feed_is_not_sent_it_again() {
    let options = Options { feeds: Some(Arc::new(OneFeed)), ..Options::default() };
    let site = Site::start(options).await;
    let path = format!("/feeds/{SECRET}.atom");
    let first = site.get(&path).await;
    assert_eq!((first.status, first.body.as_str()), (200, "<feed/>"));
    assert_eq!(first.header("content-type"), Some("application/atom+xml; charset=utf-8"));
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let date = first.header("last-modified").unwrap();
    assert_eq!(date, "Wed, 25 Nov 2026 09:41:40 GMT");
    let tag = first.header("etag").unwrap();
    for (name, value, status) in [
        ("if-none-match", tag, 304),
        ("if-none-match", "\"other\"", 200),
        ("if-modified-since", date, 304),
        ("if-modified-since", "Wed, 25 Nov 2026 09:41:39 GMT", 200),
        ("if-modified-since", "yesterday", 200),
    ] {
        let again = site.request("GET", &path, &[(name, value)]).await;
        assert_eq!(again.status, status, "{name}: {value}");
        assert_eq!(again.header("etag"), Some(tag));
    }
    // A tag goes before a date.
    let both = [("if-none-match", "\"other\""), ("if-modified-since", date)];
    assert_eq!(site.request("GET", &path, &both).await.status, 200);
    for (name, status) in [
        (format!("{}.atom", SECRET.replace('0', "1")), 404),
        (format!("{SECRET}.rss"), 404),
        (format!("{SECRET}.down"), 503),
        (SECRET.to_owned(), 404),
        ("..%2f..%2fetc.atom".to_owned(), 404),
        (format!("{}.down", "x".repeat(32)), 404),
    ] {
        assert_eq!(site.get(&format!("/feeds/{name}")).await.status, status, "{name}");
    }
    site.stop().await;
}
