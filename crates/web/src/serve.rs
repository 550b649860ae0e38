//! The HTTP server under the pages.

use std::{fmt, sync::Arc};

use client::BusUrl;
use event::Registry;
use http_door::{Limits, Socket, WebSockets};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use crate::{
    Error, Feed, People,
    guard::{Guard, Login},
    limits::{
        CONNECTIONS_MAX, DRAIN_WAIT, FEEDS_AT_ONCE, REQUEST_HEAD_BYTES_MAX, REQUEST_HEAD_WAIT,
        STREAMS_MAX, WRITE_STALL_MAX,
    },
    personal_feed::Feeds,
    publish::Door,
    publishers::Publishers,
    route::{Site, router},
    unsubscribe::{self, Unsubscribing},
};

/// How the pages are served. The default is for a loopback address.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names the pages answer to besides `localhost` and loopback addresses, without port: those
    /// of a proxy in front. Beyond loopback an empty list means any name.
    pub hosts: Vec<String>,
    /// Who may see the pages; `None` is everyone, and possible on loopback only.
    pub login: Option<Arc<dyn Login>>,
    /// Connections at once; further ones wait.
    pub connections_max: usize,
    /// Live pages at once; further ones are refused (503) and come again. Fewer than the
    /// connections, so that other requests always find one.
    pub streams_max: usize,
    /// What everybody who looks has to know, on top of the feed: plain text, one sentence or two.
    pub notice: Option<String>,
    /// What `/metrics` tells; without it there is no such page.
    pub metrics: Option<Arc<dyn Metrics>>,
    /// The schemas that are shown at `/schemas`.
    pub schemas: Registry,
    /// The bus that `POST /events` publishes on, each user with their own login, whatever is in it;
    /// without it nothing is published.
    pub publishing: Option<BusUrl>,
    /// People's own feeds, at `/feeds/SECRET.atom` and `.rss`; without them there is nothing.
    pub feeds: Option<Arc<dyn Feeds>>,
    /// What is spoken over WebSockets, if anything. It has a login of its own.
    pub websockets: Option<WebSockets>,
    /// What the addresses in mails lead to; without it they lead nowhere.
    pub unsubscribing: Option<Arc<dyn Unsubscribing>>,
    /// Who signs in, and what is theirs; without it nobody does.
    pub people: Option<Arc<People>>,
}

/// Who knows what Prometheus is told.
pub trait Metrics: Send + Sync + fmt::Debug {
    /// All metrics, in Prometheus' text format 0.0.4.
    fn text(&self) -> String;
}

impl Default for Options {
    fn default() -> Options {
        Options {
            hosts: Vec::new(),
            login: None,
            connections_max: CONNECTIONS_MAX,
            streams_max: STREAMS_MAX,
            notice: None,
            metrics: None,
            schemas: Registry::builtin(),
            publishing: None,
            feeds: None,
            websockets: None,
            unsubscribing: None,
            people: None,
        }
    }
}

/// Serves the pages of `feed` until `shutdown` is ready; then takes no more connections, ends
/// the live streams, and gives answers under way three seconds.
///
/// # Errors
/// [`Error::NoLogin`] for a listener beyond loopback without a login; [`Error::Listener`] when it
/// has no address.
pub async fn serve(
    listener: TcpListener,
    feed: Feed,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::Listener)?;
    if !address.ip().is_loopback() && options.login.is_none() {
        return Err(Error::NoLogin(address));
    }
    let (stop, stopped) = watch::channel(false);
    let site = Site {
        feed,
        stop: stopped.clone(),
        streams: Arc::new(Semaphore::new(options.streams_max)),
        notice: options.notice.map(Arc::from),
        metrics: options.metrics,
        schemas: options.schemas,
        unsubscribing: options.unsubscribing,
        people: options.people.clone(),
        farewells: Arc::new(Semaphore::new(unsubscribe::AT_ONCE)),
        feeds: options.feeds,
        readers: Arc::new(Semaphore::new(FEEDS_AT_ONCE)),
        publishing: options.publishing.map(|bus| Arc::new(Door::new(Publishers::new(bus)))),
    };
    let websocket_paths = options.websockets.as_ref().map_or(&[][..], |it| it.paths);
    let guard = Guard::new(address, &options.hosts, options.login, websocket_paths)
        .with_people(options.people);
    let router = router(site, options.websockets, guard);
    let slots = Arc::new(Semaphore::new(options.connections_max.max(1)));
    let listener = Arc::new(listener);
    let accept = move || {
        let (listener, router) = (Arc::clone(&listener), router.clone());
        async move {
            let (socket, _) = listener.accept().await?;
            // Live rows are small writes that should not wait for one another.
            socket.set_nodelay(true)?;
            Ok((Socket::Tcp(socket), router))
        }
    };
    http_door::serve(accept, slots, LIMITS, stop, shutdown).await;
    Ok(())
}

const LIMITS: Limits = Limits {
    head_bytes_max: REQUEST_HEAD_BYTES_MAX,
    head_wait: REQUEST_HEAD_WAIT,
    write_stall_max: WRITE_STALL_MAX,
    drain_wait: DRAIN_WAIT,
};
