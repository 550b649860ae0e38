//! What a connection loses when users or permissions change: itself, or the links whose queues it
//! may not read any more. All else is refused when it is asked for next.

use amqp10::{ErrorCondition, endpoint::LinkId};
use auth::Users;

use super::{
    connection::{Connection, Link},
    refusal,
};
use crate::{
    driver::Phase,
    revocation::{self, Standing},
};

impl Connection {
    /// Looks again who this is and what they may do.
    pub(super) fn recheck(&mut self, users: &Users) {
        if self.phase() != Phase::Open {
            return;
        }
        match revocation::recheck(users, &mut self.login, &mut self.access) {
            Standing::Same | Standing::Changed => self.detach_unreadable(),
            Standing::Ended(why) => {
                self.close(refusal::error(ErrorCondition::ConnectionForced, why));
            }
        }
    }

    fn detach_unreadable(&mut self) {
        let outlets: Vec<(LinkId, String)> = self
            .links
            .iter()
            .filter_map(|(id, link)| match link {
                Link::Outlet(outlet) if outlet.own_queue.is_none() => {
                    Some((*id, outlet.consumer.queue().name().to_string()))
                }
                _ => None,
            })
            .collect();
        for (link, queue) in outlets {
            if let Err(refused) = self.access.may_read(&queue) {
                self.refuse_link(link, refusal::of(&refused));
            }
        }
    }
}
