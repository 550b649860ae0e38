//! A connection's state, stepped by frames and wake-ups. Writes into a buffer; reads no socket.

use std::sync::Arc;

use amqp091::{
    ChannelId, Content, EncodeMethod, Frame, FrameDecoder, Method, Reach, ReplyCode, ShortStr,
    encode_method,
    method::{channel, connection},
};
use broker::{
    Access, Body, Broker, ConnectionId, Letter, Mailbox, Message, Publish, Publisher, Timestamp,
    VirtualHost,
};
use bytes::{Buf as _, BytesMut};
use hashbrown::HashMap;

use super::{channel::Channel, refusal::Refusal, stencil::Stencil};
use crate::{
    Limits, blocking,
    connections::{ConnectionState, Entered},
    driver::Phase,
    publish_cache::{PublishCache, Said, Unknown, Version},
    unacked::Unacked,
    write_buffer::WriteBuffer,
};

/// What was agreed in the handshake.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    pub(super) frame_max: u32,
    pub(super) channel_max: u16,
    pub(super) limits: Limits,
    pub(super) capabilities: Capabilities,
}

/// What the client says it understands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Capabilities {
    pub(super) consumer_cancel_notify: bool,
    pub(super) connection_blocked: bool,
}

/// By their numbers, which a peer chooses.
pub(super) type Channels = HashMap<u16, Channel, foldhash::fast::RandomState>;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) agreed: Agreed,
    pub(super) broker: Arc<Broker>,
    pub(super) vhost: Arc<VirtualHost>,
    /// Who logged in, and with what.
    pub(super) login: auth::User,
    /// What they may do.
    pub(super) access: Access,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) publisher: Publisher,
    /// What its messages meant before, and what the one that is being read is to be remembered by.
    pub(super) publishes: PublishCache,
    pub(super) unknown: Option<Unknown>,
    pub(super) channels: Channels,
    pub(super) out: WriteBuffer,
    pub(super) phase: Phase,
    pub(super) has_published: bool,
    is_blocked: bool,
    /// How operators see it.
    pub(super) entered: Entered,
    /// Publishes of this read, and for each the channel and number to confirm, if any.
    pub(super) batch: Vec<Publish>,
    pub(super) batch_confirms: Vec<Option<(u16, u64)>>,
    /// Channels that wait for confirms.
    pub(super) unconfirmed: Vec<u16>,
    /// Deliveries that this read settled.
    pub(super) settled: Vec<Unacked>,
    /// What the last delivery began with.
    pub(super) stencil: Stencil,
    /// Letters taken from the mailbox and not yet written.
    pub(super) letters: Vec<Letter>,
}

impl Connection {
    pub(super) fn new(
        broker: Arc<Broker>,
        (login, access): (auth::User, Access),
        mailbox: Arc<Mailbox>,
        agreed: Agreed,
        entered: Entered,
    ) -> Connection {
        let vhost = access.vhost().clone();
        Connection {
            id: entered.facts.id,
            entered,
            publisher: Publisher::new(vhost.clone()),
            publishes: PublishCache::default(),
            unknown: None,
            agreed,
            broker,
            vhost,
            login,
            access,
            mailbox,
            channels: Channels::default(),
            out: WriteBuffer::default(),
            phase: Phase::Open,
            has_published: false,
            is_blocked: false,
            batch: Vec::new(),
            batch_confirms: Vec::new(),
            unconfirmed: Vec::new(),
            settled: Vec::new(),
            stencil: Stencil::default(),
            letters: Vec::new(),
        }
    }

    /// Acts upon the frames that are complete in what was read, as long as there is room for what
    /// they bring: a few octets can ask for a large message. `true` when there may be more of them.
    pub(super) fn on_read(&mut self, decoder: &mut FrameDecoder, inbox: &mut BytesMut) -> bool {
        let mut is_stalled = false;
        self.publishes.next_read();
        while self.phase != Phase::Closed {
            if self.out.is_full() {
                is_stalled = true;
                break;
            }
            if self.publish_whole(decoder, inbox) {
                continue;
            }
            match decoder.decode(inbox) {
                Ok(None) => break,
                Ok(Some(frame)) => self.on_frame(frame),
                Err(error) => {
                    self.on_read_end();
                    self.close(error.into());
                    // Out of step for good: the rest cannot be understood, not even a close-ok.
                    self.phase = Phase::Closed;
                    break;
                }
            }
        }
        self.on_read_end();
        self.on_wake();
        is_stalled
    }

    /// Publishes what stands at the front of the buffer, if it is a whole message: at once when its
    /// like came before. `false`: what is there is to be read frame by frame.
    fn publish_whole(&mut self, decoder: &mut FrameDecoder, inbox: &mut BytesMut) -> bool {
        let Some(frames) = decoder.whole_publish(inbox) else { return false };
        let (id, body, end) = (frames.channel, frames.body.clone(), frames.end);
        let Some(channel) = self.channels.get(&id.0) else { return false };
        if self.phase != Phase::Open || !channel.takes_whole(body.len()) {
            return false;
        }
        let of =
            Version { topology: self.publisher.version(), permissions: self.access.generation() };
        let said = Said { target: frames.method, properties: frames.properties };
        let (label, routes, is_mandatory) = match self.publishes.find(of, said) {
            Ok(known) => known,
            Err(unknown) => {
                self.unknown = unknown;
                let rest = inbox.len() - end;
                while inbox.len() > rest
                    && let Ok(Some(frame)) = decoder.decode(inbox)
                {
                    self.on_frame(frame);
                }
                self.unknown = None;
                return true;
            }
        };
        inbox.advance(body.start);
        let slice = inbox.split_to(body.len()).freeze();
        inbox.advance(end - body.end);
        let pieces = if slice.is_empty() { Body::new() } else { Body::from_buf([slice]) };
        let message = Message {
            published_at: Timestamp::default(),
            publisher: None,
            body: pieces,
            rest: None,
            label,
        };
        self.has_published = true;
        match self.take(id, Publish { message, routes }, is_mandatory) {
            Ok(()) => {}
            Err(refusal) => self.refuse(id, refusal),
        }
        true
    }

    /// One frame of the client.
    fn on_frame(&mut self, frame: Frame) {
        if self.phase != Phase::Open {
            return self.on_frame_after_close(&frame);
        }
        let (channel, result) = match frame {
            Frame::Heartbeat => return,
            Frame::Method { channel, payload } => {
                let depth_max = self.agreed.limits.table_depth_max.into();
                let method = Method::decode_within(&payload, depth_max).map_err(Refusal::from);
                let result = method.and_then(|method| match channel {
                    ChannelId::CONNECTION => self.on_connection_method(method),
                    channel => self.on_channel_method(channel, method),
                });
                (channel, result)
            }
            Frame::Header { channel, payload } => {
                (channel, self.on_content(channel, |channel| channel.assembler.header(&payload)))
            }
            Frame::Body { channel, payload } => {
                (channel, self.on_content(channel, |channel| channel.assembler.body(payload)))
            }
        };
        if let Err(refusal) = result {
            self.refuse(channel, refusal);
        }
    }

    /// The end of one read: what it published and settled goes to the broker, each in one piece.
    pub(super) fn on_read_end(&mut self) {
        self.flush_publishes();
        self.flush_settled();
        self.release_confirms();
    }

    /// The mailbox has something, or the journal's durable mark moved.
    pub(super) fn on_wake(&mut self) {
        self.release_confirms();
        self.deliver();
    }

    pub(super) fn send(&mut self, channel: ChannelId, method: &impl EncodeMethod) {
        encode_method(channel, method, self.out.tail());
    }

    /// AMQP 0-9-1 §1.4.2.10: after `connection.close` everything is passed over but the peer's own
    /// close and its answer to ours.
    fn on_frame_after_close(&mut self, frame: &Frame) {
        let Frame::Method { channel: ChannelId::CONNECTION, payload } = frame else { return };
        match Method::decode(payload) {
            Ok(Method::ConnectionClose(_)) => {
                self.send(ChannelId::CONNECTION, &connection::CloseOk {});
                self.phase = Phase::Closed;
            }
            Ok(Method::ConnectionCloseOk(_)) => self.phase = Phase::Closed,
            _ => {}
        }
    }

    fn on_connection_method(&mut self, method: Method) -> Result<(), Refusal> {
        match method {
            Method::ConnectionClose(_) => {
                self.on_read_end();
                self.end();
                self.send(ChannelId::CONNECTION, &connection::CloseOk {});
                self.phase = Phase::Closed;
                Ok(())
            }
            Method::ConnectionUpdateSecret(it) => self.update_secret(&it),
            other => Err(Refusal::new(
                ReplyCode::ChannelError,
                "unexpected method in connection state running",
            )
            .in_method(other.ids())),
        }
    }

    /// RabbitMQ: a client whose secret expires brings the next one. Logins here are by password and
    /// do not expire, so there is nothing to be renewed; but a client that has nothing to bring has
    /// made a mistake, and is told so.
    fn update_secret(&mut self, method: &connection::UpdateSecret) -> Result<(), Refusal> {
        let (connection, reason) = (self.id.0, &*method.reason);
        if method.new_secret.expose().is_empty() {
            tracing::info!(connection, reason, "an empty secret was refused");
            let text = "New secret was refused by one of the backends";
            let id = Method::from(connection::UpdateSecret::default()).ids();
            return Err(Refusal::new(ReplyCode::NotAllowed, text).in_method(id));
        }
        tracing::info!(connection, user = self.login.name, reason, "brought a new secret");
        self.send(ChannelId::CONNECTION, &connection::UpdateSecretOk {});
        Ok(())
    }

    fn on_channel_method(&mut self, id: ChannelId, method: Method) -> Result<(), Refusal> {
        let Some(channel) = self.channels.get_mut(&id.0) else {
            return self.on_unopened(id, method);
        };
        if channel.is_closing {
            match method {
                Method::ChannelClose(_) => {
                    self.channels.remove(&id.0);
                    self.send(id, &channel::CloseOk {});
                }
                Method::ChannelCloseOk(_) => {
                    self.channels.remove(&id.0);
                }
                _ => {}
            }
            return Ok(());
        }
        match channel.assembler.begin(method)? {
            // Its content follows.
            None => Ok(()),
            Some(method) => {
                let ids = method.ids();
                self.dispatch(id, method).map_err(|refusal| refusal.in_method(ids))
            }
        }
    }

    fn on_unopened(&mut self, id: ChannelId, method: Method) -> Result<(), Refusal> {
        match method {
            // RabbitMQ: it is how many that counts, and not which numbers they have.
            Method::ChannelOpen(_) if self.channels.len() >= self.agreed.channel_max.into() => {
                Err(Refusal::new(
                    ReplyCode::NotAllowed,
                    format!(
                        "number of channels opened ({}) has reached the negotiated channel_max \
                         ({})",
                        self.channels.len(),
                        self.agreed.channel_max
                    ),
                ))
            }
            Method::ChannelOpen(_) => {
                let max = self.login.limits.max_channels;
                let Some(seen) = self.entered.open_channel(id.0, max) else {
                    let (user, max) = (&self.login.name, max.unwrap_or_default());
                    let text = format!(
                        "number of channels opened for user '{user}' has reached the maximum \
                         allowed user limit of ({max})"
                    );
                    return Err(Refusal::new(ReplyCode::NotAllowed, text));
                };
                self.channels.insert(id.0, Channel::new(&self.agreed.limits, seen));
                self.send(id, &channel::OpenOk::default());
                Ok(())
            }
            // The client's answer to a close that crossed its own.
            Method::ChannelCloseOk(_) => Ok(()),
            other => Err(Refusal::new(ReplyCode::ChannelError, "expected 'channel.open'")
                .in_method(other.ids())),
        }
    }

    fn on_content(
        &mut self,
        id: ChannelId,
        assemble: impl FnOnce(&mut Channel) -> Result<Option<Content>, amqp091::Error>,
    ) -> Result<(), Refusal> {
        let Some(channel) = self.channels.get_mut(&id.0) else {
            let text = "expected method frame, got non method frame instead";
            return Err(Refusal::new(ReplyCode::UnexpectedFrame, text));
        };
        if channel.is_closing {
            return Ok(());
        }
        match assemble(channel)? {
            None => Ok(()),
            Some(content) => {
                let ids = content.method.ids();
                self.on_publish(id, content).map_err(|refusal| refusal.in_method(ids))
            }
        }
    }

    fn dispatch(&mut self, id: ChannelId, method: Method) -> Result<(), Refusal> {
        // The order in which a client did things is the order in which they happen.
        self.flush_publishes();
        let is_committing = self.channels.get(&id.0).is_some_and(Channel::is_committing);
        if is_committing && !matches!(method, Method::ChannelClose(_)) {
            return Err(Refusal::while_committing());
        }
        match method {
            Method::ChannelOpen(_) => {
                Err(Refusal::new(ReplyCode::ChannelError, "second 'channel.open' seen"))
            }
            Method::ChannelClose(_) => {
                self.flush_settled();
                self.release_confirms();
                self.end_channel(id);
                self.channels.remove(&id.0);
                self.entered.close_channel(id.0);
                self.send(id, &channel::CloseOk {});
                Ok(())
            }
            Method::ChannelFlow(flow) if flow.active => {
                self.send(id, &channel::FlowOk { active: true });
                Ok(())
            }
            Method::ChannelFlow(_) => Err(Refusal::new(ReplyCode::NotImplemented, "active=false")),
            Method::ExchangeDeclare(it) => self.exchange_declare(id, it),
            Method::ExchangeDelete(it) => self.exchange_delete(id, it),
            Method::ExchangeBind(it) => self.exchange_bind(id, it),
            Method::ExchangeUnbind(it) => self.exchange_unbind(id, it),
            Method::QueueDeclare(it) => self.queue_declare(id, it),
            Method::QueueBind(it) => self.queue_bind(id, it),
            Method::QueueUnbind(it) => self.queue_unbind(id, it),
            Method::QueuePurge(it) => self.queue_purge(id, it),
            Method::QueueDelete(it) => self.queue_delete(id, it),
            Method::BasicQos(it) => self.basic_qos(id, it),
            Method::BasicConsume(it) => self.basic_consume(id, it),
            Method::BasicCancel(it) => self.basic_cancel(id, it),
            // The client's answer to a consumer cancel notification.
            Method::BasicCancelOk(it) => self.end_consumer(id, &it.consumer_tag),
            Method::BasicGet(it) => self.basic_get(id, it),
            Method::BasicAck(it) => self.basic_ack(id, &it),
            Method::BasicNack(it) => self.basic_nack(id, &it),
            Method::BasicReject(it) => self.basic_reject(id, &it),
            Method::BasicRecover(it) => self.basic_recover(id, it.requeue, true),
            Method::BasicRecoverAsync(it) => self.basic_recover(id, it.requeue, false),
            Method::ConfirmSelect(it) => self.confirm_select(id, it.nowait),
            Method::TxSelect(_) => self.tx_select(id),
            Method::TxCommit(_) => self.tx_commit(id),
            Method::TxRollback(_) => self.tx_rollback(id),
            Method::AccessRequest(_) => {
                // RabbitMQ: access control by tickets is history; every ticket is 1.
                self.send(id, &amqp091::method::access::RequestOk { ticket: 1 });
                Ok(())
            }
            _ => Err(Refusal::unimplemented_method()),
        }
    }

    /// Closes the channel or the connection, as far as the refusal reaches. What was published
    /// before it stays published.
    pub(super) fn refuse(&mut self, id: ChannelId, refusal: Refusal) {
        self.on_read_end();
        if refusal.reach() == Reach::Connection || id == ChannelId::CONNECTION {
            return self.close(refusal);
        }
        tracing::debug!(connection = self.id.0, channel = id.0, "refused: {}", &*refusal.text);
        self.end_channel(id);
        // Nobody sees it any more: what is left of it waits for close-ok.
        self.entered.close_channel(id.0);
        if let Some(channel) = self.channels.get_mut(&id.0) {
            *channel = Channel::new(&self.agreed.limits, Arc::default());
            channel.is_closing = true;
        }
        let (class_id, method_id) = (refusal.class_id(), refusal.method_id());
        let (reply_code, reply_text) = (refusal.code.number(), refusal.text);
        self.send(id, &channel::Close { reply_code, reply_text, class_id, method_id });
    }

    /// Sends `connection.close` and waits for the answer.
    pub(super) fn close(&mut self, refusal: Refusal) {
        if self.phase != Phase::Open {
            return;
        }
        self.end();
        self.phase = Phase::Closing;
        self.entered.set_state(ConnectionState::Closing);
        tracing::info!(connection = self.id.0, "closed by the server: {}", &*refusal.text);
        let (class_id, method_id) = (refusal.class_id(), refusal.method_id());
        let (reply_code, reply_text) = (refusal.code.number(), refusal.text);
        self.send(
            ChannelId::CONNECTION,
            &connection::Close { reply_code, reply_text, class_id, method_id },
        );
    }

    /// Gives everything back to the broker: consumers, unsettled deliveries, exclusive queues.
    /// Done once, however the connection ends.
    pub(super) fn end(&mut self) {
        self.flush_settled();
        let ids: Vec<u16> = self.channels.keys().copied().collect();
        for id in ids {
            self.end_channel(ChannelId(id));
            self.entered.close_channel(id);
        }
        self.channels.clear();
        if self.vhost.owns_queues(self.id)
            && let Err(error) = blocking(|| self.vhost.connection_closed(self.id))
        {
            tracing::error!(connection = self.id.0, "exclusive queues are left behind: {error}");
        }
    }

    /// Tells a publishing client that it has to wait, or that it may go on. Returns whether it
    /// has to wait.
    pub(super) fn check_blocked(&mut self) -> bool {
        if self.phase != Phase::Open {
            return false;
        }
        let reason = self.broker.blocked().filter(|_| self.has_published);
        let block = reason.is_some();
        if block != self.is_blocked {
            self.is_blocked = block;
            self.entered.set_state(match block {
                true => ConnectionState::Blocked,
                false => ConnectionState::Running,
            });
            if self.agreed.capabilities.connection_blocked {
                match reason {
                    Some(reason) => {
                        let reason = ShortStr::from_static(reason);
                        self.send(ChannelId::CONNECTION, &connection::Blocked { reason });
                    }
                    None => self.send(ChannelId::CONNECTION, &connection::Unblocked {}),
                }
            }
        }
        block
    }
}
