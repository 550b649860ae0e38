//! How each kind of exchange finds the destinations of a message. A kind is one file; what they
//! share is [`Router`]. None of them knows what a queue does with a message.

mod direct;
mod fanout;
mod headers;
mod topic;

pub(crate) use headers::validate as validate_headers_binding;

use crate::{Headers, binding::Binding, binding::Destination, exchange::ExchangeKind};

/// The bindings of one exchange in the form its kind matches fastest.
#[derive(Debug)]
pub(crate) enum Router {
    Direct(direct::Direct),
    Fanout(fanout::Fanout),
    Topic(topic::Topic),
    Headers(headers::HeadersRouter),
}

impl Router {
    pub(crate) fn new(kind: ExchangeKind) -> Router {
        match kind {
            ExchangeKind::Direct => Router::Direct(direct::Direct::default()),
            ExchangeKind::Fanout => Router::Fanout(fanout::Fanout::default()),
            ExchangeKind::Topic => Router::Topic(topic::Topic::default()),
            ExchangeKind::Headers => Router::Headers(headers::HeadersRouter::default()),
        }
    }

    /// Whether two bindings that differ only in arguments are two to this kind.
    pub(crate) fn reads_arguments(&self) -> bool {
        matches!(self, Router::Headers(_))
    }

    pub(crate) fn bind(&mut self, binding: &Binding) {
        match self {
            Router::Direct(router) => router.bind(binding),
            Router::Fanout(router) => router.bind(binding),
            Router::Topic(router) => router.bind(binding),
            Router::Headers(router) => router.bind(binding),
        }
    }

    pub(crate) fn unbind(&mut self, binding: &Binding) {
        match self {
            Router::Direct(router) => router.unbind(binding),
            Router::Fanout(router) => router.unbind(binding),
            Router::Topic(router) => router.unbind(binding),
            Router::Headers(router) => router.unbind(binding),
        }
    }

    /// Visits every destination of a message; one may come more than once.
    pub(crate) fn route(
        &self,
        key: &str,
        headers: &dyn Headers,
        visit: &mut dyn FnMut(&Destination),
    ) {
        match self {
            Router::Direct(router) => router.route(key, visit),
            Router::Fanout(router) => router.route(visit),
            Router::Topic(router) => router.route(key, visit),
            Router::Headers(router) => router.route(headers, visit),
        }
    }
}

/// A map with a hash that peers cannot predict: keys come from the network.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;
