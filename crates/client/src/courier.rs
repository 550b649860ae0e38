//! The task behind a [`crate::Publisher`]: takes what its clones hand in, publishes it window by
//! window, waits for each window's confirms, tells each its outcome.
//!
//! Why windows and not one endless pipeline: the broker says `basic.return` before the confirm of
//! the same event, but lapin hands the returned message to whichever confirm it settles first
//! (one `multiple` ack settles many, in no order). Which event was unroutable is known for sure
//! only when everything that was under way is confirmed.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    BusUrl, EXCHANGE, Error, Published,
    connection::Connection,
    limits::{CONFIRM_WAIT, WINDOW_EVENTS},
    message::Message,
};

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To [`EXCHANGE`].
    Exchange,
    /// To the durable queue its routing key names.
    Queue,
}

/// One publish, and who waits for it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) target: Target,
    pub(crate) message: Box<Message>,
    pub(crate) reply: oneshot::Sender<Result<Published, Error>>,
}

impl Request {
    fn settle(self, outcome: Result<Published, Error>) {
        // Who gave up waiting does not need to know.
        let _ = self.reply.send(outcome);
    }

    fn exchange(&self) -> &'static str {
        match self.target {
            Target::Exchange => EXCHANGE,
            Target::Queue => "",
        }
    }
}

/// What a publisher asks its courier.
#[derive(Debug)]
pub(crate) enum Command {
    Connect(oneshot::Sender<Result<(), Error>>),
    Publish(Request),
    Close(oneshot::Sender<()>),
}

/// The connection's owner.
pub(crate) struct Courier {
    bus: BusUrl,
    app: String,
    inbox: mpsc::Receiver<Command>,
    line: Option<Line>,
}

/// A connection and its channel in confirm mode.
struct Line {
    connection: Connection,
    channel: Channel,
}

/// What is known of one publish of a window.
enum Fate {
    Confirmed,
    Nacked,
    Failed(Error),
}

impl Courier {
    pub(crate) fn new(bus: BusUrl, app: String, inbox: mpsc::Receiver<Command>) -> Courier {
        Courier { bus, app, inbox, line: None }
    }

    /// Works until the last clone of the publisher is dropped.
    pub(crate) async fn run(mut self) {
        let mut commands = Vec::with_capacity(WINDOW_EVENTS);
        while self.inbox.recv_many(&mut commands, WINDOW_EVENTS).await > 0 {
            let mut window = Vec::with_capacity(commands.len());
            for command in commands.drain(..) {
                match command {
                    Command::Publish(request) => window.push(request),
                    Command::Connect(reply) => {
                        let _ = reply.send(self.channel().await.map(drop));
                    }
                    Command::Close(reply) => {
                        self.deliver(std::mem::take(&mut window)).await;
                        self.hang_up().await;
                        let _ = reply.send(());
                    }
                }
            }
            self.deliver(window).await;
        }
        self.hang_up().await;
    }

    async fn hang_up(&mut self) {
        if let Some(line) = self.line.take()
            && line.connection.is_live()
        {
            line.connection.close().await;
        }
    }

    /// The channel, opened again when it or its connection is gone.
    async fn channel(&mut self) -> Result<Channel, Error> {
        if let Some(line) = &self.line
            && line.connection.is_live()
            && line.channel.status().connected()
        {
            return Ok(line.channel.clone());
        }
        let connection = match self.line.take() {
            Some(line) if line.connection.is_live() => line.connection,
            _ => Connection::open(&self.bus, &self.app).await?,
        };
        let channel = connection.channel().await?;
        let deadline = Instant::now() + CONFIRM_WAIT;
        match timeout_at(deadline, channel.confirm_select(ConfirmSelectOptions::default())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::of_use(&self.bus, "publisher confirms", &error)),
            Err(_) => return Err(self.timed_out("switch on confirms", &connection)),
        }
        self.line = Some(Line { connection, channel: channel.clone() });
        Ok(channel)
    }

    /// Publishes a window and settles every request of it.
    async fn deliver(&mut self, window: Vec<Request>) {
        let mut rest = window;
        for last_try in [false, true] {
            if rest.is_empty() {
                return;
            }
            let crowd = rest.len();
            let mut refused = false;
            let mut again = Vec::new();
            for (request, fate) in self.pipeline(rest).await {
                match fate {
                    Ok(published) => request.settle(Ok(published)),
                    Err(error @ Error::Lost { .. }) if last_try => request.settle(Err(error)),
                    Err(Error::Lost { .. }) => again.push(request),
                    // The broker closes the channel for one event, which takes the innocent along.
                    Err(Error::Refused { .. }) if crowd > 1 => {
                        refused = true;
                        again.push(request);
                    }
                    Err(error) => request.settle(Err(error)),
                }
            }
            if refused {
                return self.deliver_singly(again).await;
            }
            rest = again;
        }
    }

    /// One at a time, so that a refusal hits only the event it is meant for.
    async fn deliver_singly(&mut self, requests: Vec<Request>) {
        for request in requests {
            for (request, outcome) in self.pipeline(vec![request]).await {
                request.settle(outcome);
            }
        }
    }

    /// Sends all, then waits for all confirms.
    async fn pipeline(
        &mut self,
        requests: Vec<Request>,
    ) -> Vec<(Request, Result<Published, Error>)> {
        let deadline = Instant::now() + CONFIRM_WAIT;
        let channel = match self.declare_queues(&requests, deadline).await {
            Ok(channel) => channel,
            Err(error) => {
                return requests.into_iter().map(|request| (request, Err(error.clone()))).collect();
            }
        };
        let mut sending = Vec::with_capacity(requests.len());
        for request in &requests {
            sending.push(start(Box::pin(send(&channel, request))).await);
        }
        let mut fates = Vec::with_capacity(requests.len());
        let mut returned = Vec::new();
        let mut overdue = false;
        for (request, sent) in requests.iter().zip(sending) {
            let confirmation = match timeout_at(deadline, sent.confirmation()).await {
                Ok(confirmation) => confirmation,
                Err(_) => {
                    overdue = true;
                    fates.push(Fate::Failed(self.overdue(&request.message)));
                    continue;
                }
            };
            fates.push(match confirmation {
                Ok(Confirmation::Ack(message)) => {
                    returned.extend(message);
                    Fate::Confirmed
                }
                Ok(Confirmation::Nack(message)) => {
                    returned.extend(message);
                    Fate::Nacked
                }
                Ok(Confirmation::NotRequested) => {
                    Fate::Failed(Error::lost(&self.bus, "its channel is not in confirm mode"))
                }
                Err(error) => Fate::Failed(Error::of_use(&self.bus, &request.message.what, &error)),
            });
        }
        if overdue {
            // Confirms that come later would be taken for those of later events.
            self.line = None;
        }
        self.judge(requests, fates, returned)
    }

    /// Finds out whom the returned messages belong to.
    fn judge(
        &self,
        requests: Vec<Request>,
        fates: Vec<Fate>,
        returned: Vec<BasicReturnMessage>,
    ) -> Vec<(Request, Result<Published, Error>)> {
        let mut by_id: HashMap<Option<ShortString>, Vec<BasicReturnMessage>> = HashMap::new();
        for back in returned {
            by_id.entry(back.delivery.properties.message_id().clone()).or_default().push(back);
        }
        let judged = requests.into_iter().zip(fates).map(|(request, fate)| {
            let outcome = match fate {
                Fate::Failed(error) => Err(error),
                Fate::Nacked => {
                    Err(Error::Nacked { bus: self.bus.clone(), what: request.message.what.clone() })
                }
                Fate::Confirmed => {
                    let same = by_id.get_mut(&Some(request.message.id.clone()));
                    let back = same.and_then(|same| {
                        let at = same.iter().position(|back| is_of(back, &request))?;
                        Some(same.swap_remove(at))
                    });
                    Ok(if back.is_some() { Published::Unrouted } else { Published::Routed })
                }
            };
            (request, outcome)
        });
        judged.collect()
    }

    /// Declares the queues that requests name, once each.
    async fn declare_queues(
        &mut self,
        requests: &[Request],
        deadline: Instant,
    ) -> Result<Channel, Error> {
        let channel = self.channel().await?;
        let mut queues: Vec<&ShortString> = requests
            .iter()
            .filter(|request| request.target == Target::Queue)
            .map(|request| &request.message.routing_key)
            .collect();
        queues.sort();
        queues.dedup();
        for queue in queues {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let declared = channel.queue_declare(queue.clone(), options, FieldTable::default());
            let what = format!("queue '{queue}'");
            match timeout_at(deadline, declared).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(Error::of_use(&self.bus, &what, &error)),
                Err(_) => {
                    self.line = None;
                    return Err(Error::TimedOut {
                        bus: self.bus.clone(),
                        what: format!("declare {what}"),
                        after: CONFIRM_WAIT,
                    });
                }
            }
        }
        Ok(channel)
    }

    fn overdue(&self, message: &Message) -> Error {
        let what = format!("confirm {}", message.what);
        match &self.line {
            Some(line) => self.timed_out(&what, &line.connection),
            None => Error::TimedOut { bus: self.bus.clone(), what, after: CONFIRM_WAIT },
        }
    }

    fn timed_out(&self, what: &str, connection: &Connection) -> Error {
        let what = match connection.is_blocked() {
            true => format!("{what} (it blocks publishers: short of memory or disk)"),
            false => what.to_owned(),
        };
        Error::TimedOut { bus: self.bus.clone(), what, after: CONFIRM_WAIT }
    }
}

/// A publish that is under way.
enum Sent<F> {
    Writing(Pin<Box<F>>),
    Written(lapin::Result<PublisherConfirm>),
}

impl<F: Future<Output = lapin::Result<PublisherConfirm>>> Sent<F> {
    async fn confirmation(self) -> lapin::Result<Confirmation> {
        match self {
            Sent::Writing(writing) => writing.await?.await,
            Sent::Written(written) => written?.await,
        }
    }
}

/// Polls once: lapin numbers a publish and queues its frames in the first poll, so publishes go
/// out in the order in which they are started.
async fn start<F: Future<Output = lapin::Result<PublisherConfirm>>>(
    mut sending: Pin<Box<F>>,
) -> Sent<F> {
    match poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await {
        Poll::Ready(written) => Sent::Written(written),
        Poll::Pending => Sent::Writing(sending),
    }
}

async fn send(channel: &Channel, request: &Request) -> lapin::Result<PublisherConfirm> {
    let Message { routing_key, properties, body, .. } = &*request.message;
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let properties: BasicProperties = properties.clone();
    let exchange = request.exchange().into();
    channel.basic_publish(exchange, routing_key.clone(), options, body, properties).await
}

fn is_of(returned: &BasicReturnMessage, request: &Request) -> bool {
    returned.delivery.routing_key == request.message.routing_key
        && returned.delivery.exchange.as_str() == request.exchange()
        && returned.delivery.properties.message_id().as_ref() == Some(&request.message.id)
}
