//! The methods that change or ask the topology: exchanges, queues, bindings.

use amqp091::{
    ChannelId, FieldTable, FieldValue, ReplyCode, ShortStr,
    method::{exchange, queue},
};
use broker::{BindingEnd, ExchangeDeclaration, QueueDeclaration, QueueStatus};
use bytestring::ByteString;

use super::{
    arguments::arguments,
    connection::{Connection, blocking},
    refusal::Refusal,
};

impl Connection {
    pub(super) fn exchange_declare(
        &mut self,
        id: ChannelId,
        method: exchange::Declare,
    ) -> Result<(), Refusal> {
        let name = stripped(method.exchange);
        if method.passive {
            self.vhost.check_exchange(&name)?;
        } else {
            let declaration = ExchangeDeclaration {
                kind: method.kind.as_str().parse()?,
                durable: method.durable,
                auto_delete: method.auto_delete,
                internal: method.internal,
                arguments: arguments(&method.arguments),
                name,
            };
            self.warn_of_unsupported("exchange", &declaration.name, &method.arguments);
            blocking(|| self.access.declare_exchange(declaration))?;
        }
        if !method.nowait {
            self.send(id, &exchange::DeclareOk {});
        }
        Ok(())
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
        let (source, key) = (detached(method.source), detached(method.routing_key));
        let (to, arguments) =
            (BindingEnd::Exchange(&method.destination), arguments(&method.arguments));
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
        let (source, key) = (detached(method.source), detached(method.routing_key));
        let (to, arguments) =
            (BindingEnd::Exchange(&method.destination), arguments(&method.arguments));
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
        let status = if method.passive {
            let name = self.queue_name(id, &method.queue)?;
            self.vhost.check_queue(&name, self.id)?
        } else {
            self.declare_queue(&method)?
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

    fn declare_queue(&mut self, method: &queue::Declare) -> Result<QueueStatus, Refusal> {
        let server_named = method.queue.is_empty();
        let name = match server_named {
            true => generated_name("amq.gen-"),
            false => stripped(method.queue.clone()),
        };
        check_queue_type(&name, &method.arguments)?;
        self.warn_of_unsupported("queue", &name, &method.arguments);
        let declaration = QueueDeclaration {
            name,
            durable: method.durable,
            exclusive: method.exclusive,
            auto_delete: method.auto_delete,
            arguments: arguments(&method.arguments),
        };
        Ok(blocking(|| self.access.declare_queue(declaration, self.id, server_named))?)
    }

    pub(super) fn queue_bind(&mut self, id: ChannelId, method: queue::Bind) -> Result<(), Refusal> {
        let queue = self.queue_name(id, &method.queue)?;
        let source = detached(method.exchange);
        // RabbitMQ: an empty queue name with an empty key means the queue's own name as the key.
        let key = match method.queue.is_empty() && method.routing_key.is_empty() {
            true => queue.clone(),
            false => detached(method.routing_key),
        };
        let arguments = arguments(&method.arguments);
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
        let (source, key) = (detached(method.exchange), detached(method.routing_key));
        let arguments = arguments(&method.arguments);
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
        let queue = self.queue_name(id, &method.queue)?;
        let (if_unused, if_empty) = (method.if_unused, method.if_empty);
        let deleted = blocking(|| self.access.delete_queue(&queue, self.id, if_unused, if_empty))?;
        if !method.nowait {
            self.send(id, &queue::DeleteOk { message_count: count(deleted) });
        }
        Ok(())
    }

    /// The queue a method means: an empty name is the one that the channel declared last.
    pub(super) fn queue_name(&self, id: ChannelId, name: &ShortStr) -> Result<ByteString, Refusal> {
        if !name.is_empty() {
            return Ok(stripped(name.clone()));
        }
        match self.channels.get(&id.0).map(|channel| &channel.last_queue) {
            Some(last) if !last.is_empty() => Ok(last.clone()),
            _ => Err(Refusal::new(ReplyCode::NotFound, "no previously declared queue")),
        }
    }

    /// Says which arguments are taken and not yet acted upon, so that nobody relies on them.
    fn warn_of_unsupported(&self, kind: &str, name: &str, arguments: &FieldTable) {
        let inert: Vec<&str> = arguments
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| NOT_YET.contains(name))
            .collect();
        if !inert.is_empty() {
            tracing::warn!(
                connection = self.id.0,
                "{kind} '{name}' asks for {}, which this version keeps but does not act upon",
                inert.join(", ")
            );
        }
    }
}

/// RabbitMQ's extensions that a later version acts upon.
const NOT_YET: [&str; 11] = [
    "alternate-exchange",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-delivery-limit",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-message-ttl",
    "x-overflow",
    "x-single-active-consumer",
];

/// What the broker cannot do at all; all else that is wrong with a type it says itself.
fn check_queue_type(name: &str, arguments: &FieldTable) -> Result<(), Refusal> {
    match arguments.get("x-queue-type").and_then(FieldValue::as_str) {
        Some("stream") => Err(Refusal::new(
            ReplyCode::NotImplemented,
            format!("streams are not in this version of Tubepost (queue '{name}')"),
        )),
        _ => Ok(()),
    }
}

/// RabbitMQ: line breaks are taken out of names.
fn stripped(name: ShortStr) -> ByteString {
    match name.contains(['\r', '\n']) {
        true => ByteString::from(name.replace(['\r', '\n'], "")),
        false => detached(name),
    }
}

/// A name that outlives the read buffer it was a slice of.
pub(super) fn detached(name: ShortStr) -> ByteString {
    name.detached().into_inner()
}

/// A name of the server's own making: 22 characters, 122 random bits.
pub(super) fn generated_name(prefix: &str) -> ByteString {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    ByteString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4())))
}

fn count(messages: usize) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}
