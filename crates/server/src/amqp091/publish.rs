//! Publishing, its confirms and the ends of its transactions.

use amqp091::{
    ChannelId, Content, Method, PropertyList, ReplyCode, ShortStr, encode_method,
    method::{basic, confirm, tx},
};
use broker::{Access, Body, Label, Made, Marks, Message, Publish, Publisher, Routes};
use bytestring::ByteString;

use super::{
    ENCODING,
    annotations::{self, Told},
    arguments::MessageHeaders,
    channel::{Channel, Confirm},
    connection::Connection,
    content::put_content,
    expiration,
    refusal::Refusal,
    sender_selected::SenderSelected,
};

/// What a publisher gave, but for the body.
pub(super) struct Given<'a> {
    pub(super) exchange: ByteString,
    pub(super) routing_key: ByteString,
    pub(super) properties: &'a PropertyList,
    pub(super) headers: &'a MessageHeaders<'a>,
}

/// Looks whether they may, and where it goes by its routing key; `None` when it has others as well.
///
/// # Errors
/// In RabbitMQ's order (`rabbit_channel`, `basic.publish`).
pub(super) fn begin(
    access: &mut Access,
    publisher: &mut Publisher,
    given: &Given<'_>,
) -> Result<Option<Routes>, Refusal> {
    access.publish_to(&given.exchange)?;
    let first = match SenderSelected::is_in(given.properties) {
        false => Some(publisher.route(&given.exchange, &given.routing_key, given.headers)?),
        true => {
            publisher.check(&given.exchange)?;
            None
        }
    };
    access.publish_with(&given.exchange, &given.routing_key)?;
    Ok(first)
}

/// Looks at its properties, and where it goes by all its keys. `first` is from [`begin`].
///
/// # Errors
/// As there.
pub(super) fn complete(
    access: &mut Access,
    publisher: &mut Publisher,
    first: Option<Routes>,
    given: Given<'_>,
    body: Body,
) -> Result<Publish, Refusal> {
    let Given { exchange, routing_key, properties, headers } = given;
    let expiration = properties.expiration();
    let ttl = expiration.map(|expiration| expiration::check(&expiration)).transpose()?;
    let selected = match first {
        Some(_) => SenderSelected::default(),
        None => SenderSelected::of(properties)?,
    };
    if let Some(claimed) = properties.user_id() {
        access.publish_as(&claimed)?;
    }
    let routes = match first {
        Some(routes) => routes,
        None => {
            let mut keys = vec![&*routing_key];
            for key in &selected.keys {
                access.publish_with(&exchange, key)?;
                keys.push(key);
            }
            publisher.route_by_all(&exchange, &keys, headers)?
        }
    };
    let shown = selected.shown.as_ref().map(PropertyList::from);
    let message = Message::new(
        Label {
            exchange,
            routing_key,
            persistent: properties.is_persistent(),
            properties: shown.as_ref().unwrap_or(properties).as_bytes().clone(),
            encoding: ENCODING,
            marks: Marks {
                ttl,
                priority: properties.priority().unwrap_or_default(),
                bcc: selected.hidden,
                ..Marks::default()
            },
            made: Made::default(),
        },
        body,
    );
    Ok(Publish { message, routes })
}

impl Connection {
    /// A complete `basic.publish`: finds its queues and joins the batch of this read.
    pub(super) fn on_publish(&mut self, id: ChannelId, content: Content) -> Result<(), Refusal> {
        let Content { method, header, body } = content;
        let Method::BasicPublish(method) = method else {
            return Err(Refusal::unimplemented_method());
        };
        if method.immediate {
            return Err(Refusal::new(ReplyCode::NotImplemented, "immediate=true"));
        }
        if self.channels.get(&id.0).is_some_and(Channel::is_committing) {
            return Err(Refusal::while_committing());
        }
        let exchange = method.exchange.into_inner();
        let routing_key = method.routing_key.into_inner();
        let headers = MessageHeaders::new(&header.properties);
        let given =
            Given { exchange, routing_key, properties: &header.properties, headers: &headers };
        let first = begin(&mut self.access, &mut self.publisher, &given)?;
        let replying = self.with_reply_address(id, &header.properties)?;
        let properties = replying.as_ref().map(PropertyList::from);
        let properties = properties.as_ref().unwrap_or(&header.properties);
        let given = Given { properties, ..given };
        let publish = complete(&mut self.access, &mut self.publisher, first, given, body)?;
        // A reply goes to where its request came from, which the octets do not say.
        if let Some(unknown) = self.unknown.take().filter(|_| replying.is_none()) {
            let Publish { message, routes } = &publish;
            self.publishes.learn(unknown, &message.label, routes, method.mandatory);
        }
        self.has_published = true;
        self.take(id, publish, method.mandatory)
    }

    /// A message that is to be published: now, or with its transaction.
    pub(super) fn take(
        &mut self,
        id: ChannelId,
        publish: Publish,
        mandatory: bool,
    ) -> Result<(), Refusal> {
        let Some(channel) = self.channels.get_mut(&id.0) else { return Ok(()) };
        if let Some(transaction) = &mut channel.transaction {
            let bytes_max = self.agreed.limits.transaction_bytes_max;
            return transaction.hold(publish, mandatory, bytes_max);
        }
        let number = channel.confirms.as_mut().map(|confirms| (id.0, confirms.next()));
        channel.count_publish(&publish, mandatory);
        if mandatory && publish.routes.is_empty() {
            self.send_return(id, &publish.message)?;
        }
        self.batch_confirms.push(number);
        self.batch.push(publish);
        Ok(())
    }

    /// Hands the batch to the broker.
    pub(super) fn flush_publishes(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut receipts = Vec::with_capacity(self.batch.len());
        if let Err(error) = self.publisher.publish(&mut self.batch, &mut receipts) {
            self.batch_confirms.clear();
            return self.close(error.into());
        }
        let confirms = std::mem::take(&mut self.batch_confirms);
        for (confirm, receipt) in confirms.into_iter().zip(receipts) {
            let Some((id, number)) = confirm else { continue };
            let channel = self.channels.get_mut(&id);
            if let Some(confirms) = channel.and_then(|channel| channel.confirms.as_mut()) {
                confirms.wait(number, receipt);
                self.await_commit(ChannelId(id));
            }
        }
    }

    /// The channel has something to be told when the journal has committed.
    pub(super) fn await_commit(&mut self, id: ChannelId) {
        if self.unconfirmed.last() != Some(&id.0) && !self.unconfirmed.contains(&id.0) {
            self.unconfirmed.push(id.0);
        }
    }

    /// Confirms what is on disk, and ends commits; asks to be woken for what is not.
    pub(super) fn release_confirms(&mut self) {
        if self.unconfirmed.is_empty() {
            return;
        }
        // Ask first and look after: the mark may move in between.
        self.broker.wake_after_commit(&self.mailbox);
        let Connection { unconfirmed, channels, publisher, out, .. } = self;
        unconfirmed.retain(|id| {
            let Some(channel) = channels.get_mut(id) else { return false };
            if let Some(transaction) = &mut channel.transaction
                && transaction.take_committed(|position| publisher.is_durable(position))
            {
                encode_method(ChannelId(*id), &tx::CommitOk {}, out.tail());
            }
            let Some(confirms) = &mut channel.confirms else { return channel.is_committing() };
            while let Some(Confirm { tag: delivery_tag, multiple, is_refused, messages }) =
                confirms.release(|position| publisher.is_durable(position))
            {
                match is_refused {
                    false => {
                        channel.seen.counts.confirm.add(messages);
                        let ack = basic::Ack { delivery_tag, multiple };
                        encode_method(ChannelId(*id), &ack, out.tail());
                    }
                    true => {
                        let nack = basic::Nack { delivery_tag, multiple, requeue: false };
                        encode_method(ChannelId(*id), &nack, out.tail());
                    }
                }
            }
            let is_waiting = confirms.is_waiting();
            channel.show();
            is_waiting
        });
    }

    pub(super) fn confirm_select(&mut self, id: ChannelId, nowait: bool) -> Result<(), Refusal> {
        if let Some(channel) = self.channels.get_mut(&id.0) {
            if channel.transaction.is_some() {
                let text = "cannot switch from tx to confirm mode";
                return Err(Refusal::new(ReplyCode::PreconditionFailed, text));
            }
            channel.confirms.get_or_insert_default();
            channel.seen.confirms();
        }
        if !nowait {
            self.send(id, &confirm::SelectOk {});
        }
        Ok(())
    }

    pub(super) fn send_return(&mut self, id: ChannelId, message: &Message) -> Result<(), Refusal> {
        self.send(
            id,
            &basic::Return {
                reply_code: ReplyCode::NoRoute.number(),
                reply_text: ShortStr::from_static("NO_ROUTE"),
                exchange: ShortStr::try_from(message.exchange.clone())?,
                routing_key: ShortStr::try_from(message.routing_key.clone())?,
            },
        );
        self.send_content(id, message, Told::Nothing);
        Ok(())
    }

    /// Header and body frames behind a method with content.
    pub(super) fn send_content(&mut self, id: ChannelId, message: &Message, told: Told) {
        let (out, frame_max) = (&mut self.out, self.agreed.frame_max);
        match annotations::shown(message, told) {
            None => put_content(out, id, frame_max, message, &message.properties),
            Some(list) => put_content(out, id, frame_max, message, list.as_bytes()),
        }
    }
}
