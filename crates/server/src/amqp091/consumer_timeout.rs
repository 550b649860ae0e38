//! A delivery that is not settled in time closes its channel: who holds it is stuck, and what is in
//! its hands would otherwise be nobody's for ever (RabbitMQ: `consumer_timeout`).

use std::time::{Duration, Instant};

use amqp091::{ChannelId, ReplyCode};

use super::{channel::Channel, connection::Connection, refusal::Refusal};
use crate::{driver::Phase, unacked::Unacked};

/// A delivery that was not settled in time.
struct Overdue {
    channel: ChannelId,
    queue: String,
    delivery_tag: u64,
    after: Duration,
}

impl Connection {
    /// Closes the channels that hold a delivery for too long. Each is looked at once a minute, as
    /// in RabbitMQ: with a time of a second and a queue that expires after a minute, a client that
    /// is busy for 70 s finds its queue again (fedora-messaging's own tests).
    pub(super) fn close_overdue(&mut self, now: Instant) {
        if self.phase != Phase::Open {
            return;
        }
        let timeout = self.agreed.limits.consumer_timeout;
        let tick = self.agreed.limits.consumer_timeout_tick;
        let overdue: Vec<Overdue> = self
            .channels
            .iter_mut()
            .filter(|(_, channel)| !channel.is_closing)
            .filter_map(|(id, channel)| channel.look_again(now, tick).then_some((id, &*channel)))
            .filter_map(|(id, channel)| overdue(ChannelId(*id), channel, timeout, now))
            .collect();
        for Overdue { channel, queue, delivery_tag, after } in overdue {
            let milliseconds = after.as_millis();
            tracing::warn!(
                connection = self.id.0,
                channel = channel.0,
                "delivery {delivery_tag} of queue '{queue}' was not settled within \
                 {milliseconds} ms; the channel is closed. Settle sooner, or raise \
                 amqp.consumer_timeout or the queue's x-consumer-timeout"
            );
            let text = format!(
                "delivery acknowledgement on channel {} timed out. Timeout value used: \
                 {milliseconds} ms. This timeout value can be configured, see consumers doc guide \
                 to learn more",
                channel.0
            );
            self.refuse(channel, Refusal::new(ReplyCode::PreconditionFailed, text));
        }
    }
}

/// The first delivery of a channel that is out for longer than its queue, or the server, allows.
/// All are looked at: each queue may have a time of its own.
fn overdue(id: ChannelId, channel: &Channel, timeout: Duration, now: Instant) -> Option<Overdue> {
    let after = |unacked: &Unacked| {
        let own = unacked.holder.queue().effective().consumer_timeout.map(Duration::from_millis);
        own.map_or(timeout, |own| own.min(timeout))
    };
    let is_overdue = |unacked: &&Unacked| now.duration_since(unacked.since) > after(unacked);
    let unacked = channel.unacked.iter().find(is_overdue)?;
    Some(Overdue {
        channel: id,
        queue: unacked.holder.queue().name().to_string(),
        delivery_tag: unacked.tag,
        after: after(unacked),
    })
}
