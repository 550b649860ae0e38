//! How each kind of exchange finds the destinations of a message. A kind is one file; what they
//! share is [`Router`]. None of them knows what a queue does with a message.

mod consistent_hash;
mod destinations;
mod direct;
mod ends;
mod fanout;
mod headers;
mod modulus_hash;
mod random;
mod stable_hash;
mod topic;
mod words;

use crate::{
    Error, Headers,
    binding::{Binding, Destination},
    exchange::{ExchangeKind, HashOn},
};

/// The bindings of one exchange in the form its kind matches fastest.
#[derive(Debug)]
pub(crate) enum Router {
    Direct(direct::Direct),
    Fanout(fanout::Fanout),
    Topic(topic::Topic),
    Headers(headers::HeadersRouter),
    ConsistentHash(consistent_hash::ConsistentHash),
    ModulusHash(modulus_hash::ModulusHash),
    Random(random::Random),
}

impl Router {
    /// An empty one. `kind` is that which decides: not [`ExchangeKind::Delayed`], but the kind
    /// that is in it.
    pub(crate) fn new(kind: ExchangeKind, hash_on: HashOn) -> Router {
        match kind {
            ExchangeKind::Direct => Router::Direct(direct::Direct::default()),
            ExchangeKind::Topic => Router::Topic(topic::Topic::default()),
            ExchangeKind::Headers => Router::Headers(headers::HeadersRouter::default()),
            ExchangeKind::ConsistentHash => {
                Router::ConsistentHash(consistent_hash::ConsistentHash::new(hash_on))
            }
            ExchangeKind::ModulusHash => Router::ModulusHash(modulus_hash::ModulusHash::default()),
            ExchangeKind::Random | ExchangeKind::LocalRandom => {
                Router::Random(random::Random::default())
            }
            ExchangeKind::Fanout | ExchangeKind::Deduplication | ExchangeKind::Delayed => {
                Router::Fanout(fanout::Fanout::default())
            }
        }
    }

    /// Whether two bindings that differ only in arguments are two to this kind.
    pub(crate) fn reads_arguments(&self) -> bool {
        matches!(self, Router::Headers(_))
    }

    /// Whether the routing key alone decides, the same way each time.
    pub(crate) fn is_by_key(&self) -> bool {
        match self {
            Router::Direct(_) | Router::Fanout(_) | Router::Topic(_) | Router::ModulusHash(_) => {
                true
            }
            Router::ConsistentHash(router) => router.is_by_key(),
            Router::Headers(_) | Router::Random(_) => false,
        }
    }

    pub(crate) fn bind(&mut self, binding: &Binding) {
        match self {
            Router::Direct(router) => router.bind(binding),
            Router::Fanout(router) => router.bind(binding),
            Router::Topic(router) => router.bind(binding),
            Router::Headers(router) => router.bind(binding),
            Router::ConsistentHash(router) => router.bind(binding),
            Router::ModulusHash(router) => router.bind(binding),
            Router::Random(router) => router.bind(binding),
        }
    }

    pub(crate) fn unbind(&mut self, binding: &Binding) {
        match self {
            Router::Direct(router) => router.unbind(binding),
            Router::Fanout(router) => router.unbind(binding),
            Router::Topic(router) => router.unbind(binding),
            Router::Headers(router) => router.unbind(binding),
            Router::ConsistentHash(router) => router.unbind(binding),
            Router::ModulusHash(router) => router.unbind(binding),
            Router::Random(router) => router.unbind(binding),
        }
    }

    /// Visits every destination of a message; one may come more than once. `keys` are its routing
    /// key and those of its `CC` and `BCC` headers. A kind that picks one destination goes by the
    /// first.
    pub(crate) fn route(
        &self,
        keys: &[&str],
        headers: &dyn Headers,
        visit: &mut dyn FnMut(&Destination),
    ) {
        let first = keys.first().copied().unwrap_or_default();
        match self {
            Router::Direct(router) => keys.iter().for_each(|key| router.route(key, visit)),
            Router::Topic(router) => keys.iter().for_each(|key| {
                router.route(key, visit);
            }),
            Router::Fanout(router) => router.route(visit),
            Router::Headers(router) => router.route(headers, visit),
            Router::ConsistentHash(router) => router.route(first, headers, visit),
            Router::ModulusHash(router) => router.route(first, visit),
            Router::Random(router) => router.route(visit),
        }
    }
}

pub(crate) use headers::validate as validate_headers;

/// Refuses a binding that an exchange of this kind cannot match.
///
/// # Errors
/// [`crate::error::Kind::PreconditionFailed`], as RabbitMQ's `binding_invalid`.
pub(crate) fn validate_binding(kind: ExchangeKind, binding: &Binding) -> Result<(), Error> {
    match kind {
        ExchangeKind::Headers => validate_headers(&binding.arguments),
        ExchangeKind::ConsistentHash => consistent_hash::validate(binding),
        ExchangeKind::LocalRandom => random::validate_local(binding),
        _ => Ok(()),
    }
}

/// A map with a hash that peers cannot predict: keys come from the network.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;
