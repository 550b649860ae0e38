//! The live stream over a real socket: nothing is missed, nothing is held for ever.

use crate::sample::{HOSTILE, described, event};
use crate::site::Site;
use web::{Bus, Feed, Options};

fn push(feed: &Feed, topic: &str, summary: &str) {
    feed.push(event(topic), described(summary));
}

/// The id line before the last `event: row`.
fn last_id(frames: &str) -> String {
    let mut ids = frames.lines().rev().filter_map(|line| line.strip_prefix("id: "));
    ids.next().unwrap().to_owned()
}

#[tokio::test]
async fn an_event_arrives_while_the_page_is_open() {
    let site = Site::start(Options::default()).await;
    let mut all = site.live("", None).await;
    let mut git = site.live("?pattern=%23.git.%23&text=ada", None).await;
    assert!(all.until("event: list").await.contains("event: bus"));
    git.until("event: list").await;
    push(&site.feed, "org.example.git.receive", "bob pushed");
    push(&site.feed, "org.example.build.done", "ada built");
    push(&site.feed, "org.example.git.receive", "ada pushed");
    let rows = all.until("ada pushed").await;
    assert!(rows.contains("bob pushed") && rows.contains("ada built"));
    let rows = git.until("ada pushed").await;
    assert!(!rows.contains("bob pushed") && !rows.contains("ada built"), "{rows}");
}

#[tokio::test]
async fn who_comes_back_gets_what_came_meanwhile_and_no_more() {
    let site = Site::start(Options::default()).await;
    let mut live = site.live("", None).await;
    live.until("event: list").await;
    push(&site.feed, "a", "number-1");
    let seen = last_id(&live.until("number-1").await);
    drop(live);
    push(&site.feed, "a", "number-2");
    push(&site.feed, "a", "number-3");
    let mut live = site.live("?after=0-0", Some(&seen)).await;
    let rows = live.until("number-3").await;
    assert!(rows.contains("number-2") && !rows.contains("number-1"));
    assert!(!rows.contains("event: list") && !rows.contains("event: lagged"));
    assert_eq!(rows.matches("event: row").count(), 2);
}

#[tokio::test]
async fn who_comes_back_too_late_is_told_and_gets_the_list() {
    let site = Site::start_with(Feed::new(2, usize::MAX), Options::default()).await;
    let mut live = site.live("", None).await;
    let start = last_id(&live.until("event: list").await);
    for n in 1..=5 {
        push(&site.feed, "a", &format!("number-{n}"));
    }
    let mut late = site.live(&format!("?after={start}"), None).await;
    let frames = late.until("number-4").await;
    assert!(
        frames.contains("event: lagged\ndata: {\"missed\":3}") && frames.contains("event: list")
    );
    // A position of another run of the program.
    let mut stranger = site.live("", Some("1f-7")).await;
    assert!(stranger.until("number-4").await.contains("{\"missed\":null}"));
}

#[tokio::test]
async fn a_bus_that_goes_and_comes_is_told() {
    let site = Site::start(Options::default()).await;
    let mut live = site.live("", None).await;
    live.until("\"connecting\"").await;
    site.feed.set_bus(Bus::Connected);
    live.until("\"connected\"").await;
    let since = "2026-11-25T09:41:47Z".parse().unwrap();
    site.feed.set_bus(Bus::Away { since, reason: "refused".to_owned() });
    live.until("\"reason\":\"refused\"").await;
}

#[tokio::test]
async fn too_many_streams_are_refused_while_pages_are_served() {
    let site = Site::start(Options { streams_max: 2, ..Options::default() }).await;
    let first = site.live("", None).await;
    let _second = site.live("", None).await;
    let refused = site.get("/events/stream").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert_eq!(site.get("/").await.status, 200);
    drop(first);
    // The place is free when the server has seen the end of the first.
    let deadline = tokio::time::Instant::now() + crate::site::DEADLINE;
    while site.request("HEAD", "/events/stream", &[]).await.status == 503 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    site.live("", None).await;
}

#[tokio::test]
async fn a_wrong_filter_is_no_stream() {
    let site = Site::start(Options::default()).await;
    let answer = site.get("/events/stream?pattern=a*").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("\"field\":\"pattern\""));
}

#[tokio::test]
async fn a_stop_ends_the_open_streams() {
    let site = Site::start(Options::default()).await;
    let mut live = site.live("", None).await;
    live.until("event: list").await;
    site.stop().await;
    while live.more().await {}
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_back_nobody() {
    let site = Site::start(Options::default()).await;
    let mut asleep = site.live("", None).await;
    let mut awake = site.live("", None).await;
    awake.until("event: list").await;
    // Many times what the sockets between hold.
    for n in 0..40 {
        for name in HOSTILE {
            push(&site.feed, "a", &format!("{} {}", n, name.repeat(20)));
        }
        push(&site.feed, "a", &format!("round-{n}-done"));
        awake.until(&format!("round-{n}-done")).await;
    }
    // And it is brought up to date when it wakes.
    asleep.until("round-39-done").await;
}
