//! Links that events leave by: one for all of them, or one for each place where the broker wants
//! it so.

use std::collections::VecDeque;

use ::amqp10::{
    definition::{AmqpError, Role},
    endpoint::{Connection, Intake as Kind, LinkId, SessionId},
    messaging::{Source, Target},
    performative::Attach,
};
use bytes::BytesMut;

use super::{Dialect, refusal::refusal};
use crate::{conversation::Refusal, message::Message};

/// The links of a publisher.
pub(super) struct Outlets {
    session: SessionId,
    /// The one for all; none when there is no such.
    first: Option<LinkId>,
    /// The others, by where they lead; the oldest first.
    own: VecDeque<Own>,
}

struct Own {
    target: Target,
    id: LinkId,
    is_attached: bool,
}

impl Outlets {
    /// Attaches the first. None when the peer takes no more links.
    pub(super) fn begin(
        session: SessionId,
        dialect: Dialect,
        engine: &mut Connection,
        out: &mut BytesMut,
    ) -> Option<Outlets> {
        let first = match dialect.exchange() {
            Some(target) => Some(attach(session, target, engine, out)?),
            None => None,
        };
        Some(Outlets { session, first, own: VecDeque::new() })
    }

    /// Whether that is the link without which nothing is published, or there is none such.
    pub(super) fn is_first(&self, link: Option<LinkId>) -> bool {
        self.first == link
    }

    /// Whether the broker gives no credit.
    pub(super) fn is_blocked(&self, engine: &Connection) -> bool {
        let mut links = self.first.into_iter().chain(self.own.iter().map(|own| own.id));
        links.all(|link| engine.credit(link) == 0)
    }

    /// The link for a message. None when it is not there yet: it is asked for. `is_idle`: nothing
    /// is under way on any.
    pub(super) fn link(
        &mut self,
        message: &Message,
        dialect: Dialect,
        is_idle: bool,
        engine: &mut Connection,
        out: &mut BytesMut,
    ) -> Option<LinkId> {
        let Some(target) = dialect.own_target(&message.place, &message.topic) else {
            return self.first;
        };
        if let Some(own) = self.own.iter().find(|own| own.target == target) {
            return own.is_attached.then_some(own.id);
        }
        if self.own.len() >= LINKS_MAX {
            if !is_idle {
                return None;
            }
            let oldest = self.own.pop_front()?;
            engine.detach(oldest.id, true, None, out);
        }
        let id = attach(self.session, target.clone(), engine, out)?;
        self.own.push_back(Own { target, id, is_attached: false });
        None
    }

    pub(super) fn on_attached(&mut self, link: LinkId) {
        for own in self.own.iter_mut().filter(|own| own.id == link) {
            own.is_attached = true;
        }
    }

    /// A link is gone. None when it was let go.
    pub(super) fn on_detached(
        &mut self,
        link: LinkId,
        error: Option<&AmqpError>,
    ) -> Option<Refusal> {
        if self.first == Some(link) {
            return Some(refusal(None, error));
        }
        let own = self.own.iter().find(|own| own.id == link)?;
        // One that never was attached refuses the message that wanted it.
        let address = own.target.address.as_deref().unwrap_or_default();
        Some(refusal((!own.is_attached).then(|| format!("a link to '{address}'")), error))
    }
}

fn attach(
    session: SessionId,
    target: Target,
    engine: &mut Connection,
    out: &mut BytesMut,
) -> Option<LinkId> {
    let attach = Attach {
        name: format!("tubepost-{}", uuid::Uuid::new_v4()).into(),
        role: Role::Sender,
        source: Some(Source::default()),
        target: Some(target.into()),
        ..Attach::default()
    };
    engine.attach(session, attach, Kind::default(), out)
}

/// How many places have a link at once: brokers allow 256 or so.
const LINKS_MAX: usize = 128;
