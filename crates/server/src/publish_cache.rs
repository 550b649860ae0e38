//! What a publisher's messages meant before: by the very octets that say it, in whatever protocol.
//!
//! Most messages of a publisher differ in their bodies only. What their other octets mean was
//! decoded, allowed and routed when they came first; it holds for as long as neither topology nor
//! permissions change, and only of what depends on nothing else ([`broker::Routes::is_by_key`]).

use std::{hash::BuildHasher, sync::Arc};

use broker::{Label, Routes};
use bytes::Bytes;
use bytestring::ByteString;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

/// The publishes that one connection remembers.
#[derive(Debug, Default)]
pub(crate) struct PublishCache {
    known: Vec<Known>,
    /// Where each is in `known`, by the hash of its octets.
    table: HashTable<u32>,
    /// The one found last: mostly the next one as well.
    last: usize,
    /// Of which topology and permissions all this is true.
    of: Version,
    hasher: RandomState,
    /// Hashes of octets that came once: only what comes again is worth remembering.
    once: Vec<u64>,
    /// A number that looks like chance.
    misses: u64,
    bytes: usize,
    /// Reads so far: messages of one share their label.
    read: u64,
}

/// The numbers of a topology and of permissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) topology: u64,
    pub(crate) permissions: u64,
}

/// The octets of a publish but for its body and what counts it: where it goes, and what is said of
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Said<'a> {
    /// AMQP 0-9-1: the method. AMQP 1.0: the link, which leads somewhere.
    pub(crate) target: &'a [u8],
    /// AMQP 0-9-1: the properties. AMQP 1.0: the sections before the body.
    pub(crate) properties: &'a [u8],
}

/// A publish but for its body.
#[derive(Debug)]
struct Known {
    hash: u64,
    /// The target's octets, and behind them those of the properties. Of most publishes they lie
    /// with what is known of them: one place in memory to wait for.
    octets: SmallVec<[u8; 128]>,
    target_len: usize,
    label: Arc<Label>,
    routes: Routes,
    is_mandatory: bool,
    /// When its label was used last, and whether it is of that read.
    used_in: u64,
    is_fresh: bool,
}

/// Octets that came and were not known.
#[derive(Debug)]
pub(crate) struct Unknown {
    hash: u64,
    octets: Vec<u8>,
    target_len: usize,
}

impl PublishCache {
    /// Another read begins.
    pub(crate) fn next_read(&mut self) {
        self.read += 1;
    }

    /// Forgets everything: another user has other rights.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.table.clear();
        self.bytes = 0;
    }

    /// The label, the routes, and whether it is mandatory; else, when it is worth remembering, what
    /// to [`learn`](Self::learn) it by.
    pub(crate) fn find(
        &mut self,
        of: Version,
        said: Said<'_>,
    ) -> Result<(Arc<Label>, Routes, bool), Option<Unknown>> {
        if self.of != of {
            self.clear();
            self.of = of;
        }
        let at = match self.known.get(self.last) {
            Some(last) if last.is(said) => self.last,
            _ => self.look_up(said)?,
        };
        self.last = at;
        let Some(known) = self.known.get_mut(at) else { return Err(None) };
        if known.used_in != self.read {
            (known.used_in, known.is_fresh) = (self.read, false);
        } else if !known.is_fresh {
            // Those of the read before may be with their consumers now: a count that two processors
            // change in turn costs more than another label.
            known.label = Arc::new(Label::clone(&known.label));
            known.is_fresh = true;
        }
        Ok((known.label.clone(), known.routes.clone(), known.is_mandatory))
    }

    fn look_up(&mut self, said: Said<'_>) -> Result<usize, Option<Unknown>> {
        let hash = self.hasher.hash_one(said);
        let known = &self.known;
        let found = self.table.find(hash, |at| {
            known.get(*at as usize).is_some_and(|known| known.hash == hash && known.is(said))
        });
        if let Some(at) = found {
            return Ok(*at as usize);
        }
        // As many places as there is something to choose from: most publishers have a few keys.
        let places = (self.known.len() * 4).next_power_of_two().clamp(ONCE_MIN, ONCE_MAX);
        if self.once.len() < places {
            self.once = vec![0; places];
        }
        let at = hash as usize % self.once.len();
        let Some(place) = self.once.get_mut(at) else { return Err(None) };
        let came_before = *place == hash;
        // One of many that share a place has to stay there until it comes again.
        self.misses = self.misses.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        if *place == 0 || self.misses >> 60 == 0 {
            *place = hash;
        }
        Err(came_before.then(|| Unknown {
            hash,
            octets: [said.target, said.properties].concat(),
            target_len: said.target.len(),
        }))
    }

    /// Remembers what was published by those octets.
    pub(crate) fn learn(
        &mut self,
        unknown: Unknown,
        label: &Label,
        routes: &Routes,
        is_mandatory: bool,
    ) {
        if !routes.is_by_key() {
            return;
        }
        let Unknown { hash, octets, target_len } = unknown;
        let bytes = octets.len() + KNOWN_BYTES;
        if self.bytes + bytes > CACHE_BYTES_MAX {
            self.clear();
        }
        // Names are slices of a read buffer: copied here, or the cache would keep it alive.
        let copied = |name: &ByteString| ByteString::from(&**name);
        let label = Label {
            exchange: copied(&label.exchange),
            routing_key: copied(&label.routing_key),
            properties: Bytes::copy_from_slice(&label.properties),
            ..label.clone()
        };
        self.bytes += bytes;
        self.known.push(Known {
            hash,
            octets: SmallVec::from_slice(&octets),
            target_len,
            label: Arc::new(label),
            routes: routes.clone(),
            is_mandatory,
            used_in: 0,
            is_fresh: false,
        });
        let at = (self.known.len() - 1) as u32;
        let known = &self.known;
        let hash_of = |at: &u32| known.get(*at as usize).map_or(0, |known| known.hash);
        self.table.insert_unique(hash, at, hash_of);
    }
}

impl Known {
    fn is(&self, said: Said<'_>) -> bool {
        self.octets.len() == said.target.len() + said.properties.len()
            && self.octets.get(..self.target_len) == Some(said.target)
            && self.octets.get(self.target_len..) == Some(said.properties)
    }
}

/// What one of them takes besides its octets, about, with what is made of its label.
const KNOWN_BYTES: usize = 768;

/// What one connection may remember: some 12,000 routing keys.
const CACHE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Places for hashes of what came once, eight bytes each.
const ONCE_MIN: usize = 256;
const ONCE_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use broker::{Broker, Options, Publisher};

    use super::*;

    const OF: Version = Version { topology: 1, permissions: 1 };

    fn said<'a>(target: &'a [u8], properties: &'a [u8]) -> Said<'a> {
        Said { target, properties }
    }

    fn by_key() -> Routes {
        let broker = Broker::in_memory(&Options::default());
        let mut publisher = Publisher::new(broker.vhost("/").unwrap());
        publisher.route(&"".into(), &"nowhere".into(), &()).unwrap()
    }

    fn label(key: &str) -> Label {
        Label { routing_key: key.into(), ..Label::default() }
    }

    /// Comes so often until it is known.
    fn teach(cache: &mut PublishCache, target: &[u8], properties: &[u8], key: &str) -> usize {
        let by_key = by_key();
        for count in 0.. {
            match cache.find(OF, said(target, properties)) {
                Ok((found, ..)) => {
                    assert_eq!(&*found.routing_key, key);
                    return count;
                }
                Err(None) => {}
                Err(Some(unknown)) => {
                    cache.learn(unknown, &label(key), &by_key, false);
                }
            }
        }
        0
    }

    #[test]
    fn what_comes_again_is_known_by_all_of_its_octets() {
        let mut cache = PublishCache::default();
        assert!(teach(&mut cache, b"ab", b"c", "one") >= 2, "not what came once only");
        assert!(teach(&mut cache, b"a", b"bc", "two") >= 2);
        assert_eq!(teach(&mut cache, b"ab", b"c", "one"), 0);
        assert_eq!(teach(&mut cache, b"a", b"bc", "two"), 0);
        let changed = Version { topology: 2, ..OF };
        assert!(cache.find(changed, said(b"ab", b"c")).is_err(), "topology changed");
    }

    #[test]
    fn what_depends_on_more_than_its_octets_is_not_remembered() {
        let mut cache = PublishCache::default();
        for _ in 0..4 {
            if let Err(Some(unknown)) = cache.find(OF, said(b"ab", b"c")) {
                cache.learn(unknown, &label("one"), &Routes::default(), false);
            }
        }
        assert!(cache.find(OF, said(b"ab", b"c")).is_err());
    }

    #[test]
    fn messages_of_one_read_share_a_label_and_those_of_the_next_have_another() {
        let mut cache = PublishCache::default();
        teach(&mut cache, b"ab", b"c", "one");
        let mut read = || {
            cache.next_read();
            let mut find = || cache.find(OF, said(b"ab", b"c")).unwrap().0;
            find();
            (find(), find())
        };
        let (one, two) = read();
        assert!(Arc::ptr_eq(&one, &two));
        assert!(!Arc::ptr_eq(&one, &read().0));
    }

    #[test]
    fn ten_thousand_keys_in_turn_are_all_known_before_long() {
        let mut cache = PublishCache::default();
        let by_key = by_key();
        let mut unknown = 0;
        for round in 0..400 {
            unknown = 0;
            for number in 0..10_000_u32 {
                let target = number.to_le_bytes();
                if let Err(found) = cache.find(OF, said(&target, b"")) {
                    unknown += 1;
                    if let Some(found) = found {
                        cache.learn(found, &label("key"), &by_key, false);
                    }
                }
            }
            if unknown == 0 {
                println!("all known after {round} rounds");
                return;
            }
        }
        panic!("{unknown} are still unknown");
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut cache = PublishCache::default();
        for number in 0..30_000_u32 {
            teach(&mut cache, &number.to_le_bytes(), b"", "key");
        }
        assert!(cache.once.len() <= ONCE_MAX);
        assert!(cache.bytes <= CACHE_BYTES_MAX);
        assert!(cache.known.len() <= CACHE_BYTES_MAX / KNOWN_BYTES);
    }
}
