//! Links that do not take what comes: with a selector on a queue that others consume from too,
//! and those that only browse (AMQP 1.0 §3.5.3, distribution-mode copy). They look at what waits;
//! what they do not take stays for others.

use amqp10::{
    ErrorCondition,
    definition::MessageFormat,
    endpoint::{LinkId, Outgoing, Sent},
};
use broker::{Looked, ReadAhead, Waiting};
use selector::Selector;

use super::{
    connection::{Connection, Link},
    consume::is_wanted,
    convert::{Shown, shown},
    large::{Feeding, left},
    refusal,
};

/// How a link chooses.
pub(super) struct Choice {
    /// Which messages it wants; `None`: all.
    selector: Option<Selector>,
    /// It sends copies, and takes nothing.
    pub(super) browses: bool,
    looked: Looked,
    /// There may be something that it has not looked at.
    pub(super) is_behind: bool,
}

/// What became of a message that was looked at.
enum Chosen {
    Sent,
    PassedOver,
    /// It is for later: the peer takes no more now.
    Later,
    /// The link is gone.
    Gone,
}

impl Choice {
    pub(super) fn new(selector: Option<Selector>, browses: bool) -> Choice {
        Choice { selector, browses, looked: Looked::default(), is_behind: true }
    }
}

impl Connection {
    /// Lets links that choose look at what came, as far as their peers take it. `false`: there is
    /// more to look at than is done in one turn.
    pub(super) fn deliver_chosen(&mut self) -> bool {
        if !self.chooses {
            return true;
        }
        let choosing: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| matches!(link, Link::Outlet(it) if it.choice.is_some()))
            .map(|(id, _)| *id)
            .collect();
        choosing.into_iter().map(|link| self.choose(link)).fold(true, |all, it| all & it)
    }

    /// `false`: it is not done.
    fn choose(&mut self, link: LinkId) -> bool {
        let mut looks = 0;
        while !self.out.is_full() && !self.feeds_enough() && self.protocol.credit(link) > 0 {
            let Some(Link::Outlet(outlet)) = self.links.get_mut(&link) else { return true };
            if !outlet.parked.is_empty() {
                return true;
            }
            let queue = outlet.consumer.queue().clone();
            let Some(choice) = &mut outlet.choice else { return true };
            if let Some(order) = outlet.consumer.fresh() {
                choice.is_behind = true;
                // What came back a browser has seen.
                if !choice.browses {
                    choice.looked.again_from(order);
                }
            }
            if !choice.is_behind {
                return true;
            }
            if looks >= LOOKS_AT_ONCE {
                return false;
            }
            let window = if choice.browses { usize::MAX } else { WINDOW };
            let waiting = match queue.look(&mut choice.looked, LOOK, window) {
                Ok(waiting) => waiting,
                Err(refused) => {
                    self.refuse_link(link, refusal::of(&refused));
                    return true;
                }
            };
            looks += waiting.len();
            choice.is_behind = !waiting.is_empty();
            for (at, one) in waiting.iter().enumerate() {
                match self.choose_one(link, one) {
                    Chosen::Sent | Chosen::PassedOver => {}
                    Chosen::Gone => return true,
                    Chosen::Later => {
                        self.put_off(link, waiting.iter().skip(at));
                        return true;
                    }
                }
            }
        }
        true
    }

    /// The link looks at these once more.
    fn put_off<'a>(&mut self, link: LinkId, waiting: impl Iterator<Item = &'a Waiting>) {
        if let Some(Link::Outlet(outlet)) = self.links.get_mut(&link)
            && let Some(choice) = &mut outlet.choice
        {
            choice.is_behind = true;
            waiting.for_each(|one| choice.looked.put_off(one));
        }
    }

    fn choose_one(&mut self, link: LinkId, waiting: &Waiting) -> Chosen {
        let Some(Link::Outlet(outlet)) = self.links.get_mut(&link) else { return Chosen::Gone };
        let consumer = outlet.consumer.clone();
        let queue = consumer.queue();
        let Some(choice) = &outlet.choice else { return Chosen::Gone };
        let browses = choice.browses;
        let is_needed = browses || choice.selector.is_some();
        let shown = is_needed.then(|| shown(waiting.message(), queue, waiting.entry()));
        let shown = match shown.transpose() {
            Ok(shown) => shown,
            Err(error) => {
                // Who takes it will see to it.
                tracing::error!(
                    "a message of queue '{}' cannot be looked at: {error}",
                    queue.name()
                );
                return Chosen::PassedOver;
            }
        };
        if let (Some(selector), Some(Shown { head, body, .. })) = (&choice.selector, &shown)
            && !is_wanted(selector, head, body, self.broker.now().0)
        {
            return Chosen::PassedOver;
        }
        // What was taken and could not be sent goes first.
        let is_held_up = self.out.is_full() || !outlet.parked.is_empty();
        if is_held_up || self.protocol.credit(link) == 0 {
            return Chosen::Later;
        }
        if let (true, Some(Shown { head, body, rest })) = (browses, shown) {
            let outgoing = Outgoing {
                tag: outlet.sent,
                settled: outlet.settled,
                message_format: MessageFormat(0),
                head: &head,
                body: &body,
                rest: left(rest.as_ref()),
                state: None,
                resume: false,
            };
            return match self.protocol.send(link, &outgoing, &mut self.out) {
                Sent::Whole(id) | Sent::Partly(id) => {
                    self.feeding.extend(rest.map(|rest| Feeding::new(link, id, rest)));
                    let settled = u64::from(outlet.settled);
                    outlet.sent += 1;
                    self.count_delivered(link, 1, 0, settled);
                    Chosen::Sent
                }
                Sent::NoCredit | Sent::NoWindow | Sent::TooManyUnsettled => Chosen::Later,
                Sent::TooLarge => Chosen::PassedOver,
                Sent::NotAttached => Chosen::Gone,
            };
        }
        match queue.take(&consumer, waiting) {
            Ok(None) => Chosen::PassedOver,
            Ok(Some(entry)) => {
                outlet.parked.push_back(entry);
                self.send_parked(link, &mut ReadAhead::default());
                match self.links.get(&link) {
                    Some(Link::Outlet(_)) => Chosen::Sent,
                    _ => Chosen::Gone,
                }
            }
            Err(refused) => {
                let error = refusal::error(ErrorCondition::InternalError, refused.text);
                self.refuse_link(link, error);
                Chosen::Gone
            }
        }
    }
}

/// How many messages are looked at together.
const LOOK: usize = 256;

/// After so many others get their turn.
const LOOKS_AT_ONCE: usize = 4096;

/// How far behind a queue's first message a selector sees, in messages. What it takes from further
/// back leaves the neighbours in memory, 64 bytes each.
const WINDOW: usize = 1_000_000;
