//! The schemas in force: those that ship, those of the operator's directories, and those of
//! registries on other machines.

mod copy;
mod fetch;
pub(crate) mod folder;
pub(crate) mod live;
mod mirror;
pub(crate) mod revision;
pub(crate) mod source;

use event::Registry;
use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use self::live::{LOOK_EVERY, Live, Notice};
use crate::{
    config::Schemas,
    failure::{Failure, remark},
    verb::block_on,
};

/// Reads the schemas. Places are taken in their order, files in the order of their names; a later
/// one of the same schema name replaces an earlier or shipped one. A registry that was not asked
/// lately is asked.
///
/// # Errors
/// A directory cannot be read, or a file is no schema.
pub(crate) fn registry(schemas: &Schemas) -> Result<Registry, Failure> {
    let (mut live, notices) = Live::begin(schemas)?;
    notices.into_iter().for_each(say);
    if !live.mirrors().is_empty() {
        let asked = block_on(async { Ok(refresh_at_start(&mut live).await) })?;
        asked.into_iter().for_each(say);
    }
    Ok(live.registry().clone())
}

/// As [`registry`], of what is on disk: for who has no time to ask anybody.
///
/// # Errors
/// As [`registry`].
pub(crate) fn registry_at_hand(schemas: &Schemas) -> Result<Registry, Failure> {
    Ok(Live::begin(schemas)?.0.registry().clone())
}

/// As [`registry`], and goes on taking over what changes until the runtime ends; what is wrong is
/// logged.
///
/// # Errors
/// As [`registry`].
pub(crate) async fn followed(schemas: &Schemas) -> Result<Registry, Failure> {
    let (mut live, notices) = Live::begin(schemas)?;
    let asked = refresh_at_start(&mut live).await;
    notices.into_iter().chain(asked).for_each(Notice::log);
    let registry = live.registry().clone();
    if !schemas.sources.is_empty() {
        tokio::spawn(follow(live));
    }
    Ok(registry)
}

/// Asks the registries that were not asked lately, all at once, and takes over what they say.
pub(crate) async fn refresh_at_start(live: &mut Live) -> Vec<Notice> {
    let mirrors = live.mirrors();
    let told = join_all(mirrors.iter().map(|mirror| mirror.refresh_at_start())).await;
    told.into_iter().flatten().chain(live.look()).collect()
}

/// Looks at the files, and asks the registries, for ever.
pub(crate) async fn follow(live: Live) {
    let mirrors = live.mirrors();
    let asking = join_all(mirrors.iter().map(|mirror| mirror.follow(Notice::log)));
    tokio::join!(look(live), asking);
}

async fn look(mut live: Live) {
    let mut turns = interval(LOOK_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        // The disk may be slow.
        let looked = tokio::task::spawn_blocking(move || {
            let notices = live.look();
            (live, notices)
        });
        let Ok((looked, notices)) = looked.await else { return };
        live = looked;
        notices.into_iter().for_each(Notice::log);
    }
}

fn say(notice: Notice) {
    if let Notice::Bad(fault) = notice {
        remark(&fault);
    }
}
