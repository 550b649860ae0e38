//! Connections of the load, by lapin: a client that is not ours.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind, PublisherConfirm,
    message::Delivery,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::{
    net::TcpStream,
    time::{interval, timeout},
};

use super::{PATIENCE, message::MessageId};

/// A connection, which ends when it is dropped, and a channel of it with confirms.
pub(crate) async fn connect(url: &str) -> Result<(Connection, Channel)> {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    let connection = timeout(PATIENCE, connecting).await.context("no connection")??;
    let channel = confirming(&connection).await?;
    Ok((connection, channel))
}

/// A further channel with confirms.
pub(crate) async fn confirming(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// Publishes a message of the load; the confirm is still to come.
pub(crate) async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    id: MessageId,
    is_persistent: bool,
) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default()
        .with_delivery_mode(if is_persistent { 2 } else { 1 })
        .with_message_id(id.to_string().into());
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), key.into(), options, &id.body(), properties).await
}

/// Ends when nobody has listened at the address for a while.
pub(crate) async fn gone(url: &str) {
    let address = url.rsplit('@').next().and_then(|rest| rest.split('/').next());
    let mut look = interval(LOOK_EVERY);
    let mut refused = 0;
    while refused < REFUSED {
        look.tick().await;
        let connecting = TcpStream::connect(address.unwrap_or_default()).await;
        refused = if connecting.is_err() { refused + 1 } else { 0 };
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// So often in a row: clients that see the end by themselves have seen it by then.
const REFUSED: u32 = 10;

/// Which message of the load was delivered.
pub(crate) fn id_of(delivery: &Delivery) -> Option<MessageId> {
    delivery.properties.message_id().as_ref()?.as_str().parse().ok()
}

/// How many messages wait in a queue, which has to be there.
pub(crate) async fn waiting(channel: &Channel, queue: &str) -> lapin::Result<u32> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok(queue.message_count())
}

/// Whether the server says that there is no such thing.
pub(crate) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(refusal) if refusal.get_id() == NOT_FOUND)
}

/// AMQP 0-9-1 §1.3, reply code not-found.
const NOT_FOUND: u16 = 404;
