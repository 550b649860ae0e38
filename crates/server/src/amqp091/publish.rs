//! Publishing and its confirms.

use amqp091::{
    ChannelId, Content, Method, ReplyCode, ShortStr, encode_header, encode_method,
    method::{basic, confirm},
};
use broker::{Message, Publish};

use super::{
    arguments::MessageHeaders, channel::Confirm, connection::Connection, refusal::Refusal,
};

impl Connection {
    /// A complete `basic.publish`: finds its queues and joins the batch of this read.
    pub(super) fn on_publish(&mut self, id: ChannelId, content: Content) -> Result<(), Refusal> {
        let Content { method, header, body } = content;
        let Method::BasicPublish(method) = method else {
            return Err(Refusal::new(ReplyCode::CommandInvalid, "content that is not published"));
        };
        if method.immediate {
            return Err(Refusal::new(ReplyCode::NotImplemented, "immediate=true"));
        }
        let exchange = method.exchange.into_inner();
        let routing_key = method.routing_key.into_inner();
        let headers = MessageHeaders::new(&header.properties);
        self.access.publish_to(&exchange)?;
        let routes = self.publisher.route(&exchange, &routing_key, &headers)?;
        self.access.publish_with(&exchange, &routing_key)?;
        if let Some(claimed) = header.properties.user_id() {
            self.access.publish_as(&claimed)?;
        }
        let message = Message {
            exchange,
            routing_key,
            persistent: header.properties.is_persistent(),
            properties: header.properties.as_bytes().clone(),
            body,
        };
        if routes.is_empty() && method.mandatory {
            self.send_return(id, &message)?;
        }
        let channel = self.channels.get_mut(&id.0);
        let confirms = channel.and_then(|channel| channel.confirms.as_mut());
        self.batch_confirms.push(confirms.map(|confirms| (id.0, confirms.next())));
        self.batch.push(Publish { message, routes });
        self.has_published = true;
        Ok(())
    }

    /// Hands the batch to the broker.
    pub(super) fn flush_publishes(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut positions = Vec::with_capacity(self.batch.len());
        if let Err(error) = self.publisher.publish(&mut self.batch, &mut positions) {
            self.batch_confirms.clear();
            return self.close(error.into());
        }
        for (confirm, position) in self.batch_confirms.drain(..).zip(positions) {
            let Some((id, number)) = confirm else { continue };
            let channel = self.channels.get_mut(&id);
            if let Some(confirms) = channel.and_then(|channel| channel.confirms.as_mut()) {
                confirms.wait(number, position);
                if self.unconfirmed.last() != Some(&id) && !self.unconfirmed.contains(&id) {
                    self.unconfirmed.push(id);
                }
            }
        }
    }

    /// Confirms what is on disk; asks to be woken for what is not.
    pub(super) fn release_confirms(&mut self) {
        if self.unconfirmed.is_empty() {
            return;
        }
        // Ask first and look after: the mark may move in between.
        self.broker.wake_after_commit(&self.mailbox);
        let Connection { unconfirmed, channels, publisher, out, .. } = self;
        unconfirmed.retain(|id| {
            let channel = channels.get_mut(id);
            let Some(confirms) = channel.and_then(|channel| channel.confirms.as_mut()) else {
                return false;
            };
            if let Some(Confirm { tag, multiple }) =
                confirms.release(|position| publisher.is_durable(position))
            {
                let ack = basic::Ack { delivery_tag: tag, multiple };
                encode_method(ChannelId(*id), &ack, out.tail());
            }
            confirms.is_waiting()
        });
    }

    pub(super) fn confirm_select(&mut self, id: ChannelId, nowait: bool) -> Result<(), Refusal> {
        if let Some(channel) = self.channels.get_mut(&id.0) {
            channel.confirms.get_or_insert_default();
        }
        if !nowait {
            self.send(id, &confirm::SelectOk {});
        }
        Ok(())
    }

    fn send_return(&mut self, id: ChannelId, message: &Message) -> Result<(), Refusal> {
        self.send(
            id,
            &basic::Return {
                reply_code: ReplyCode::NoRoute.number(),
                reply_text: ShortStr::from_static("NO_ROUTE"),
                exchange: ShortStr::try_from(message.exchange.clone())?,
                routing_key: ShortStr::try_from(message.routing_key.clone())?,
            },
        );
        self.send_content(id, message);
        Ok(())
    }

    /// Header and body frames behind a method with content.
    pub(super) fn send_content(&mut self, id: ChannelId, message: &Message) {
        let size = message.body_len() as u64;
        encode_header(id, size, &message.properties, self.out.tail());
        for piece in amqp091::body_pieces(&message.body, self.agreed.frame_max) {
            let prefix = amqp091::body_frame_prefix(id, piece.len() as u32);
            self.out.tail().extend_from_slice(&prefix);
            self.out.put_body(&piece);
            self.out.tail().extend_from_slice(&[amqp091::FRAME_END]);
        }
    }
}
