//! What a connection loses when users or permissions change: itself, or the consumers whose queues
//! it may not read any more. All else is refused when it is asked for next.

use std::sync::Arc;

use amqp091::ReplyCode;
use auth::Users;
use broker::Consumer;

use super::{connection::Connection, refusal::Refusal};
use crate::{
    blocking,
    driver::Phase,
    revocation::{self, Standing},
};

impl Connection {
    /// Looks again who this is and what they may do.
    pub(super) fn recheck(&mut self, users: &Users) {
        if self.phase != Phase::Open {
            return;
        }
        match revocation::recheck(users, &mut self.login, &mut self.access) {
            Standing::Same => self.cancel_unreadable(),
            Standing::Changed => {
                self.publishes.clear();
                self.cancel_unreadable();
            }
            Standing::Ended(why) => self.close(Refusal::new(ReplyCode::ConnectionForced, why)),
        }
    }

    /// RabbitMQ: `rabbit_channel:recheck_consumers`, which it does when a secret changes only.
    fn cancel_unreadable(&mut self) {
        let consumers = self.channels.values().flat_map(|channel| channel.consumers.values());
        let consumers: Vec<Arc<Consumer>> = consumers.cloned().collect();
        for consumer in consumers {
            let Err(refused) = self.access.may_read(consumer.queue().name()) else { continue };
            tracing::info!(
                connection = self.id.0,
                channel = consumer.channel(),
                "consumer '{}' is cancelled: {refused}",
                consumer.tag()
            );
            if let Err(error) = blocking(|| self.vhost.cancel(&consumer)) {
                tracing::error!(connection = self.id.0, "consumer not cancelled: {error}");
            }
            // First what it is told, so that nobody has it when what was on its way goes back.
            self.notify_cancelled(&consumer);
            self.recall(|it| Arc::ptr_eq(it, &consumer));
        }
    }
}
