//! The live stream of one page: server-sent events, each the next thing the page has to do.
//!
//! A stream is a cursor on the feed. It is asked for its next bytes when the socket has room, so
//! a slow page makes no queue here; when the feed has moved on without it, it is told how much it
//! missed (`lagged`) and given the list anew (`list`).

use std::{convert::Infallible, fmt::Write, sync::Arc, time::Duration};

use axum::{body::Body, http::header, response::IntoResponse, response::Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};

use crate::{
    entry::{Entry, Position},
    feed::{After, Bus, Feed},
    filter::Filter,
    limits::{STREAM_BATCH_MAX, STREAM_PACE, STREAM_TICK},
    page,
    query::Asked,
};

/// What a stream is of.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) asked: Asked,
    pub(crate) filter: Filter,
    /// Where the page has got to; without it the stream begins with the list.
    pub(crate) after: Option<Position>,
}

/// Answers with the stream. It ends when `stop` becomes true; `slot` is held until then.
pub(crate) fn answer(
    feed: Feed,
    wanted: Wanted,
    stop: watch::Receiver<bool>,
    slot: OwnedSemaphorePermit,
) -> Response {
    let stream = Stream::new(feed, wanted, stop, slot);
    let frames = stream::unfold(stream, |mut stream| async move {
        let frames = stream.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(frames)), stream))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy that collects the stream before passing it on makes it useless (nginx).
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

#[derive(Debug)]
struct Stream {
    feed: Feed,
    asked: Asked,
    filter: Filter,
    position: Option<Position>,
    newest: watch::Receiver<u64>,
    bus: watch::Receiver<Bus>,
    stop: watch::Receiver<bool>,
    tick: Interval,
    /// Not before then.
    next_batch_at: Instant,
    is_greeted: bool,
    _slot: OwnedSemaphorePermit,
}

enum Woken {
    Newer,
    Bus,
    Tick,
    Stop,
}

impl Stream {
    fn new(
        feed: Feed,
        wanted: Wanted,
        stop: watch::Receiver<bool>,
        slot: OwnedSemaphorePermit,
    ) -> Stream {
        let mut tick = interval_at(Instant::now() + STREAM_TICK, STREAM_TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Stream {
            newest: feed.watch_newest(),
            bus: feed.watch_bus(),
            feed,
            asked: wanted.asked,
            filter: wanted.filter,
            position: wanted.after,
            stop,
            tick,
            next_batch_at: Instant::now(),
            is_greeted: false,
            _slot: slot,
        }
    }

    /// The next events of the stream; `None` when it ends.
    async fn next(&mut self) -> Option<String> {
        if !self.is_greeted {
            self.is_greeted = true;
            let mut frames = format!("retry: {}\n\n", RETRY.as_millis());
            frame(&mut frames, "bus", None, bus(&self.bus.borrow_and_update()));
            self.catch_up(&mut frames);
            return Some(frames);
        }
        loop {
            match self.woken().await {
                Woken::Stop => return None,
                Woken::Bus => {
                    let mut frames = String::new();
                    frame(&mut frames, "bus", None, bus(&self.bus.borrow_and_update()));
                    return Some(frames);
                }
                Woken::Tick => {
                    let mut frames = String::new();
                    frame(&mut frames, "tick", self.position, json!({}));
                    return Some(frames);
                }
                Woken::Newer => {
                    let mut frames = String::new();
                    self.catch_up(&mut frames);
                    if !frames.is_empty() {
                        self.next_batch_at = Instant::now() + STREAM_PACE;
                        return Some(frames);
                    }
                }
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let Stream { newest, bus, stop, tick, next_batch_at, .. } = self;
        let newer = async {
            sleep_until(*next_batch_at).await;
            newest.changed().await
        };
        // The feed lives as long as the stream, so a closed channel is only `stop`'s.
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => Woken::Stop,
            _ = bus.changed() => Woken::Bus,
            _ = newer => Woken::Newer,
            _ = tick.tick() => Woken::Tick,
        }
    }

    /// What came since; at most a batch, the rest in the next round.
    fn catch_up(&mut self, frames: &mut String) {
        self.newest.mark_unchanged();
        let Some(position) = self.position else { return self.start_again(frames) };
        match self.feed.after(position, STREAM_BATCH_MAX) {
            After::Missed(missed) => {
                frame(frames, "lagged", None, json!({"missed": missed}));
                self.start_again(frames);
            }
            After::Entries(entries) => {
                for entry in entries.iter().filter(|entry| self.filter.passes(entry)) {
                    frame(frames, "row", Some(entry.position), json!({"html": page::row(entry)}));
                }
                if let Some(last) = entries.last() {
                    self.position = Some(last.position);
                }
                if entries.len() == STREAM_BATCH_MAX {
                    self.newest.mark_changed();
                }
            }
        }
    }

    fn start_again(&mut self, frames: &mut String) {
        let (rows, position): (Vec<Arc<Entry>>, _) =
            self.feed.newest(&self.filter, self.asked.limit);
        let html = page::list(&self.feed, &self.asked, &rows);
        frame(frames, "list", Some(position), json!({"html": html}));
        self.position = Some(position);
    }
}

fn bus(bus: &Bus) -> serde_json::Value {
    match bus {
        Bus::Connecting => json!({"state": "connecting"}),
        Bus::Connected => json!({"state": "connected"}),
        Bus::Away { since, reason } => {
            let reason = crate::shown::line(reason, 300);
            json!({"state": "away", "since": since.to_string(), "reason": reason})
        }
    }
}

/// One server-sent event. JSON has no line break, so nothing in `data` can end it.
fn frame(frames: &mut String, name: &str, id: Option<Position>, data: serde_json::Value) {
    if let Some(id) = id {
        let _ = writeln!(frames, "id: {id}");
    }
    let _ = write!(frames, "event: {name}\ndata: {data}\n\n");
}

/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{HOSTILE, described, event};
    use tokio::sync::Semaphore;

    async fn stream(
        feed: &Feed,
        pattern: &str,
        after: Option<Position>,
    ) -> (Stream, watch::Sender<bool>) {
        let (sender, stop) = watch::channel(false);
        let slot = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let wanted = Wanted {
            asked: Asked { limit: 100, ..Asked::default() },
            filter: Filter::new(pattern, "").unwrap(),
            after,
        };
        (Stream::new(feed.clone(), wanted, stop, slot), sender)
    }

    fn names(frames: &str) -> Vec<&str> {
        frames.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_with_the_list_or_with_what_came_after() {
        let feed = Feed::default();
        feed.push(event("a.b"), described("first"));
        let start = feed.position();
        let (mut anew, _stop) = stream(&feed, "", None).await;
        let frames = anew.next().await.unwrap();
        assert_eq!(names(&frames), ["bus", "list"]);
        assert!(frames.contains("first"));

        feed.push(event("a.b"), described("second"));
        let (mut resumed, _stop) = stream(&feed, "", Some(start)).await;
        let frames = resumed.next().await.unwrap();
        assert_eq!(names(&frames), ["bus", "row"]);
        assert!(frames.contains("second") && !frames.contains("first"));
        assert!(frames.contains(&format!("id: {}\n", feed.position())));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_passes_is_sent_and_ticks_move_the_position_past_the_rest() {
        let feed = Feed::default();
        let (mut stream, stop) = stream(&feed, "a.#", Some(feed.position())).await;
        assert_eq!(names(&stream.next().await.unwrap()), ["bus"]);
        feed.push(event("b"), described("unwanted"));
        let frames = stream.next().await.unwrap();
        assert_eq!(names(&frames), ["tick"]);
        assert!(frames.contains(&format!("id: {}\n", feed.position())));
        feed.push(event("b"), described("unwanted"));
        feed.push(event("a.b"), described("wanted"));
        let frames = stream.next().await.unwrap();
        assert_eq!(names(&frames), ["row"]);
        stop.send(true).unwrap();
        assert_eq!(stream.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_comes_whole_and_a_reader_left_behind_is_resynchronised() {
        let feed = Feed::new(600, usize::MAX);
        let (mut stream, _stop) = stream(&feed, "", Some(feed.position())).await;
        stream.next().await.unwrap();
        for n in 0..600 {
            feed.push(event("a"), described(&n.to_string()));
        }
        let mut rows = 0;
        while rows < 600 {
            rows += names(&stream.next().await.unwrap()).len();
        }
        for n in 0..601 {
            feed.push(event("a"), described(&n.to_string()));
        }
        let frames = stream.next().await.unwrap();
        assert_eq!(names(&frames), ["lagged", "list"]);
        assert!(frames.contains("{\"missed\":1}"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bus_s_coming_and_going_is_told() {
        let feed = Feed::default();
        let (mut stream, _stop) = stream(&feed, "", None).await;
        assert!(stream.next().await.unwrap().contains("\"connecting\""));
        feed.set_bus(Bus::Connected);
        assert!(stream.next().await.unwrap().contains("\"connected\""));
        let since = jiff::Timestamp::UNIX_EPOCH;
        feed.set_bus(Bus::Away { since, reason: "refused\n\ndata: x".to_owned() });
        let frames = stream.next().await.unwrap();
        assert!(frames.contains("\"away\"") && !frames.contains("\ndata: x"), "{frames}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_in_an_event_can_break_out_of_its_frame() {
        let feed = Feed::default();
        let (mut stream, _stop) = stream(&feed, "", Some(feed.position())).await;
        stream.next().await.unwrap();
        for name in HOSTILE {
            let mut event = event("a");
            event.id = (*name).to_owned();
            feed.push(event, described(name));
            let frames = stream.next().await.unwrap();
            let lines: Vec<&str> = frames.split('\n').collect();
            assert_eq!(lines.len(), 5, "{frames}");
            assert!(!frames.contains('\r') && !frames.contains("<script"), "{frames}");
        }
    }
}
