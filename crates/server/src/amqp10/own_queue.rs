//! Queues that were made for a link, and how long they live: those of subscriptions (AMQP 1.0
//! §3.5.5) and dynamic nodes (§3.5.10 to §3.5.13).

use amqp10::{
    Decode as _, Encode as _, Reader,
    endpoint::SessionId,
    messaging::{LifetimePolicy, TerminusExpiryPolicy},
    types::Map,
};
use bytes::BytesMut;

use super::connection::{Connection, LinkEnd};
use crate::blocking;

/// A queue that was made for a link.
#[derive(Debug, Clone)]
pub(super) struct OwnQueue {
    pub(super) name: String,
    pub(super) lives: Lives,
    /// Others may consume from it as well: it goes with the last of them.
    pub(super) is_shared: bool,
}

/// How long such a queue lives. When its link is closed, and not only detached, it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lives {
    WithLink,
    WithSession,
    WithConnection,
    /// A detach leaves it, however it ends.
    UntilClosed,
    /// A dynamic node, as long as there are links to it.
    WhileLinked,
    /// As long as there are messages in it.
    WhileFilled,
    WhileLinkedOrFilled,
}

impl Lives {
    /// With the terminus: it expires so.
    pub(super) fn by(policy: TerminusExpiryPolicy) -> Lives {
        match policy {
            TerminusExpiryPolicy::LinkDetach => Lives::WithLink,
            TerminusExpiryPolicy::SessionEnd => Lives::WithSession,
            TerminusExpiryPolicy::ConnectionClose => Lives::WithConnection,
            TerminusExpiryPolicy::Never => Lives::UntilClosed,
        }
    }

    /// As a dynamic node's properties ask for.
    pub(super) fn of_dynamic(properties: Option<&Map>) -> Lives {
        let policy = properties.and_then(|properties| {
            let named = |name: &amqp10::types::Value| name.as_text() == Some("lifetime-policy");
            let (_, value) = properties.iter().find(|(name, _)| named(name))?;
            let mut octets = BytesMut::new();
            value.encode(&mut octets);
            LifetimePolicy::decode(&mut Reader::new(&octets.freeze())).ok()
        });
        match policy {
            None | Some(LifetimePolicy::DeleteOnClose(_)) => Lives::WithLink,
            Some(LifetimePolicy::DeleteOnNoLinks(_)) => Lives::WhileLinked,
            Some(LifetimePolicy::DeleteOnNoMessages(_)) => Lives::WhileFilled,
            Some(LifetimePolicy::DeleteOnNoLinksOrMessages(_)) => Lives::WhileLinkedOrFilled,
        }
    }
}

impl Connection {
    /// Its link is gone.
    pub(super) fn leave_own(&mut self, session: SessionId, own: OwnQueue, end: LinkEnd) {
        let OwnQueue { name, lives, is_shared } = own;
        match lives {
            Lives::WhileLinked => self.delete_own(&name, true, false),
            Lives::WhileFilled => self.delete_own(&name, false, true),
            Lives::WhileLinkedOrFilled => self.delete_own(&name, true, true),
            Lives::WithLink => self.delete_own(&name, is_shared, false),
            _ if end == LinkEnd::Closed => self.delete_own(&name, is_shared, false),
            Lives::WithSession => match self.sessions.get_mut(&session) {
                Some(session) => session.lingering.push(name),
                None => self.delete_own(&name, is_shared, false),
            },
            Lives::WithConnection => self.lingering.push(name),
            Lives::UntilClosed => {}
        }
    }

    /// A link is attached to it again: it does not go with session or connection.
    pub(super) fn recall_own(&mut self, name: &str) {
        self.lingering.retain(|it| it != name);
        for session in self.sessions.values_mut() {
            session.lingering.retain(|it| it != name);
        }
    }

    /// What outlived its links goes now.
    pub(super) fn delete_lingering(&mut self, names: Vec<String>) {
        names.iter().for_each(|name| self.delete_own(name, true, false));
    }

    /// It may have gone with its consumer, or stay for others; or for those who may delete it, if
    /// it is not this connection's alone.
    pub(super) fn delete_own(&mut self, queue: &str, if_unused: bool, if_empty: bool) {
        let _ = blocking(|| match self.vhost.find_queue(queue).map(|it| it.owner()) {
            Some(Some(_)) => self.vhost.delete_queue(queue, self.id, if_unused, if_empty),
            _ => self.access.delete_queue(queue, self.id, if_unused, if_empty),
        });
    }
}
