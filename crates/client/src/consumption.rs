//! A running consumer: the task that owns its connection, begun anew after each outage.

use std::mem;

use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::{Instant, timeout_at},
};

use crate::{
    BusUrl, Delivery, Error, Inbox, Queue, Subscription,
    connection::Connection,
    conversation::{Said, Verdict},
    limits::CONNECT_WAIT,
    message::Arrived,
};

/// Messages are coming. Dropped, its connection is cut and the bus takes back what was not
/// acknowledged.
pub(crate) struct Consumption {
    arrivals: mpsc::Receiver<Result<Arrived, Error>>,
    orders: mpsc::UnboundedSender<Order>,
    bus: BusUrl,
}

/// What the owner of the connection is to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Say what becomes of a message; tells when that is written.
    Judge(u64, Verdict, oneshot::Sender<()>),
    /// Say goodbye; tells when that is done.
    Close(oneshot::Sender<()>),
}

impl Consumption {
    /// Connects, declares, binds, consumes; each within [`CONNECT_WAIT`].
    pub(crate) async fn begin(
        bus: &BusUrl,
        app: &str,
        subscription: &Subscription,
    ) -> Result<Consumption, Error> {
        let mut connection = Connection::open(bus, app).await?;
        let what = name(&subscription.queue);
        connection
            .say(|conversation, out, _| conversation.begin_consuming(subscription, out))
            .map_err(|refusal| Error::of_refusal(bus, &what, refusal))?;
        let deadline = Instant::now() + CONNECT_WAIT;
        loop {
            match connection.said() {
                Some(Said::Ready) => break,
                Some(Said::Refused(refusal)) => {
                    return Err(Error::of_refusal(bus, &what, refusal));
                }
                Some(_) => {}
                None => match timeout_at(deadline, connection.step()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(ending)) => return Err(Error::of_ending(bus, &what, ending)),
                    Err(_) => {
                        let what = format!("let us consume from {what}");
                        let bus = bus.clone();
                        return Err(Error::TimedOut { bus, what, after: CONNECT_WAIT });
                    }
                },
            }
        }
        // What one connection may have at once: a bus that brings more does not keep its word.
        let patterns = subscription.patterns.len().max(1);
        let (arrived, arrivals) =
            mpsc::channel(usize::from(subscription.prefetch.max(1)).saturating_mul(patterns));
        let (orders, ordered) = mpsc::unbounded_channel();
        let owner = Owner { connection, bus: bus.clone(), arrived, unwritten: Vec::new() };
        tokio::spawn(owner.run(ordered));
        Ok(Consumption { arrivals, orders, bus: bus.clone() })
    }

    /// The next message, or why there will be no more. May be cancelled.
    pub(crate) async fn next(&mut self) -> Result<Delivery, Error> {
        match self.arrivals.recv().await {
            Some(Ok(arrived)) => Ok(Delivery::new(arrived, self.orders.clone(), &self.bus)),
            Some(Err(error)) => Err(error),
            None => Err(Error::lost(&self.bus, "its runtime has ended")),
        }
    }

    /// Ends in order, and everything unacknowledged goes back.
    pub(crate) async fn end(self) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(Order::Close(done)).is_ok() {
            // No answer: the connection is gone already.
            let _ = is_done.await;
        }
    }
}

/// For messages: which queue.
pub(crate) fn name(queue: &Queue) -> String {
    match queue {
        Queue::Temporary => "a temporary queue".to_owned(),
        Queue::Durable(name) | Queue::Inbox(Inbox { name, .. }) => format!("queue '{name}'"),
    }
}

/// The connection's.
struct Owner {
    connection: Connection,
    bus: BusUrl,
    arrived: mpsc::Sender<Result<Arrived, Error>>,
    /// Who waits until verdicts are written.
    unwritten: Vec<oneshot::Sender<()>>,
}

impl Owner {
    async fn run(mut self, mut ordered: mpsc::UnboundedReceiver<Order>) {
        let mut orders = Vec::new();
        loop {
            if let Err(error) = self.listen() {
                // Whoever is told finds the channel full at worst, and its end behind that.
                let _ = self.arrived.send(Err(error)).await;
                return;
            }
            if !self.connection.has_unwritten() {
                self.tell_written();
            }
            let stepped = tokio::select! {
                biased;
                count = ordered.recv_many(&mut orders, ORDERS_AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    for order in mem::take(&mut orders) {
                        match order {
                            Order::Judge(number, verdict, written) => {
                                self.connection.say(|it, out, _| it.settle(number, verdict, out));
                                self.unwritten.push(written);
                            }
                            Order::Close(done) => {
                                self.connection.close().await;
                                for told in self.unwritten.into_iter().chain([done]) {
                                    let _ = told.send(());
                                }
                                return;
                            }
                        }
                    }
                    Ok(())
                }
                stepped = self.connection.step() => stepped,
                () = self.arrived.closed() => return,
            };
            if let Err(ending) = stepped {
                let what = format!("consuming from {}", self.connection.conversation().queue());
                let error = Error::of_ending(&self.bus, &what, ending);
                // What came before it is to be had first.
                let _ = self.listen();
                let _ = self.arrived.send(Err(error)).await;
                return;
            }
        }
    }

    /// All verdicts are written.
    fn tell_written(&mut self) {
        for written in self.unwritten.drain(..) {
            // Who does not wait for it needs not know.
            let _ = written.send(());
        }
    }

    /// Hands on what came.
    fn listen(&mut self) -> Result<(), Error> {
        while let Some(said) = self.connection.said() {
            let queue = || self.connection.conversation().queue().to_owned();
            match said {
                Said::Arrived(arrived) => match self.arrived.try_send(Ok(arrived)) {
                    // Nobody wants more: the connection is cut, and it goes back.
                    Ok(()) | Err(TrySendError::Closed(_)) => {}
                    Err(TrySendError::Full(_)) => {
                        return Err(Error::lost(&self.bus, "it sends more than was asked for"));
                    }
                },
                // Queue deleted, or its node down (RabbitMQ: consumer cancel notify).
                Said::Cancelled => {
                    let reason = format!("the broker took {} away", queue());
                    return Err(Error::lost(&self.bus, reason));
                }
                Said::Refused(refusal) => {
                    let what = format!("consuming from {}", queue());
                    return Err(Error::of_refusal(&self.bus, &what, refusal));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

const ORDERS_AT_ONCE: usize = 1024;
