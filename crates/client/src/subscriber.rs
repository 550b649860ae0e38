//! Receives events with acknowledgement.

use std::{fmt, future::Future, pin::Pin, time::Instant};

use event::Pattern;
use futures_util::{Stream, stream};

use crate::{
    BusUrl, Delivery, Error, Trust,
    consumption::{self, Consumption},
    limits::HEALTHY_AFTER,
    outage::Outage,
};

/// Where a subscriber's events wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queue {
    /// Server-named, exclusive, gone with the connection.
    Temporary,
    /// Durable, by name: nothing is missed while the subscriber is away.
    Durable(String),
    /// Durable, and filled by name alone ([`crate::Publisher::publish_to_inbox`]): patterns mean
    /// nothing to it. By AMQP 1.0 on Tubepost and RabbitMQ 4 only.
    Inbox(Inbox),
}

/// A durable queue of one receiver, with an end: past `length_max` messages the oldest go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// Its name, at most 255 bytes.
    pub name: String,
    /// At least 1; who fills it and who reads it must say the same.
    pub length_max: u32,
}

/// What a subscriber wants.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Where the events wait.
    pub queue: Queue,
    /// Which topics; none means all (`#`). A durable queue keeps the bindings it was given
    /// earlier: other patterns for it add to the old ones.
    pub patterns: Vec<Pattern>,
    /// How many unacknowledged events at once, at least 1.
    pub prefetch: u16,
}

/// A consumer on the bus. Reconnects by itself, with capped and jittered back-off, and declares,
/// binds and consumes again.
pub struct Subscriber {
    bus: BusUrl,
    app: String,
    subscription: Subscription,
    trust: Option<Trust>,
    state: State,
}

enum State {
    Consuming(Box<Consuming>),
    /// A future in the state and not on the stack of `next`: who cancels `next` (a `select!`
    /// with a timer) must not send the reconnection back to its start each time.
    Connecting(Pin<Box<dyn Future<Output = Consuming> + Send>>),
}

struct Consuming {
    consumption: Consumption,
    since: Instant,
    /// The last outage: one that comes right after it continues its back-off.
    outage: Outage,
}

impl Subscriber {
    /// Connects once, declares, binds, consumes.
    ///
    /// # Errors
    /// As [`crate::Publisher::connect`]; also a queue that exists with other arguments
    /// ([`Error::Refused`]).
    pub async fn connect(
        bus: &BusUrl,
        app: &str,
        subscription: Subscription,
    ) -> Result<Subscriber, Error> {
        let consumption = Consumption::begin(bus, app, &subscription).await?;
        let outage = outage(&subscription);
        let consuming = Consuming { consumption, since: Instant::now(), outage };
        Ok(Subscriber::new(bus, app, subscription, consuming))
    }

    /// As [`Subscriber::connect`], but never gives up: for services that start before their bus.
    /// Returns when it consumes; until then it says once in the log what it waits for.
    pub async fn connect_patiently(
        bus: &BusUrl,
        app: &str,
        subscription: Subscription,
    ) -> Subscriber {
        let outage = outage(&subscription);
        let consuming =
            connect(bus.clone(), app.to_owned(), subscription.clone(), outage, None).await;
        Subscriber::new(bus, app, subscription, consuming)
    }

    fn new(
        bus: &BusUrl,
        app: &str,
        subscription: Subscription,
        consuming: Consuming,
    ) -> Subscriber {
        let state = State::Consuming(Box::new(consuming));
        Subscriber { bus: bus.clone(), app: app.to_owned(), subscription, trust: None, state }
    }

    /// Judges the signature of each event it receives from now on.
    #[must_use]
    pub fn trusting(self, trust: impl Into<Option<Trust>>) -> Subscriber {
        Subscriber { trust: trust.into(), ..self }
    }

    /// The next event. Waits through any outage. May be cancelled at any await (`select!`): no
    /// event is lost by it.
    pub async fn next(&mut self) -> Delivery {
        loop {
            let reason = match &mut self.state {
                State::Connecting(connecting) => {
                    let consuming = connecting.as_mut().await;
                    self.state = State::Consuming(Box::new(consuming));
                    continue;
                }
                State::Consuming(consuming) => match consuming.consumption.next().await {
                    Ok(delivery) => return delivery.judged_by(self.trust.as_ref()),
                    Err(reason) => reason,
                },
            };
            self.begin_again(reason);
        }
    }

    fn begin_again(&mut self, reason: Error) {
        let mut outage = outage(&self.subscription);
        if let State::Consuming(consuming) = &mut self.state {
            std::mem::swap(&mut outage, &mut consuming.outage);
            if consuming.since.elapsed() > HEALTHY_AFTER {
                outage.forget();
            }
        }
        // The old connection is cut here, before the new one is made.
        self.state = State::Connecting(Box::pin(connect(
            self.bus.clone(),
            self.app.clone(),
            self.subscription.clone(),
            outage,
            Some(reason),
        )));
    }

    /// The same as a stream that has no end. Dropped, its connection is cut, and what was not
    /// acknowledged goes back.
    pub fn into_stream(self) -> impl Stream<Item = Delivery> + Send {
        stream::unfold(self, |mut subscriber| async {
            let delivery = subscriber.next().await;
            Some((delivery, subscriber))
        })
    }

    /// Cancels the consumer and closes the connection; what was not acknowledged goes back.
    pub async fn close(self) {
        if let State::Consuming(consuming) = self.state {
            consuming.consumption.end().await;
        }
    }

    /// Whether it hears the bus: false from the end of a connection, as [`Subscriber::next`] finds
    /// it, until it consumes again. For those who show it between two calls of `next`.
    pub fn is_consuming(&self) -> bool {
        matches!(self.state, State::Consuming(_))
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("bus", &self.bus)
            .field("subscription", &self.subscription)
            .field("consuming", &matches!(self.state, State::Consuming(_)))
            .finish_non_exhaustive()
    }
}

fn outage(subscription: &Subscription) -> Outage {
    Outage::none(format!("subscriber of {}", consumption::name(&subscription.queue)))
}

/// Until it consumes. `lost` is why it has to.
async fn connect(
    bus: BusUrl,
    app: String,
    subscription: Subscription,
    mut outage: Outage,
    lost: Option<Error>,
) -> Consuming {
    if let Some(reason) = lost {
        outage.wait(&reason).await;
    }
    loop {
        match Consumption::begin(&bus, &app, &subscription).await {
            Ok(consumption) => {
                outage.over();
                return Consuming { consumption, since: Instant::now(), outage };
            }
            Err(error) => outage.wait(&error).await,
        }
    }
}
