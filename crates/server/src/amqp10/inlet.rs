//! Links on which the peer publishes.

use amqp10::{
    ErrorCondition,
    definition::ReceiverSettleMode,
    endpoint::{Intake, LinkId, Streaming},
    messaging::{LinkTarget, Target, TerminusDurability, TerminusExpiryPolicy},
    performative::Attach,
};

use super::{
    attach::answer_to,
    connection::{Connection, Link, LinkEnd},
    credit::CREDIT,
    large::Arriving,
    node::{Prefers, Refused, To},
    own_queue::{Lives, OwnQueue},
    refusal,
    resume::Remembered,
    suspended::{Kept, Retention, TerminusKey},
};

/// A link that the peer publishes on.
pub(super) struct Inlet {
    pub(super) to: To,
    /// A queue that was made for the link.
    pub(super) own_queue: Option<OwnQueue>,
    /// How long the terminus lives when the link is gone, where the peer asked for that.
    pub(super) lives_on: Option<(TerminusKey, Retention)>,
    /// The peer settles after it was told.
    pub(super) settles_second: bool,
    /// And then: what came and the peer has not settled.
    pub(super) remembered: Remembered,
    /// A large message that is coming.
    pub(super) arriving: Option<Box<Arriving>>,
}

impl Inlet {
    fn new(to: To, own_queue: Option<OwnQueue>) -> Inlet {
        let (lives_on, settles_second, remembered, arriving) = Default::default();
        Inlet { to, own_queue, lives_on, settles_second, remembered, arriving }
    }
}

impl Connection {
    /// The peer is to publish.
    pub(super) fn begin_inlet(&mut self, link: LinkId, attach: Attach) -> Result<(), Refused> {
        let asked = match &attach.target {
            Some(LinkTarget::Target(target)) => target.clone(),
            Some(LinkTarget::Coordinator(_)) => {
                self.begin_coordinator(link, &attach);
                return Ok(());
            }
            None => {
                let text = "a link that sends has to name a target";
                return Err(refusal::error(ErrorCondition::InvalidField, text));
            }
        };
        let (to, target, own_queue) = match asked.dynamic {
            true => {
                let (name, address) = self.declare_own()?;
                let to = To::Queue(name.as_str().into());
                let lives = Lives::of_dynamic(asked.dynamic_node_properties.as_ref());
                let own = OwnQueue { name, lives, is_shared: false };
                //= amqp-1.0 §3.5.4 made-has-address
                (to, Target { address: Some(address), ..asked }, Some(own))
            }
            false => {
                let prefers = Prefers::of(&asked.capabilities);
                (self.target(asked.address.as_deref(), prefers)?, asked, None)
            }
        };
        if let Err(refused) = self.may_publish_to(&to) {
            own_queue.iter().for_each(|own| self.delete_own(&own.name, false, false));
            return Err(refused);
        }
        let mut inlet = Inlet::new(to, own_queue);
        let key = self.key_of(&attach.name, false);
        if let Some(Kept::Received(before)) = self.suspended.take(&key) {
            inlet.remembered = Remembered::resumed(before, &attach);
        }
        let retention = Retention::of(target.expiry_policy, target.timeout);
        inlet.lives_on = retention.map(|retention| (key, retention));
        let mode = match self.settles_first {
            true => ReceiverSettleMode::First,
            false => attach.rcv_settle_mode,
        };
        inlet.settles_second = mode == ReceiverSettleMode::Second;
        let lives_on = inlet.lives_on.is_some();
        // Who resumes a delivery sends it from its beginning, and is asked for it by its tag.
        let streaming = match lives_on || inlet.settles_second {
            true => Streaming::Never,
            false => self.streaming(&inlet.to),
        };
        let answer = Attach {
            source: attach.source.clone(),
            target: Some(LinkTarget::Target(Target {
                //= amqp-1.0 §2.6.3 terminus-as-made
                durable: TerminusDurability::None,
                expiry_policy: match lives_on {
                    true => target.expiry_policy,
                    false => TerminusExpiryPolicy::SessionEnd,
                },
                ..target
            })),
            max_message_size: Some(match streaming {
                Streaming::Never => self.limits.message_bytes_max,
                _ => self.limits.message_bytes_max.max(self.limits.large_message_bytes_max),
            }),
            unsettled: inlet.remembered.map(),
            rcv_settle_mode: mode,
            ..answer_to(&attach)
        };
        let intake = Intake { resumable: lives_on, streaming };
        if self.protocol.accept(link, answer, intake, self.out.tail()) {
            self.remembers |= lives_on;
            self.protocol.grant(link, CREDIT, false, self.out.tail());
            self.links.insert(link, Link::Inlet(Box::new(inlet)));
        }
        Ok(())
    }

    pub(super) fn end_inlet(&mut self, link: LinkId, inlet: Inlet, end: LinkEnd) {
        // What was published on it comes first.
        self.flush_publishes();
        let Inlet { own_queue, lives_on, remembered, .. } = inlet;
        if let (Some((key, retention)), LinkEnd::Detached) = (lives_on, end)
            && let Some(session) = self.sessions.get(&link.session())
        {
            let kept = remembered.kept(&session.waiting);
            self.suspend(link.session(), key, kept, retention);
        }
        if let Some(own) = own_queue {
            self.leave_own(link.session(), own, end);
        }
    }

    fn may_publish_to(&mut self, to: &To) -> Result<(), Refused> {
        let refused = |error: broker::Error| refusal::of(&error);
        match to {
            To::Exchange { exchange, .. } => {
                self.access.publish_to(exchange).map_err(refused)?;
                self.publisher.check(exchange).map_err(refused)
            }
            To::Queue(_) => self.access.publish_to("").map_err(refused),
            // Asked of each message.
            To::Anonymous | To::Management => Ok(()),
        }
    }
}
