//! The loop between a person's queue and their notification daemon. Either may be away; what is not
//! shown is not acknowledged, and comes again.

use std::time::Duration;

use client::{BusUrl, Delivery, Queue, Subscriber, Subscription};
use jiff::Timestamp;
use notify::{DESKTOP_NOTICES_MAX, Slip, desktop_inbox};
use tokio::{sync::watch, time::sleep};

use crate::{Board, Bubble, Error, browser, daemon::Daemon};

/// Whose notices are shown, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The user of the bus whose queue it is.
    pub user: String,
    /// Where the queue is.
    pub bus: BusUrl,
}

/// Shows notices until `shutdown`; `ready` is called when none is missed any more.
///
/// # Errors
/// At the start: no session, no daemon, no bus, or no right on the queue. Later it waits for
/// whatever went away.
pub async fn run(
    options: &Options,
    ready: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut shutdown = std::pin::pin!(shutdown);
    let begun = Timestamp::now();
    // As many as can wait: an absence is summed up only when all of it is here.
    let prefetch = u16::try_from(DESKTOP_NOTICES_MAX).unwrap_or(u16::MAX);
    let queue = Queue::Inbox(desktop_inbox(&options.user));
    let subscription = Subscription { queue, patterns: Vec::new(), prefetch };
    let starting = async {
        let daemon = Daemon::connect().await?;
        let app = "tubepost desktop";
        Ok::<_, Error>((daemon, Subscriber::connect(&options.bus, app, subscription).await?))
    };
    let (daemon, mut subscriber) = tokio::select! {
        started = starting => started?,
        () = &mut shutdown => return Ok(()),
    };
    ready();
    let board = Board::new(begun);
    let mut session = Session { daemon, board, unshown: Vec::new() };
    let (stop, stopped) = watch::channel(false);
    // What is on the screen already is acknowledged first, or it would come again.
    let stopping = async {
        shutdown.await;
        stop.send_replace(true);
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = session.work(&mut subscriber, stopped) => {}
        () = stopping => {}
    }
    subscriber.close().await;
    Ok(())
}

struct Session {
    daemon: Daemon,
    board: Board,
    /// What waits on the board with them: acknowledged when that is shown.
    unshown: Vec<Delivery>,
}

/// Something to do.
enum Next {
    Came(Box<Delivery>),
    Due,
    Clicked(Result<String, Error>),
}

impl Session {
    /// Goes on until it is told to stop, between two things to do.
    async fn work(&mut self, subscriber: &mut Subscriber, mut stopped: watch::Receiver<bool>) {
        loop {
            let due = self.board.due();
            let next = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return,
                () = until(due) => Next::Due,
                clicked = self.daemon.clicked() => Next::Clicked(clicked),
                delivery = subscriber.next() => Next::Came(Box::new(delivery)),
            };
            match next {
                Next::Came(delivery) => self.take(*delivery).await,
                Next::Due => {
                    for bubble in self.board.flush(Timestamp::now()) {
                        self.show(&bubble).await;
                    }
                    for delivery in std::mem::take(&mut self.unshown) {
                        acknowledge(delivery).await;
                    }
                }
                Next::Clicked(Ok(link)) => browser::open(&link),
                Next::Clicked(Err(error)) => self.find_daemon(&error).await,
            }
        }
    }

    async fn take(&mut self, delivery: Delivery) {
        let slip = match &delivery.event {
            Ok(event) => Slip::from_event(event),
            Err(undecodable) => Err(undecodable.to_string()),
        };
        let slip = match slip {
            Ok(slip) => slip,
            Err(reason) => {
                tracing::warn!("left out, it is no notice: {reason}");
                return acknowledge(delivery).await;
            }
        };
        match self.board.arrive(slip, Timestamp::now()) {
            Some(bubble) => {
                self.show(&bubble).await;
                acknowledge(delivery).await;
            }
            // Whatever its reason to wait, it is done with at the next showing.
            None if self.board.due().is_some() => self.unshown.push(delivery),
            None => acknowledge(delivery).await,
        }
    }

    /// Shows it, however long the daemon is away.
    async fn show(&mut self, bubble: &Bubble) {
        while let Err(error) = self.daemon.show(bubble).await {
            self.find_daemon(&error).await;
        }
    }

    async fn find_daemon(&mut self, lost: &Error) {
        tracing::warn!("waiting for the notification daemon: {lost}");
        let mut pause = RETRY_FIRST;
        loop {
            sleep(pause).await;
            match Daemon::connect().await {
                Ok(daemon) => {
                    self.daemon = daemon;
                    return;
                }
                Err(error) => tracing::debug!("{error}"),
            }
            pause = (pause * 2).min(RETRY_MAX);
        }
    }
}

/// What the bus does not hear comes again, and is known by its key.
async fn acknowledge(delivery: Delivery) {
    if let Err(error) = delivery.ack().await {
        tracing::debug!(%error, "a notice that was shown was not acknowledged");
    }
}

async fn until(due: Option<Timestamp>) {
    match due {
        Some(due) => {
            let left = due.duration_since(Timestamp::now());
            sleep(Duration::try_from(left).unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

/// How long what is being shown may still take.
const LAST_WORDS: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(30);
