//! Direct reply-to, RabbitMQ's extension: a client consumes from the pseudo-queue
//! `amq.rabbitmq.reply-to`, publishes requests that name it in `reply-to`, and gets the answers
//! without declaring a queue.
//!
//! Behind it stands a queue of the connection's own, under a name that nobody can guess: it is
//! exclusive, in memory only, and goes with its consumer. Clients see nothing of it but its name.

use amqp091::{
    BasicProperties, ChannelId, PropertyList, ReplyCode, ShortStr,
    method::{basic, queue},
};
use broker::{Arguments, QueueDeclaration, error::Kind};
use bytestring::ByteString;

use super::{connection::Connection, name::generated, refusal::Refusal};
use crate::blocking;

/// What clients consume from and name in `reply-to`. Names that begin with it are nobody's to use
/// otherwise.
pub(super) const PSEUDO_QUEUE: &str = "amq.rabbitmq.reply-to";

/// The consumer of a channel's answers.
#[derive(Debug)]
pub(super) struct ReplyConsumer {
    pub(super) tag: ByteString,
    /// The queue's name: where answers are to be published to.
    address: ByteString,
}

impl Connection {
    /// The queue behind a new reply consumer of this channel. Its consumer is to be made at once.
    pub(super) fn declare_reply_queue(
        &mut self,
        id: ChannelId,
        method: &basic::Consume,
        tag: &ByteString,
    ) -> Result<ByteString, Refusal> {
        let channel = self.channels.get_mut(&id.0);
        let refused = |text| Err(Refusal::new(ReplyCode::PreconditionFailed, text));
        if !method.no_ack {
            return refused("reply consumer cannot acknowledge");
        }
        if channel.as_ref().is_some_and(|channel| channel.reply_consumer.is_some()) {
            return refused("reply consumer already set");
        }
        let address = generated(&format!("{PSEUDO_QUEUE}."));
        let declaration = QueueDeclaration {
            name: address.clone(),
            durable: false,
            exclusive: true,
            auto_delete: true,
            arguments: Arguments::default(),
        };
        if let Some(channel) = channel {
            let (tag, address) = (tag.clone(), address.clone());
            channel.reply_consumer = Some(ReplyConsumer { tag, address });
        }
        blocking(|| self.vhost.declare_queue(declaration, self.id, true))?;
        Ok(address)
    }

    /// Every declaration of such a queue asks only whether somebody awaits answers there.
    pub(super) fn declare_of_reply_queue(
        &mut self,
        id: ChannelId,
        name: ByteString,
        nowait: bool,
    ) -> Result<(), Refusal> {
        match self.vhost.check_queue(&name, self.id) {
            Ok(_) => {}
            // Another connection's, and there.
            Err(error) if error.kind == Kind::ResourceLocked => {}
            Err(_) if name == PSEUDO_QUEUE => {}
            Err(error) => return Err(error.into()),
        }
        if !nowait {
            let queue = ShortStr::try_from(name)?;
            self.send(id, &queue::DeclareOk { queue, message_count: 0, consumer_count: 1 });
        }
        Ok(())
    }

    /// A request's properties with the address to which its answer goes; `None` when they stay as
    /// they are.
    pub(super) fn with_reply_address(
        &self,
        id: ChannelId,
        properties: &PropertyList,
    ) -> Result<Option<BasicProperties>, Refusal> {
        if properties.reply_to().is_none_or(|reply_to| reply_to != PSEUDO_QUEUE) {
            return Ok(None);
        }
        let channel = self.channels.get(&id.0);
        let Some(consumer) = channel.and_then(|channel| channel.reply_consumer.as_ref()) else {
            let text = "fast reply consumer does not exist";
            return Err(Refusal::new(ReplyCode::PreconditionFailed, text));
        };
        let reply_to = Some(ShortStr::try_from(consumer.address.clone())?);
        Ok(Some(BasicProperties { reply_to, ..properties.decode()? }))
    }
}

/// Whether this is the name of a queue that clients must not touch.
pub(super) fn is_address(name: &str) -> bool {
    name.strip_prefix(PSEUDO_QUEUE).is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_pseudo_queues_name_with_more_behind_a_dot() {
        assert!(is_address(&generated(&format!("{PSEUDO_QUEUE}."))));
        assert!(!is_address(PSEUDO_QUEUE));
        assert!(!is_address("amq.rabbitmq.reply-together"));
    }
}
