//! Links: how they begin and end.

use amqp10::{ErrorCondition, definition::Role, endpoint::LinkId, performative::Attach};

use super::{
    connection::{Connection, Link, LinkEnd},
    management,
};

impl Connection {
    /// The peer wants a link.
    pub(super) fn on_attach(&mut self, link: LinkId, attach: Box<Attach>) {
        let answer = match attach.role {
            _ if management::is_pair(&attach) => self.begin_paired(link, &attach),
            Role::Sender => self.begin_inlet(link, *attach),
            Role::Receiver => self.begin_outlet(link, *attach),
        };
        if let Err(refused) = answer {
            // RabbitMQ: what is not allowed ends the session, anything else the link.
            match refused.condition {
                ErrorCondition::UnauthorizedAccess => {
                    let session = link.session();
                    self.protocol.end(session, Some(refused), self.out.tail());
                    self.end_session(session);
                }
                _ => self.refuse_link(link, refused),
            }
        }
    }

    /// A link is gone, whoever wanted that.
    pub(super) fn end_link(&mut self, link: LinkId, end: LinkEnd) {
        match self.links.remove(&link) {
            None => {}
            Some(Link::Inlet(inlet)) => self.end_inlet(link, *inlet, end),
            Some(Link::Outlet(outlet)) => self.end_outlet(link, *outlet, end),
            Some(Link::Coordinator) => self.end_coordinator(link),
            Some(Link::Paired(half)) => self.end_paired(&half),
        }
    }
}

/// What an answer says of the modes: those that hold.
pub(super) fn answer_to(attach: &Attach) -> Attach {
    Attach {
        snd_settle_mode: attach.snd_settle_mode,
        rcv_settle_mode: attach.rcv_settle_mode,
        ..Attach::default()
    }
}
