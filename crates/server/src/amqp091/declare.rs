//! The methods that change or ask the topology: exchanges, queues, bindings.

use amqp091::{
    ChannelId, ReplyCode, ShortStr,
    method::{exchange, queue},
};
use broker::{BindingEnd, ExchangeDeclaration, QueueDeclaration, QueueStatus};
use bytestring::ByteString;

use super::{
    connection::Connection,
    name::{check_length, detached, generated, stripped},
    refusal::Refusal,
    reply_to::{self, PSEUDO_QUEUE},
};
use crate::blocking;

impl Connection {
    pub(super) fn exchange_declare(
        &mut self,
        id: ChannelId,
        method: exchange::Declare,
    ) -> Result<(), Refusal> {
        let name = stripped(method.exchange);
        if method.passive {
            self.check_exchange(&name)?;
        } else {
            check_length("exchange", &name, self.agreed.limits.name_bytes_max)?;
            let declaration = ExchangeDeclaration {
                kind: method.kind.as_str().parse()?,
                durable: method.durable,
                auto_delete: method.auto_delete,
                internal: method.internal,
                arguments: self.arguments(&method.arguments)?,
                name,
            };
            blocking(|| self.access.declare_exchange(declaration))?;
        }
        if !method.nowait {
            self.send(id, &exchange::DeclareOk {});
        }
        Ok(())
    }

    fn check_exchange(&self, name: &str) -> Result<(), Refusal> {
        if name.is_empty() {
            let text = "operation not permitted on the default exchange";
            return Err(Refusal::new(ReplyCode::AccessRefused, text));
        }
        Ok(self.vhost.check_exchange(name)?)
    }

    pub(super) fn exchange_delete(
        &mut self,
        id: ChannelId,
        method: exchange::Delete,
    ) -> Result<(), Refusal> {
        let name = stripped(method.exchange);
        blocking(|| self.access.delete_exchange(&name, method.if_unused))?;
        if !method.nowait {
            self.send(id, &exchange::DeleteOk {});
        }
        Ok(())
    }

    pub(super) fn exchange_bind(
        &mut self,
        id: ChannelId,
        method: exchange::Bind,
    ) -> Result<(), Refusal> {
        let (source, key) = (stripped(method.source), detached(method.routing_key));
        let destination = stripped(method.destination);
        let arguments = self.arguments(&method.arguments)?;
        let to = BindingEnd::Exchange(&destination);
        blocking(|| self.access.bind(&source, to, key, arguments, self.id))?;
        if !method.nowait {
            self.send(id, &exchange::BindOk {});
        }
        Ok(())
    }

    pub(super) fn exchange_unbind(
        &mut self,
        id: ChannelId,
        method: exchange::Unbind,
    ) -> Result<(), Refusal> {
        let (source, key) = (stripped(method.source), detached(method.routing_key));
        let destination = stripped(method.destination);
        let arguments = self.arguments(&method.arguments)?;
        let to = BindingEnd::Exchange(&destination);
        blocking(|| self.access.unbind(&source, to, key, arguments, self.id))?;
        if !method.nowait {
            self.send(id, &exchange::UnbindOk {});
        }
        Ok(())
    }

    pub(super) fn queue_declare(
        &mut self,
        id: ChannelId,
        method: queue::Declare,
    ) -> Result<(), Refusal> {
        let name = stripped(method.queue.clone());
        if name.starts_with(PSEUDO_QUEUE) {
            return self.declare_of_reply_queue(id, name, method.nowait);
        }
        let status = if method.passive {
            self.vhost.check_queue(&name, self.id)?
        } else {
            self.declare_queue(name, &method)?
        };
        if let Some(channel) = self.channels.get_mut(&id.0) {
            channel.last_queue = status.name.clone();
        }
        if !method.nowait {
            let QueueStatus { name, counts } = status;
            self.send(
                id,
                &queue::DeclareOk {
                    queue: ShortStr::try_from(name)?,
                    message_count: count(counts.ready),
                    consumer_count: count(counts.consumers),
                },
            );
        }
        Ok(())
    }

    fn declare_queue(
        &mut self,
        name: ByteString,
        method: &queue::Declare,
    ) -> Result<QueueStatus, Refusal> {
        check_length("queue", &name, self.agreed.limits.name_bytes_max)?;
        let server_named = name.is_empty();
        let name = match server_named {
            true => generated("amq.gen-"),
            false => name,
        };
        let declaration = QueueDeclaration {
            name,
            durable: method.durable,
            exclusive: method.exclusive,
            auto_delete: method.auto_delete,
            arguments: self.arguments(&method.arguments)?,
        };
        Ok(blocking(|| self.access.declare_queue(declaration, self.id, server_named))?)
    }

    pub(super) fn queue_bind(&mut self, id: ChannelId, method: queue::Bind) -> Result<(), Refusal> {
        let queue = self.queue_name(id, &method.queue)?;
        let key = binding_key(&queue, &method.queue, method.routing_key);
        let source = stripped(method.exchange);
        let arguments = self.arguments(&method.arguments)?;
        blocking(|| self.access.bind(&source, BindingEnd::Queue(&queue), key, arguments, self.id))?;
        if !method.nowait {
            self.send(id, &queue::BindOk {});
        }
        Ok(())
    }

    pub(super) fn queue_unbind(
        &mut self,
        id: ChannelId,
        method: queue::Unbind,
    ) -> Result<(), Refusal> {
        let queue = self.queue_name(id, &method.queue)?;
        let key = binding_key(&queue, &method.queue, method.routing_key);
        let source = stripped(method.exchange);
        let arguments = self.arguments(&method.arguments)?;
        let to = BindingEnd::Queue(&queue);
        blocking(|| self.access.unbind(&source, to, key, arguments, self.id))?;
        self.send(id, &queue::UnbindOk {});
        Ok(())
    }

    pub(super) fn queue_purge(
        &mut self,
        id: ChannelId,
        method: queue::Purge,
    ) -> Result<(), Refusal> {
        let queue = self.queue_name(id, &method.queue)?;
        let queue = self.access.readable(&queue, self.id)?;
        let purged = blocking(|| queue.purge())?;
        if !method.nowait {
            self.send(id, &queue::PurgeOk { message_count: count(purged) });
        }
        Ok(())
    }

    pub(super) fn queue_delete(
        &mut self,
        id: ChannelId,
        method: queue::Delete,
    ) -> Result<(), Refusal> {
        let (if_unused, if_empty) = (method.if_unused, method.if_empty);
        let deleted = match reply_to::is_address(&method.queue) {
            // As any queue that is not there.
            true => 0,
            false => {
                let queue = self.queue_name(id, &method.queue)?;
                blocking(|| self.access.delete_queue(&queue, self.id, if_unused, if_empty))?
            }
        };
        if !method.nowait {
            self.send(id, &queue::DeleteOk { message_count: count(deleted) });
        }
        Ok(())
    }

    /// The queue a method means: an empty name is the one that the channel declared last.
    pub(super) fn queue_name(&self, id: ChannelId, name: &ShortStr) -> Result<ByteString, Refusal> {
        if reply_to::is_address(name) {
            let text = format!("no queue '{name}' in vhost '{}'", self.vhost.name());
            return Err(Refusal::new(ReplyCode::NotFound, text));
        }
        if !name.is_empty() {
            return Ok(stripped(name.clone()));
        }
        match self.channels.get(&id.0).map(|channel| &channel.last_queue) {
            Some(last) if !last.is_empty() => Ok(last.clone()),
            _ => Err(Refusal::new(ReplyCode::NotFound, "no previously declared queue")),
        }
    }
}

/// RabbitMQ: an empty queue name with an empty key means the queue's own name as the key.
fn binding_key(queue: &ByteString, asked: &ShortStr, key: ShortStr) -> ByteString {
    match asked.is_empty() && key.is_empty() {
        true => queue.clone(),
        false => detached(key),
    }
}

fn count(messages: usize) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}
