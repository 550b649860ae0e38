//! Failed logins, counted by address, by name, and by both, so that guessing is slow. Only who
//! fails is slowed: a name under attack from one address logs in from any other.
//!
//! A count is kept as the moment at which all its failures are forgiven; each failure moves that
//! moment a period further (the "generic cell rate algorithm"). `bound` counts at most: the ones
//! that would be forgiven first make room.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::{
    Peer,
    limits::{Allowance, FAILURES_OF_ADDRESS, FAILURES_OF_LOGIN, FAILURES_OF_NAME},
};

pub(crate) struct Throttle {
    /// Keyed by this process, so that nobody can aim at a collision; names are of any length.
    hasher: RandomState,
    forgiven_at: HashMap<u64, Instant>,
    bound: usize,
}

/// What failures are counted of.
#[derive(Hash)]
enum Counted<'a> {
    Login(&'a str, Source),
    Address(Source),
    Name(&'a str),
}

/// Where a login comes from, as far as one person can change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Loopback,
    V4([u8; 4]),
    /// A subscriber has a /64 at least, and may choose any address in it.
    V6([u8; 8]),
}

impl Source {
    // `None`: the address is not known; counting would let anybody lock out everybody.
    fn of(peer: Peer) -> Option<Source> {
        match peer {
            Peer::Loopback => Some(Source::Loopback),
            Peer::Remote => None,
            Peer::Address(address) => Some(match address.to_canonical() {
                IpAddr::V4(address) => Source::V4(address.octets()),
                IpAddr::V6(address) => {
                    let [a, b, c, d, e, f, g, h, ..] = address.octets();
                    Source::V6([a, b, c, d, e, f, g, h])
                }
            }),
        }
    }
}

impl Throttle {
    pub(crate) fn new(bound: usize) -> Throttle {
        Throttle { hasher: RandomState::new(), forgiven_at: HashMap::new(), bound }
    }

    /// How long this login has to wait until it may fail again; `None`: not at all.
    pub(crate) fn wait(&self, name: &str, peer: Peer, now: Instant) -> Option<Duration> {
        let source = Source::of(peer)?;
        let by_name = self.over(&Counted::Name(name), FAILURES_OF_NAME, now);
        let of_login = match by_name {
            Some(_) => Allowance { burst: 1, ..FAILURES_OF_LOGIN },
            None => FAILURES_OF_LOGIN,
        };
        let by_login = self.over(&Counted::Login(name, source), of_login, now);
        // Behind a proxy on this machine everybody comes from it: names are all there is to count.
        let by_address = match source {
            Source::Loopback => None,
            source => self.over(&Counted::Address(source), FAILURES_OF_ADDRESS, now),
        };
        by_login.max(by_address)
    }

    /// Counts a failure.
    pub(crate) fn failed(&mut self, name: &str, peer: Peer, now: Instant) {
        let Some(source) = Source::of(peer) else { return };
        for (counted, allowance) in [
            (Counted::Login(name, source), FAILURES_OF_LOGIN),
            (Counted::Address(source), FAILURES_OF_ADDRESS),
            (Counted::Name(name), FAILURES_OF_NAME),
        ] {
            let key = self.hasher.hash_one(&counted);
            if !self.forgiven_at.contains_key(&key) {
                self.make_room(now);
            }
            let forgiven_at = self.forgiven_at.entry(key).or_insert(now);
            *forgiven_at = (*forgiven_at).max(now) + allowance.period;
        }
    }

    /// Forgets the failures of who knows the password after all.
    pub(crate) fn succeeded(&mut self, name: &str, peer: Peer) {
        if let Some(source) = Source::of(peer) {
            let key = self.hasher.hash_one(Counted::Login(name, source));
            self.forgiven_at.remove(&key);
        }
    }

    fn over(&self, counted: &Counted<'_>, allowance: Allowance, now: Instant) -> Option<Duration> {
        let forgiven_at = *self.forgiven_at.get(&self.hasher.hash_one(counted))?;
        let tolerated = allowance.period * (allowance.burst - 1);
        let wait = forgiven_at.saturating_duration_since(now).saturating_sub(tolerated);
        (!wait.is_zero()).then_some(wait)
    }

    // Walks all when full: little beside the hash that this failure has cost.
    fn make_room(&mut self, now: Instant) {
        if self.forgiven_at.len() < self.bound {
            return;
        }
        self.forgiven_at.retain(|_, forgiven_at| *forgiven_at > now);
        while self.forgiven_at.len() >= self.bound {
            let first = self.forgiven_at.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key);
            match first {
                Some(key) => _ = self.forgiven_at.remove(&key),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Peer {
        Peer::Address(text.parse().unwrap())
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn one_name_from_one_address_has_ten_failures_and_then_one_in_six_seconds() {
        let mut throttle = Throttle::new(100);
        let (now, peer) = (Instant::now(), at("192.0.2.1"));
        for failure in 0..10 {
            assert_eq!(throttle.wait("ada", peer, now), None, "failure {failure}");
            throttle.failed("ada", peer, now);
        }
        assert_eq!(throttle.wait("ada", peer, now), Some(seconds(6)));
        assert_eq!(throttle.wait("ada", peer, now + seconds(5)), Some(seconds(1)));
        assert_eq!(throttle.wait("ada", peer, now + seconds(6)), None);
        throttle.failed("ada", peer, now + seconds(6));
        assert_eq!(throttle.wait("ada", peer, now + seconds(6)), Some(seconds(6)));
        // Nobody else is touched.
        assert_eq!(throttle.wait("bob", peer, now), None);
        assert_eq!(throttle.wait("ada", at("192.0.2.2"), now), None);
        assert_eq!(throttle.wait("ada", Peer::Loopback, now), None);
        throttle.succeeded("ada", peer);
        assert_eq!(throttle.wait("ada", peer, now), None);
    }

    #[test]
    fn one_address_that_tries_many_names_is_stopped_and_no_other() {
        let mut throttle = Throttle::new(1000);
        let now = Instant::now();
        for name in 0..30 {
            let peer = at(&format!("2001:db8:0:1::{name:x}"));
            assert_eq!(throttle.wait("x", peer, now), None, "{name}");
            throttle.failed(&name.to_string(), peer, now);
        }
        assert_eq!(throttle.wait("x", at("2001:db8:0:1::ffff"), now), Some(seconds(2)));
        assert_eq!(throttle.wait("x", at("2001:db8:0:2::1"), now), None);
    }

    #[test]
    fn an_address_written_as_v6_is_the_same_address() {
        let mut throttle = Throttle::new(100);
        let now = Instant::now();
        (0..10).for_each(|_| throttle.failed("ada", at("::ffff:192.0.2.1"), now));
        assert!(throttle.wait("ada", at("192.0.2.1"), now).is_some());
    }

    #[test]
    fn many_machines_cannot_guess_one_password_together_and_its_user_gets_in() {
        let mut throttle = Throttle::new(10_000);
        let now = Instant::now();
        let machine = |n: u32| at(&format!("198.51.{}.{}", n / 250, n % 250));
        for n in 0..100 {
            throttle.failed("ada", machine(n), now);
        }
        assert_eq!(throttle.wait("ada", machine(0), now), Some(seconds(6)), "has had its try");
        assert_eq!(throttle.wait("ada", at("192.0.2.1"), now), None, "the user, or a new machine");
        assert_eq!(throttle.wait("bob", machine(0), now), None);
    }

    #[test]
    fn everybody_behind_a_proxy_of_this_machine_is_counted_by_name_only() {
        let mut throttle = Throttle::new(1000);
        let now = Instant::now();
        for name in 0..100 {
            throttle.failed(&name.to_string(), Peer::Loopback, now);
        }
        assert_eq!(throttle.wait("ada", Peer::Loopback, now), None);
        (0..10).for_each(|_| throttle.failed("ada", Peer::Loopback, now));
        assert!(throttle.wait("ada", Peer::Loopback, now).is_some());
        (0..100).for_each(|_| throttle.failed("ada", Peer::Remote, now));
        assert_eq!(throttle.wait("ada", Peer::Remote, now), None, "an address nobody knows");
    }

    #[test]
    fn it_does_not_grow_beyond_its_bound_and_keeps_who_failed_most() {
        let mut throttle = Throttle::new(30);
        let now = Instant::now();
        (0..11).for_each(|_| throttle.failed("ada", at("192.0.2.1"), now));
        for n in 0..500_u32 {
            throttle.failed(&n.to_string(), at(&format!("198.51.{}.{}", n / 250, n % 250)), now);
            assert!(throttle.forgiven_at.len() <= 30);
        }
        assert!(throttle.wait("ada", at("192.0.2.1"), now).is_some());
    }
}
