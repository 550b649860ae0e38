//! How many connections and channels each user has open, so that two who come at once do not both
//! get the last place that a limit leaves (RabbitMQ: user limits).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// The users who have been here since the start.
#[derive(Debug, Default)]
pub(crate) struct UserPlaces(Mutex<BTreeMap<String, Arc<Open>>>);

/// What one user has open.
#[derive(Debug, Default)]
struct Open {
    connections: AtomicU64,
    channels: AtomicU64,
}

/// A user's open connection, with its channels. It is counted until it is dropped.
#[derive(Debug)]
pub(crate) struct UserPlace(Arc<Open>);

impl UserPlaces {
    /// A place for one more connection; `None` when the user has as many as they may.
    pub(crate) fn take(&self, user: &str, max: Option<u64>) -> Option<UserPlace> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match users.get(user) {
            Some(open) => open.clone(),
            None => users.entry(user.to_owned()).or_default().clone(),
        };
        take(&open.connections, max).then(|| UserPlace(open))
    }
}

impl UserPlace {
    /// Counts one more channel; `false` when the user has as many as they may.
    pub(crate) fn take_channel(&self, max: Option<u64>) -> bool {
        take(&self.0.channels, max)
    }

    /// As many channels are closed.
    pub(crate) fn give_back_channels(&self, count: usize) {
        self.0.channels.fetch_sub(count as u64, SeqCst);
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, SeqCst);
    }
}

fn take(open: &AtomicU64, max: Option<u64>) -> bool {
    let more = |open: u64| max.is_none_or(|max| open < max).then_some(open + 1);
    open.fetch_update(SeqCst, SeqCst, more).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_come_at_once_get_as_many_places_as_there_are() {
        let places = UserPlaces::default();
        let other = places.take("bob", Some(1)).unwrap();
        let came = std::thread::scope(|scope| {
            let come = || scope.spawn(|| places.take("ada", Some(5)));
            let threads: Vec<_> = std::iter::repeat_with(come).take(20).collect();
            threads.into_iter().filter_map(|it| it.join().unwrap()).collect::<Vec<UserPlace>>()
        });
        assert_eq!(came.len(), 5);
        drop(came);
        assert!(places.take("ada", Some(1)).is_some());
        assert!(places.take("bob", Some(1)).is_none());
        drop(other);
        assert!(places.take("bob", Some(0)).is_none() && places.take("bob", None).is_some());
    }

    #[test]
    fn channels_are_counted_over_all_connections_of_a_user() {
        let places = UserPlaces::default();
        let (one, two) = (places.take("ada", None).unwrap(), places.take("ada", None).unwrap());
        assert!(one.take_channel(Some(2)) && two.take_channel(Some(2)));
        assert!(!one.take_channel(Some(2)) && one.take_channel(None));
        one.give_back_channels(2);
        assert!(two.take_channel(Some(2)) && !two.take_channel(Some(2)));
    }
}
