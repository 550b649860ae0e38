//! Keeps an [`Audience`] up with the store, on a thread of its own: a store may make one wait.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    Audience,
    rule::Owner,
    store::{Change, Cursor, Error, News, Store},
};

/// The thread; it ends when this is dropped, or a moment after.
#[derive(Debug)]
pub(crate) struct Follower(Arc<AtomicBool>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Reads all of the store; waits for that. What changes from then on is followed; `nudged` is
/// notified when somebody wants the outbox looked at.
///
/// # Errors
/// The store's, and that there is no thread to be had.
pub(crate) fn follow(
    store: Arc<Store>,
    audience: &Arc<Audience>,
    nudged: Arc<Notify>,
) -> Result<Follower, Error> {
    let cursor = catch_up(&store, audience, &nudged, None)?;
    tracing::info!(rules = audience.len(), "rules read from the store");
    let over = Arc::new(AtomicBool::new(false));
    let follower = Follower(Arc::clone(&over));
    let audience = Arc::downgrade(audience);
    thread::Builder::new()
        .name("rules".to_owned())
        .spawn(move || keep_up(&store, &audience, &nudged, &over, cursor))
        .map_err(|error| Error::Database(format!("no thread to follow it: {error}")))?;
    Ok(follower)
}

fn keep_up(
    store: &Store,
    audience: &Weak<Audience>,
    nudged: &Notify,
    over: &AtomicBool,
    mut cursor: Cursor,
) {
    let mut ails = false;
    while !over.load(Relaxed) {
        let Some(audience) = audience.upgrade() else { return };
        let followed =
            store.follow(PATIENCE).and_then(|()| catch_up(store, &audience, nudged, Some(cursor)));
        match followed {
            Ok(next) => {
                if ails {
                    tracing::info!("the store of rules can be read again");
                }
                (cursor, ails) = (next, false);
            }
            Err(error) => {
                if !ails {
                    tracing::warn!("rules stay as they were, looking again each second: {error}");
                }
                ails = true;
                thread::sleep(PATIENCE);
            }
        }
    }
}

fn catch_up(
    store: &Store,
    audience: &Audience,
    nudged: &Notify,
    since: Option<Cursor>,
) -> Result<Cursor, Error> {
    let (cursor, news) = store.news(since)?;
    if let News::Changes(changes) = &news
        && changes.contains(&Change::Outbox)
    {
        nudged.notify_one();
    }
    match news {
        News::Changes(changes) => changes.into_iter().for_each(|change| audience.apply(change)),
        News::Everything(all) => replace(audience, all),
    }
    Ok(cursor)
}

/// What is not among `all` is gone.
fn replace(audience: &Audience, all: Vec<Change>) {
    let mut gone = audience.stored();
    for change in &all {
        gone.remove(change);
    }
    let gone = gone.into_changes();
    all.into_iter().chain(gone).for_each(|change| audience.apply(change));
}

/// What an audience has of a store.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) rules: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) packages: BTreeSet<String>,
    pub(crate) destinations: BTreeSet<Owner>,
    pub(crate) silences: BTreeSet<Owner>,
}

impl Stored {
    fn remove(&mut self, change: &Change) {
        match change {
            Change::Rule(rule) => self.rules.remove(&rule.id),
            Change::RuleGone(id) => self.rules.remove(id),
            Change::Group { name, .. } => self.groups.remove(name),
            Change::Maintainers { package, .. } => self.packages.remove(package),
            Change::Destinations(owner, _) => self.destinations.remove(owner),
            Change::Silence(owner, _) => self.silences.remove(owner),
            Change::Outbox => false,
        };
    }

    fn into_changes(self) -> impl Iterator<Item = Change> {
        let groups =
            self.groups.into_iter().map(|name| Change::Group { name, members: Vec::new() });
        let packages = self.packages.into_iter().map(|package| Change::Maintainers {
            package,
            maintainers: crate::rule::Maintainers::default(),
        });
        let destinations =
            self.destinations.into_iter().map(|owner| Change::Destinations(owner, Vec::new()));
        let silences = self
            .silences
            .into_iter()
            .map(|owner| Change::Silence(owner, crate::store::Silence::default()));
        let rules = self.rules.into_iter().map(Change::RuleGone);
        rules.chain(groups).chain(packages).chain(destinations).chain(silences)
    }
}

/// How long it waits for a change before it looks whether it is still wanted.
const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::sample;

    fn told(audience: &Audience) -> Vec<String> {
        let (event, description) = sample();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let notices = audience.notices(&event.into(), &description.into(), now);
        notices.into_iter().map(|notice| notice.to.shown()).collect()
    }

    #[test]
    fn an_audience_keeps_up_with_its_store_and_ends_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify.db");
        let open = || crate::store::Location::File(path.clone()).open().unwrap();
        let writer = open();
        let audience = Arc::new(Audience::default());
        let following = follow(Arc::new(open()), &audience, Arc::default()).unwrap();
        let ada: Owner = "ada".parse().unwrap();
        let mail = crate::store::Destination::new("mail:ada@example.org").unwrap();
        writer.put_destination(&ada, &mail).unwrap();
        let json = r#"{"owner": {"person": "ada"}, "name": "mine", "what": {"people": "@me"},
            "outlets": [{"to": ["mail:ada@example.org"]}]}"#;
        let rule = writer.put_rule(crate::rule::Rule::from_json(json).unwrap()).unwrap();
        let until = |expected: &[&str]| {
            let began = std::time::Instant::now();
            while told(&audience) != expected {
                assert!(began.elapsed().as_secs() < 20, "{:?}", told(&audience));
                thread::sleep(Duration::from_millis(10)); // tidy: looks again
            }
        };
        until(&["ada@example.org"]);
        let muted = serde_json::from_str(r#"{"muted": ["git/kernel"]}"#).unwrap();
        writer.put_silence(&ada, &muted).unwrap();
        until(&[]);
        writer.put_silence(&ada, &crate::store::Silence::default()).unwrap();
        until(&["ada@example.org"]);
        writer.remove_rule(&rule.id).unwrap();
        until(&[]);
        drop(following);
    }

    #[test]
    fn what_is_not_in_the_store_any_more_is_forgotten() {
        let store = Store::in_memory().unwrap();
        let audience = Audience::default();
        let group = |members: &[&str]| Change::Group {
            name: "core".to_owned(),
            members: members.iter().map(|&name| name.to_owned()).collect(),
        };
        audience.apply(group(&["ada"]));
        let rule = |id: &str| {
            let json = r#"{"owner": {"person": "ada"}, "name": "n", "what": {"all": []},
                "outlets": [{"to": ["@mail"]}]}"#;
            let rule = crate::rule::Rule::from_json(json).unwrap();
            crate::rule::Rule { id: id.to_owned(), ..rule }
        };
        audience.apply(Change::Rule(rule("gone")));
        store.put_rule(rule("kept")).unwrap();
        catch_up(&store, &audience, &Notify::new(), None).unwrap();
        let stored = audience.stored();
        assert_eq!(stored.rules, ["kept".to_owned()].into());
        assert!(stored.groups.is_empty());
    }
}
