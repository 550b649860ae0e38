//! The notifier of the server. It runs when the configuration file has subscriptions or when there
//! is a store of rules, which somebody may make at any time.

use std::{sync::Arc, time::Duration};

use client::{BusUrl, Trust};
use event::Registry;
use notify::{
    Counters, FeedKeeper, Kind, Notifier,
    store::{Location, Store},
};
use tokio::sync::watch;

use crate::{
    failure::Failure,
    serve::part::{Part, Stopping},
};

/// Where the rules are.
pub(crate) struct Rules {
    /// The file, or the server.
    pub(crate) store: Location,
    /// Whether it is to be made when it is not there.
    pub(crate) named: bool,
}

/// Starts it. Also gives what is ready once its queue is there, or there is nobody to tell.
///
/// # Errors
/// The certificates to trust cannot be used.
pub(crate) fn start(
    config: notify::Config,
    rules: Rules,
    registry: Registry,
    bus: BusUrl,
    trust: Option<Trust>,
    counters: Arc<Counters>,
    stopping: Stopping,
) -> Result<(Part, impl Future<Output = ()> + Send + 'static), Failure> {
    // What is wrong with mail is said before anything starts.
    Notifier::new(config.clone(), registry.clone(), bus.clone()).map_err(failed)?;
    let (ready, listening) = watch::channel(false);
    let part = Part::start("notify", async move {
        let notifier = || {
            let notifier = Notifier::new(config.clone(), registry.clone(), bus.clone())?;
            let notifier = notifier.trusting(trust.clone()).counting(Arc::clone(&counters));
            Ok::<_, notify::Error>(notifier)
        };
        if !rules.named && !rules.store.exists() {
            let appeared = appearance(rules.store.clone());
            if config.subscriptions.is_empty() {
                ready.send_replace(true);
                tokio::select! {
                    () = stopping.clone().wait() => return Ok(()),
                    () = appeared => {}
                }
            } else {
                let notifier = notifier().map_err(failed)?;
                let outbox = outbox(&rules.store, false).await?;
                let ends = stopping.clone();
                let until = async move {
                    tokio::select! {
                        () = ends.wait() => {}
                        () = appeared => {}
                    }
                };
                announce(&notifier, &ready);
                notifier.run(outbox, until).await;
                if stopping.is_told() {
                    return Ok(());
                }
            }
        }
        let notifier = notifier().map_err(failed)?;
        let outbox = outbox(&rules.store, true).await?;
        // Reading all rules takes the disk.
        let following = tokio::task::spawn_blocking(move || {
            let notifier = notifier.following(Arc::new(rules.store.open()?))?;
            // A store of its own: the followed one makes others wait.
            let keeper = FeedKeeper::new(rules.store.open()?);
            Ok::<_, notify::Error>(notifier.telling(Kind::Feed, keeper))
        });
        let notifier = following.await.map_err(failed)?.map_err(failed)?;
        announce(&notifier, &ready);
        notifier.run(outbox, stopping.wait()).await;
        Ok(())
    });
    let mut listening = listening;
    let ready = async move { drop(listening.wait_for(|ready| *ready).await) };
    Ok((part, ready))
}

/// Where notices wait, and if there are rules, where those are. Opening it takes the disk.
async fn outbox(rules: &Location, has_rules: bool) -> Result<Arc<Store>, Failure> {
    let rules = rules.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let outbox = rules.outbox().open()?;
        let is_apart = has_rules && rules.outbox() != rules;
        Ok(if is_apart { outbox.beside(rules.open()?) } else { outbox })
    });
    let opened: Result<Store, notify::store::Error> = opened.await.map_err(failed)?;
    opened.map(Arc::new).map_err(failed)
}

fn announce(notifier: &Notifier, ready: &watch::Sender<bool>) {
    let (listening, ready) = (notifier.listening(), ready.clone());
    tokio::spawn(async move {
        listening.await;
        ready.send_replace(true);
    });
}

async fn appearance(store: Location) {
    while !store.exists() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed(error.to_string())
}

/// With what reading it takes, the first rule of all is in force within a second, too.
const LOOK_EVERY: Duration = Duration::from_millis(250);
