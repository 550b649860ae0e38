//! Subscriptions that are more than a link: a queue with a name that stays when the link is
//! detached (durable), and that several links take from (shared). As JMS clients use them: the
//! name is the link's, up to a `|`, within the client's container; or in all containers, with the
//! capability `global`.

use amqp10::{
    ErrorCondition,
    definition::AmqpError,
    messaging::{Source, TerminusDurability, TerminusExpiryPolicy},
    types::Symbol,
};
use broker::{Arguments, Binding, BindingEnd, Destination, QueueDeclaration, Value, error::Kind};
use bytestring::ByteString;

use super::{
    connection::Connection,
    node::Origin,
    own_queue::{Lives, OwnQueue},
    refusal,
    suspended::Retention,
};
use crate::blocking;

/// What a link asks for of its subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    /// Its queue's name.
    queue: String,
    durable: bool,
    is_shared: bool,
    expiry: TerminusExpiryPolicy,
    timeout_s: u32,
}

impl Subscription {
    /// `None`: it is a queue of the link's own, as long as the link is there.
    pub(super) fn of(source: &Source, link: &str, container: &str) -> Option<Subscription> {
        let capabilities = source.capabilities.as_slice();
        let has = |name: &str| capabilities.iter().any(|it: &Symbol| it.as_str() == name);
        let durable = source.durable != TerminusDurability::None
            || source.expiry_policy == TerminusExpiryPolicy::Never;
        let is_shared = has("shared");
        let lives_on = Retention::of(source.expiry_policy, source.timeout).is_some();
        (durable || is_shared || lives_on).then(|| Subscription {
            queue: queue_of(link, container, has("global")),
            durable,
            is_shared,
            expiry: source.expiry_policy,
            timeout_s: source.timeout.0,
        })
    }

    /// What the terminus is, as the peer is told.
    pub(super) fn durability(&self) -> TerminusDurability {
        match self.durable {
            // Its queue and messages are; which deliveries are not settled is not.
            true => TerminusDurability::Configuration,
            false => TerminusDurability::None,
        }
    }

    fn own_queue(&self) -> OwnQueue {
        // Whose time begins with the detach goes by itself.
        let is_timed = self.timeout_s > 0 && self.expiry != TerminusExpiryPolicy::Never;
        OwnQueue {
            name: self.queue.clone(),
            lives: match is_timed {
                true => Lives::UntilClosed,
                false => Lives::by(self.expiry),
            },
            is_shared: self.is_shared,
        }
    }

    fn declaration(&self) -> QueueDeclaration {
        let is_timed = self.timeout_s > 0 && self.expiry != TerminusExpiryPolicy::Never;
        let timeout_ms = i64::from(self.timeout_s) * 1000;
        let expires = is_timed.then(|| ("x-expires".to_owned(), Value::Long(timeout_ms)));
        let mark = (MARK.to_owned(), Value::Bool(true));
        QueueDeclaration {
            name: self.queue.as_str().into(),
            durable: self.durable,
            exclusive: false,
            auto_delete: self.is_shared && !self.durable,
            arguments: expires.into_iter().chain([mark]).collect(),
        }
    }

    /// Nobody else takes from it.
    pub(super) fn is_exclusive(&self) -> bool {
        !self.is_shared
    }
}

/// The queue of a link's subscription.
pub(super) fn queue_of(link: &str, container: &str, is_global: bool) -> String {
    let name = link.split_once('|').map_or(link, |(name, _)| name);
    match is_global {
        true => name.to_owned(),
        false => format!("{container}.{name}"),
    }
}

impl Connection {
    /// The queue of a subscription, made if it is not there, bound as it should be and not
    /// otherwise: who subscribes to something else under the name begins anew.
    pub(super) fn subscribe(
        &mut self,
        subscription: Subscription,
        exchange: &ByteString,
        key: &ByteString,
        arguments: Arguments,
    ) -> Result<Origin, AmqpError> {
        let own = subscription.own_queue();
        let is_bound = self.leads_to(&own.name).is_some_and(|(from, binding)| {
            (&from, &binding.key, &binding.arguments) == (exchange, key, &arguments)
        });
        if self.vhost.has_queue(&own.name) && !self.is_subscription(&own.name) {
            let text = format!(
                "the queue '{}' is there and is no subscription; give the link another name",
                own.name
            );
            return Err(refusal::error(ErrorCondition::NotAllowed, text));
        }
        if self.vhost.has_queue(&own.name) && !is_bound {
            let deleted = blocking(|| self.access.delete_queue(&own.name, self.id, true, false));
            deleted.map_err(|refused| match refused.kind {
                Kind::PreconditionFailed => {
                    let text = format!(
                        "the subscription '{}' is in use for another source; close it first",
                        own.name
                    );
                    refusal::error(ErrorCondition::ResourceLocked, text)
                }
                _ => refusal::of(&refused),
            })?;
        }
        let is_new = !self.vhost.has_queue(&own.name);
        let declaration = subscription.declaration();
        let declared = blocking(|| self.access.declare_queue(declaration, self.id, false));
        declared.map_err(|it| refusal::of(&it))?;
        if !is_bound {
            let end = BindingEnd::Queue(&own.name);
            let bound =
                blocking(|| self.access.bind(exchange, end, key.clone(), arguments, self.id));
            if let Err(refused) = bound {
                self.delete_own(&own.name, true, false);
                return Err(refusal::of(&refused));
            }
        }
        let queue = own.name.clone();
        Ok(Origin { queue, own: Some(own), is_new, subscription: Some(subscription) })
    }

    /// Whether a queue was made for a subscription.
    pub(super) fn is_subscription(&self, queue: &str) -> bool {
        let queue = self.vhost.find_queue(queue);
        queue.is_some_and(|it| it.declaration().arguments.get(MARK).is_some())
    }

    /// From which exchange, and how bound to it, a subscription's queue gets its messages.
    pub(super) fn leads_to(&self, queue: &str) -> Option<(ByteString, Binding)> {
        let leads = |binding: &Binding| match &binding.destination {
            Destination::Queue(to) => to.name() == queue,
            Destination::Exchange(_) => false,
        };
        let mut bindings = self.vhost.bindings().into_iter();
        bindings.find(|(exchange, binding)| !exchange.is_empty() && leads(binding))
    }
}

/// An argument of a subscription's queue: no other is taken for one, and deleted when its link is
/// closed.
const MARK: &str = "x-subscription";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriptions_queue_is_named_by_container_and_link_or_by_the_link_alone() {
        for (link, is_global, queue) in [
            ("news", false, "c.news"),
            ("news|2", false, "c.news"),
            ("news|global", true, "news"),
            ("|x", false, "c."),
        ] {
            assert_eq!(queue_of(link, "c", is_global), queue, "{link}");
        }
    }
}
