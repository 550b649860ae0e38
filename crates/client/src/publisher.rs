//! Publishes events with confirms.

use event::{Clothing, Event};
use tokio::sync::{mpsc, oneshot};

use crate::{
    BusUrl, Error, Inbox,
    courier::{Command, Courier, Request},
    limits::INBOX_EVENTS,
    message::Message,
};

/// Whether somebody was there to receive a confirmed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// At least one queue took it.
    Routed,
    /// The bus took it, but no queue wants this topic (AMQP `basic.return`, 312 NO_ROUTE).
    Unrouted,
}

/// A connection that publishes. Cheap to clone; clones share the connection, and what they
/// publish at the same time shares the wait for the broker's disk.
///
/// A lost connection is opened again by the next publish. A publish that was under way when the
/// connection went is tried once more, so an event may arrive twice, with the same id.
///
/// Must be made inside a tokio runtime, and lives as long as it.
#[derive(Debug, Clone)]
pub struct Publisher {
    bus: BusUrl,
    clothing: Clothing,
    courier: mpsc::Sender<Command>,
}

impl Publisher {
    /// Connects once; no retry. `app` is shown in the broker's list of connections.
    ///
    /// # Errors
    /// Unknown host, refused connection, refused login, unknown virtual host: each named. After
    /// 10 s without an answer [`Error::TimedOut`].
    pub async fn connect(bus: &BusUrl, app: &str) -> Result<Publisher, Error> {
        let publisher = Publisher::unconnected(bus, app);
        publisher.ensure_connected().await?;
        Ok(publisher)
    }

    /// Connects at the first publish.
    pub(crate) fn unconnected(bus: &BusUrl, app: &str) -> Publisher {
        let (courier, inbox) = mpsc::channel(INBOX_EVENTS);
        tokio::spawn(Courier::new(bus.clone(), app.to_owned(), inbox).run());
        Publisher { bus: bus.clone(), clothing: Clothing::default(), courier }
    }

    /// As what its events travel from now on; fedora-messaging's messages if nothing is said.
    #[must_use]
    pub fn dressing(self, clothing: Clothing) -> Publisher {
        Publisher { clothing, ..self }
    }

    /// Connects when there is no connection.
    pub(crate) async fn ensure_connected(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Connect(reply)).await?;
        answer.await.map_err(|_| self.gone())?
    }

    /// Publishes to [`crate::EXCHANGE`] and waits for the bus's confirm.
    ///
    /// # Errors
    /// [`Error::Nacked`]; [`Error::Refused`] with the broker's code and text; [`Error::Lost`]
    /// after one reconnect; [`Error::TimedOut`] after 30 s; what [`Publisher::connect`] says when
    /// there is no connection; [`Error::Event`] for an event AMQP cannot carry.
    pub async fn publish(&self, event: &Event) -> Result<Published, Error> {
        let message = Message::new(event, self.clothing, self.bus.protocol())?;
        self.confirmed(self.request(message).await?).await
    }

    /// Publishes all, in order, without waiting for one confirm before the next event. One
    /// outcome for each event.
    ///
    /// # Errors
    /// Each outcome as of [`Publisher::publish`].
    pub async fn publish_all(&self, events: &[Event]) -> Vec<Result<Published, Error>> {
        let mut requests = Vec::with_capacity(events.len());
        for event in events {
            requests.push(match Message::new(event, self.clothing, self.bus.protocol()) {
                Ok(message) => self.request(message).await,
                Err(error) => Err(error),
            });
        }
        let mut outcomes = Vec::with_capacity(events.len());
        for request in requests {
            outcomes.push(match request {
                Ok(answer) => self.confirmed(answer).await,
                Err(error) => Err(error),
            });
        }
        outcomes
    }

    /// Publishes straight to a durable queue that it declares first: a dead-letter queue. A
    /// [`crate::Subscriber`] on that queue sees the event with its own topic.
    ///
    /// # Errors
    /// As [`Publisher::publish`]; also a queue that exists with other properties.
    pub async fn publish_to_queue(&self, queue: &str, event: &Event) -> Result<(), Error> {
        self.put_into(queue, Message::for_queue(queue, event, self.bus.protocol())?).await
    }

    /// As [`Publisher::publish_to_queue`], into a queue that keeps the newest events only.
    ///
    /// # Errors
    /// As [`Publisher::publish_to_queue`].
    pub async fn publish_to_inbox(&self, inbox: &Inbox, event: &Event) -> Result<(), Error> {
        let mut message = Message::for_queue(&inbox.name, event, self.bus.protocol())?;
        message.length_max = Some(inbox.length_max.max(1));
        self.put_into(&inbox.name, message).await
    }

    async fn put_into(&self, queue: &str, message: Message) -> Result<(), Error> {
        let what = message.what();
        match self.confirmed(self.request(message).await?).await? {
            Published::Routed => Ok(()),
            Published::Unrouted => Err(Error::Refused {
                bus: self.bus.clone(),
                what,
                code: 312,
                text: format!("NO_ROUTE - queue '{queue}' was deleted in this moment"),
            }),
        }
    }

    /// Closes the connection in order; what was published before is confirmed first. A clone that
    /// publishes later connects again.
    pub async fn close(self) {
        let (reply, answer) = oneshot::channel();
        if self.send(Command::Close(reply)).await.is_ok() {
            // No answer means the courier is gone, and the connection with it.
            let _ = answer.await;
        }
    }

    async fn request(
        &self,
        message: Message,
    ) -> Result<oneshot::Receiver<Result<Published, Error>>, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Publish(Request::new(message, reply))).await?;
        Ok(answer)
    }

    async fn confirmed(
        &self,
        answer: oneshot::Receiver<Result<Published, Error>>,
    ) -> Result<Published, Error> {
        answer.await.map_err(|_| self.gone())?
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.courier.send(command).await.map_err(|_| self.gone())
    }

    fn gone(&self) -> Error {
        Error::lost(&self.bus, "the runtime it was made in has ended")
    }
}
