//! Links from which the peer consumes.

use std::{collections::VecDeque, mem, sync::Arc};

use amqp10::{
    ErrorCondition,
    definition::SenderSettleMode,
    endpoint::{Intake, LinkId},
    messaging::{DistributionMode, Source, TerminusDurability, TerminusExpiryPolicy},
    performative::Attach,
    types::Symbol,
};
use broker::{
    Consumer, ConsumerRequest, Entry, Return, SharedLimit, Supply, error::Kind, policy::QueueType,
};
use bytestring::ByteString;

use super::{
    address::Address,
    attach::answer_to,
    choose::Choice,
    connection::{Connection, Link, LinkEnd},
    filter::Asked,
    node::{Origin, Refused},
    own_queue::{Lives, OwnQueue},
    refusal,
    resume::{Resuming, Tags, map_of_sent},
    subscription::{Subscription, queue_of},
    suspended::{Kept, Retention, TerminusKey},
};
use crate::blocking;

/// A link that sends to the peer.
pub(super) struct Outlet {
    pub(super) consumer: Arc<Consumer>,
    /// Deliveries go out settled.
    pub(super) settled: bool,
    /// Went out since it was attached: what credit is counted from.
    pub(super) sent: u64,
    /// Did not go out, because the link does not want them.
    pub(super) passed_over: u64,
    /// Which messages it wants of what it is handed; `None`: all.
    pub(super) selector: Option<selector::Selector>,
    /// It wants nothing that was published on its own connection.
    pub(super) no_local: bool,
    /// It is handed nothing, and chooses.
    pub(super) choice: Option<Choice>,
    /// Handed out, and not sent for want of credit or window.
    pub(super) parked: VecDeque<Entry>,
    /// The peer waits to be told that there is no more.
    pub(super) is_draining: bool,
    /// A queue that was made for the link.
    pub(super) own_queue: Option<OwnQueue>,
    /// How long the terminus lives when the link is gone, where the peer asked for that.
    pub(super) lives_on: Option<(TerminusKey, Retention)>,
    /// The number in the first delivery's tag.
    pub(super) first_tag: u64,
    /// Of a terminus that lives on.
    pub(super) tags: Tags,
    /// Deliveries of before, that the peer is to hear of first.
    pub(super) resuming: VecDeque<Resuming>,
    /// The transaction that acquires what goes out.
    pub(super) acquires_by: Option<u32>,
}

impl Outlet {
    /// The peer takes so many more.
    pub(super) fn allow(&self, credit: u32) {
        self.consumer.allow(self.sent + self.passed_over + u64::from(credit));
    }
}

impl Connection {
    /// The peer is to consume.
    pub(super) fn begin_outlet(&mut self, link: LinkId, attach: Attach) -> Result<(), Refused> {
        let Some(asked) = attach.source.clone() else { return self.look_up(link, &attach) };
        let (origin, asked) = match asked.dynamic {
            true => {
                let (name, address) = self.declare_own()?;
                let lives = Lives::of_dynamic(asked.dynamic_node_properties.as_ref());
                let own = OwnQueue { name, lives, is_shared: false };
                //= amqp-1.0 §3.5.3 made-has-address
                (Origin::own(own), Source { address: Some(address), ..asked })
            }
            false => (self.source(&asked, &attach.name)?, asked),
        };
        let own = origin.own.as_ref().map(|own| own.name.clone());
        if self.begin_origin(link, &attach, asked, origin)?
            && let Some(own) = own
        {
            self.recall_own(&own);
        }
        Ok(())
    }

    /// Begins a consumer; what was made for it goes if that does not come to be. `false`: the link
    /// went meanwhile.
    fn begin_origin(
        &mut self,
        link: LinkId,
        attach: &Attach,
        source: Source,
        origin: Origin,
    ) -> Result<bool, Refused> {
        let begun = self.consume_for(link, attach, source, &origin);
        if let (Some(own), true) = (origin.own, origin.is_new && !matches!(begun, Ok(true))) {
            // Others may have come to a subscription meanwhile.
            let if_unused = origin.subscription.is_some();
            self.delete_own(&own.name, if_unused, if_unused);
        }
        begun
    }

    /// A link without a source: its peer asks whether its subscription is there, to close it (JMS:
    /// unsubscribe) or to go on with it (AMQP 1.0 §2.6.3: what was agreed before holds).
    fn look_up(&mut self, link: LinkId, attach: &Attach) -> Result<(), Refused> {
        let queue = [false, true]
            .map(|is_global| queue_of(&attach.name, &self.container, is_global))
            .into_iter()
            .find(|queue| self.is_subscription(queue));
        let leads_to = queue.and_then(|queue| Some((self.leads_to(&queue)?, queue)));
        let Some(((exchange, binding), queue)) = leads_to else {
            let text = format!(
                "no subscription '{}' of container '{}'; a link that receives has to name a source",
                attach.name, self.container
            );
            return Err(refusal::error(ErrorCondition::NotFound, text));
        };
        let source = Source {
            address: Some(Address::of_exchange(&exchange, &binding.key).into()),
            durable: TerminusDurability::Configuration,
            expiry_policy: TerminusExpiryPolicy::Never,
            ..Source::default()
        };
        let own = OwnQueue { name: queue.clone(), lives: Lives::UntilClosed, is_shared: true };
        let subscription = Subscription::of(&source, &attach.name, &self.container);
        let origin = Origin { queue, own: Some(own), is_new: false, subscription };
        self.begin_origin(link, attach, source, origin).map(drop)
    }

    /// Begins a consumer for a link. `false`: the link went meanwhile.
    fn consume_for(
        &mut self,
        link: LinkId,
        attach: &Attach,
        source: Source,
        origin: &Origin,
    ) -> Result<bool, Refused> {
        let Origin { queue, own, subscription, .. } = origin;
        let is_own = own.is_some();
        let queue_type = self.vhost.queue_type(queue).unwrap_or_default();
        let asked = Asked::of(attach, self.vhost.name(), queue, queue_type, is_own)?;
        let Asked { arguments, mut selector, no_local, in_force } = asked;
        // A stream is read by copies anyhow, and what it hands out others get all the same.
        let is_stream = queue_type == QueueType::Stream;
        let browses = source.distribution_mode == Some(DistributionMode::Copy) && !is_stream;
        let chooses = browses || (selector.is_some() && !is_own && !is_stream);
        let choice = chooses.then(|| Choice::new(selector.take(), browses));
        self.last_outlet = self.last_outlet.wrapping_add(1);
        let number = self.last_outlet;
        let settled = attach.snd_settle_mode == SenderSettleMode::Settled;
        let request = ConsumerRequest {
            reading: arguments.reading,
            priority: arguments.priority,
            channel: number,
            tag: shortened(&attach.name),
            // A stream wants to know what was taken: it is told as soon as it is sent.
            no_ack: settled && !is_stream,
            exclusive: subscription.as_ref().is_some_and(Subscription::is_exclusive),
            prefetch: 0,
            supply: if chooses { Supply::Choice } else { Supply::Credit },
            shared_limit: Arc::new(SharedLimit::default()),
            mailbox: self.mailbox.clone(),
        };
        if !is_own || subscription.is_some() {
            self.access.may_read(queue).map_err(|it| refusal::of(&it))?;
        }
        let consumer = self.vhost.consume(queue, self.id, request);
        let consumer = consumer.map_err(|refused| match refused.kind {
            // Somebody else has it for themselves: that is no question of rights.
            Kind::AccessRefused => refusal::error(ErrorCondition::ResourceLocked, refused.text),
            _ => refusal::of(&refused),
        })?;
        // Only who is handed messages to keep goes on with deliveries, and of the same queue only.
        let keeps = !chooses && !settled && !is_stream;
        let before = self.suspended.take(&self.key_of(&attach.name, true));
        let (before, first_tag) = match before {
            Some(Kept::Sent { deliveries, next }) => {
                let (same, other): (Vec<_>, Vec<_>) = deliveries
                    .into_iter()
                    .partition(|(_, it)| keeps && Arc::ptr_eq(it.holder.queue(), consumer.queue()));
                Kept::Sent { deliveries: other, next }.give_up();
                (same, next)
            }
            _ => (Vec::new(), 0),
        };
        // What others take from as well is theirs when the link is gone, and a queue that goes with
        // it leaves nothing.
        let stays = match own {
            None => true,
            Some(own) => subscription.is_some() && !own.is_shared,
        };
        let retention = Retention::of(source.expiry_policy, source.timeout);
        let retention = retention.filter(|_| stays && keeps);
        let answer = Attach {
            unsettled: map_of_sent(&before),
            source: Some(Source {
                durable: subscription
                    .as_ref()
                    .map_or(TerminusDurability::None, |it| it.durability()),
                expiry_policy: match subscription.is_some() || retention.is_some() {
                    true => source.expiry_policy,
                    false => TerminusExpiryPolicy::SessionEnd,
                },
                //= amqp-1.0 §3.5.3 mode-said
                distribution_mode: Some(match browses || is_stream {
                    true => DistributionMode::Copy,
                    false => DistributionMode::Move,
                }),
                filter: in_force,
                //= amqp-1.0 §3.5.3 default-outcome, outcomes
                default_outcome: Some(amqp10::messaging::Outcome::Released(Default::default())),
                outcomes: OUTCOMES.iter().map(|name| Symbol::from_static(name)).collect(),
                ..source
            }),
            target: attach.target.clone(),
            ..answer_to(attach)
        };
        let mut outlet = Outlet {
            consumer: consumer.clone(),
            settled,
            sent: 0,
            passed_over: 0,
            selector,
            choice,
            no_local,
            parked: VecDeque::new(),
            is_draining: false,
            own_queue: own.clone(),
            lives_on: retention.map(|retention| (self.key_of(&attach.name, true), retention)),
            first_tag,
            tags: Tags::default(),
            resuming: self.compare_sent(attach, before),
            acquires_by: None,
        };
        if !self.protocol.accept(link, answer, Intake::default(), self.out.tail()) {
            self.cancel(&consumer);
            self.out_of(link, &mut outlet).give_up();
            return Ok(false);
        }
        self.links.insert(link, Link::Outlet(Box::new(outlet)));
        self.outlets.insert(number, link);
        self.chooses |= chooses;
        Ok(true)
    }

    pub(super) fn end_outlet(&mut self, link: LinkId, mut outlet: Outlet, end: LinkEnd) {
        let consumer = outlet.consumer.clone();
        self.outlets.remove(&consumer.channel());
        self.cancel(&consumer);
        let parked = mem::take(&mut outlet.parked);
        consumer.queue().requeue(parked, Some(&consumer), Return::Unsent);
        self.recall(&consumer);
        let kept = self.out_of(link, &mut outlet);
        match (outlet.lives_on, end) {
            (Some((key, retention)), LinkEnd::Detached) => {
                self.suspend(link.session(), key, kept, retention);
            }
            _ => kept.give_up(),
        }
        if let Some(own) = outlet.own_queue {
            self.leave_own(link.session(), own, end);
        }
    }

    pub(super) fn cancel(&self, consumer: &Arc<Consumer>) {
        if let Err(error) = blocking(|| self.vhost.cancel(consumer)) {
            tracing::error!(connection = self.id.0, "consumer not cancelled: {error}");
        }
    }
}

/// A link's name as operators are shown it: 255 bytes, as a consumer's tag may have.
fn shortened(name: &str) -> ByteString {
    let end = (0..=name.len().min(255)).rfind(|at| name.is_char_boundary(*at)).unwrap_or(0);
    name.get(..end).unwrap_or_default().into()
}

/// AMQP 1.0 §3.4: what a consumer may say of a delivery.
const OUTCOMES: [&str; 4] =
    ["amqp:accepted:list", "amqp:rejected:list", "amqp:released:list", "amqp:modified:list"];
