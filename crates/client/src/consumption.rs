//! A running consumer: its connection, queue, bindings and prefetch, begun anew after each outage.

use lapin::{
    Channel, Consumer,
    options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};

use crate::{
    BusUrl, EXCHANGE, Error, Queue, Subscription, connection::Connection, limits::CONNECT_WAIT,
};

/// Deliveries are coming. Dropped, its connection is cut and the broker takes back what was not
/// acknowledged.
pub(crate) struct Consumption {
    pub(crate) consumer: Consumer,
    /// For messages: `queue 'NAME'`.
    pub(crate) queue: String,
    connection: Connection,
}

impl Consumption {
    /// Connects, declares, binds, consumes; each within [`CONNECT_WAIT`].
    pub(crate) async fn begin(
        bus: &BusUrl,
        app: &str,
        subscription: &Subscription,
    ) -> Result<Consumption, Error> {
        let connection = Connection::open(bus, app).await?;
        let channel = connection.channel().await?;
        match tokio::time::timeout(CONNECT_WAIT, consume(bus, &channel, subscription)).await {
            Ok(consuming) => {
                let (consumer, queue) = consuming?;
                Ok(Consumption { consumer, queue, connection })
            }
            Err(_) => Err(Error::TimedOut {
                bus: bus.clone(),
                what: format!("let us consume from {}", name(&subscription.queue)),
                after: CONNECT_WAIT,
            }),
        }
    }

    /// `connection.close` ends the consumer too, and everything unacknowledged goes back.
    pub(crate) async fn end(self) {
        self.connection.close().await;
    }
}

/// For messages: which queue.
pub(crate) fn name(queue: &Queue) -> String {
    match queue {
        Queue::Temporary => "a temporary queue".to_owned(),
        Queue::Durable(name) => format!("queue '{name}'"),
    }
}

async fn consume(
    bus: &BusUrl,
    channel: &Channel,
    subscription: &Subscription,
) -> Result<(Consumer, String), Error> {
    let what = name(&subscription.queue);
    let fault = |error| Error::of_use(bus, &what, &error);
    let (asked, options) = match &subscription.queue {
        Queue::Durable(name) => {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            (short(bus, &what, name)?, options)
        }
        Queue::Temporary => {
            let options = QueueDeclareOptions {
                exclusive: true,
                auto_delete: true,
                ..QueueDeclareOptions::default()
            };
            (ShortString::default(), options)
        }
    };
    let declared =
        channel.queue_declare(asked, options, FieldTable::default()).await.map_err(fault)?;
    let queue = declared.name().clone();
    let all = ["#"];
    let patterns: Vec<&str> = match subscription.patterns.is_empty() {
        true => all.to_vec(),
        false => subscription.patterns.iter().map(event::Pattern::as_str).collect(),
    };
    for pattern in patterns {
        let what = format!("the binding of {what} to {EXCHANGE} by '{pattern}'");
        let key = short(bus, &what, pattern)?;
        channel
            .queue_bind(
                queue.clone(),
                EXCHANGE.into(),
                key,
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|error| Error::of_use(bus, &what, &error))?;
    }
    let prefetch = subscription.prefetch.max(1);
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(fault)?;
    let consumer = channel
        .basic_consume(
            queue.clone(),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(fault)?;
    Ok((consumer, format!("queue '{queue}'")))
}

fn short(bus: &BusUrl, what: &str, text: &str) -> Result<ShortString, Error> {
    ShortString::try_new(text).map_err(|error| Error::Refused {
        bus: bus.clone(),
        what: what.to_owned(),
        // AMQP 0-9-1 §4.2.5.3: names are short strings; the broker could only say the same.
        code: 502,
        text: format!("SYNTAX_ERROR - {error}"),
    })
}
