//! The task behind a [`crate::Publisher`]: takes what its clones hand in, publishes it one after
//! the other without waiting, and tells each its outcome when the bus says it.

use std::{collections::VecDeque, ops::RangeInclusive};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    BusUrl, Error, Published,
    connection::Connection,
    conversation::{Ending, Fate, Refusal, Said, Sent},
    limits::{CONFIRM_WAIT, CONNECT_WAIT, WINDOW_EVENTS},
    message::{Message, Place},
};

/// One publish, and who waits for it.
#[derive(Debug)]
pub(crate) struct Request {
    message: Box<Message>,
    reply: oneshot::Sender<Result<Published, Error>>,
    since: Instant,
    /// A connection was lost while it was under way.
    was_lost: bool,
}

impl Request {
    pub(crate) fn new(
        message: Message,
        reply: oneshot::Sender<Result<Published, Error>>,
    ) -> Request {
        Request { message: Box::new(message), reply, since: Instant::now(), was_lost: false }
    }

    fn settle(self, outcome: Result<Published, Error>) {
        // Who gave up waiting does not need to know.
        let _ = self.reply.send(outcome);
    }

    fn is_overdue(&self) -> bool {
        self.since.elapsed() >= CONFIRM_WAIT
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
    /// Taken in, and not looked at.
    commands: VecDeque<Command>,
    line: Option<Line>,
    /// To be sent, in order; some for the second time.
    waiting: VecDeque<Request>,
    /// Sent, in order. What is settled leaves a gap until it is the first.
    under_way: VecDeque<Option<UnderWay>>,
    /// The number of the first that is under way.
    first: u64,
    /// How many are sent each alone: one of them is refused, and takes the others along.
    alone: usize,
}

/// A connection that publishes.
struct Line {
    connection: Connection,
    is_ready: bool,
    queue: Declared,
}

/// The queue that the next message goes to.
#[derive(PartialEq, Eq)]
enum Declared {
    None,
    Asked(String),
    Is(String),
}

struct UnderWay {
    request: Request,
    /// It came back: nobody wants it.
    is_returned: bool,
}

impl Courier {
    pub(crate) fn new(bus: BusUrl, app: String, inbox: mpsc::Receiver<Command>) -> Courier {
        Courier {
            bus,
            app,
            inbox,
            commands: VecDeque::new(),
            line: None,
            waiting: VecDeque::new(),
            under_way: VecDeque::new(),
            first: 0,
            alone: 0,
        }
    }

    /// Works until the last clone of the publisher is dropped.
    pub(crate) async fn run(mut self) {
        let mut taken = Vec::with_capacity(WINDOW_EVENTS);
        let mut is_open = true;
        loop {
            self.obey().await;
            if !self.waiting.is_empty() && self.line.is_none() {
                if let Err(error) = self.connect().await {
                    self.fail(&error);
                }
                continue;
            }
            self.send();
            if !is_open && self.is_idle() {
                return self.hang_up().await;
            }
            let has_room = is_open && self.commands.is_empty() && self.held() < WINDOW_EVENTS;
            let overdue_at = self.oldest().map(|since| since + CONFIRM_WAIT);
            tokio::select! {
                biased;
                stepped = step(&mut self.line), if self.line.is_some() => match stepped {
                    Ok(()) => self.listen(),
                    Err(ending) => self.end(ending),
                },
                count = self.inbox.recv_many(&mut taken, WINDOW_EVENTS), if has_room => {
                    is_open = count > 0;
                    self.commands.extend(taken.drain(..));
                }
                () = until(overdue_at), if overdue_at.is_some() => self.give_up(),
            }
        }
    }

    /// How many events it holds.
    fn held(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    fn is_idle(&self) -> bool {
        self.commands.is_empty() && self.held() == 0
    }

    /// Since when the one waits that waits longest.
    fn oldest(&self) -> Option<Instant> {
        let sent = self.under_way.front().and_then(Option::as_ref).map(|it| it.request.since);
        let waiting = self.waiting.front().map(|request| request.since);
        [sent, waiting].into_iter().flatten().min()
    }

    /// Does what it was asked, in order: who closes waits for what came before.
    async fn obey(&mut self) {
        while let Some(command) = self.commands.pop_front() {
            match command {
                Command::Publish(request) => self.waiting.push_back(request),
                Command::Connect(reply) => {
                    let connected = match &self.line {
                        Some(line) if line.is_ready => Ok(()),
                        // It is on its way back to being ready.
                        Some(_) => Ok(()),
                        None => self.connect().await,
                    };
                    let _ = reply.send(connected);
                }
                Command::Close(reply) if self.held() == 0 => {
                    self.hang_up().await;
                    let _ = reply.send(());
                }
                Command::Close(reply) => {
                    self.commands.push_front(Command::Close(reply));
                    return;
                }
            }
        }
    }

    async fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            line.connection.close().await;
        }
    }

    /// Opens a connection, ready to publish.
    async fn connect(&mut self) -> Result<(), Error> {
        let mut connection = Connection::open(&self.bus, &self.app).await?;
        connection.say(|it, out, said| it.begin_publishing(out, said));
        let deadline = Instant::now() + CONNECT_WAIT;
        loop {
            match connection.said() {
                Some(Said::Ready) => break,
                Some(Said::Refused(refusal)) => {
                    return Err(Error::of_refusal(&self.bus, "to publish", refusal));
                }
                Some(_) => {}
                None => match timeout_at(deadline, connection.step()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(ending)) => {
                        return Err(Error::of_ending(&self.bus, "to publish", ending));
                    }
                    Err(_) => {
                        let what = "switch on confirms".to_owned();
                        let bus = self.bus.clone();
                        return Err(Error::TimedOut { bus, what, after: CONNECT_WAIT });
                    }
                },
            }
        }
        self.line = Some(Line { connection, is_ready: true, queue: Declared::None });
        Ok(())
    }

    /// Sends of what waits as much as it may.
    fn send(&mut self) {
        let Some(line) = self.line.as_mut() else { return };
        while line.is_ready
            && self.under_way.len() < WINDOW_EVENTS
            && (self.alone == 0 || self.under_way.is_empty())
        {
            let Some(request) = self.waiting.front() else { return };
            if let Place::Queue(queue) = &request.message.place
                && line.queue != Declared::Is(queue.clone())
            {
                if line.queue != Declared::Asked(queue.clone()) {
                    line.queue = Declared::Asked(queue.clone());
                    let length_max = request.message.length_max;
                    line.connection.say(|it, out, said| it.declare(queue, length_max, out, said));
                }
                // It may be there already, by this connection's doing.
                return self.listen();
            }
            let sent = line.connection.say(|it, out, _| it.publish(&request.message, out));
            match sent {
                Sent::NotNow => return,
                Sent::As(number) => {
                    if self.under_way.is_empty() {
                        self.first = number;
                    }
                    let request = self.waiting.pop_front();
                    let sent = request.map(|request| UnderWay { request, is_returned: false });
                    self.under_way.push_back(sent);
                }
                Sent::TooLarge => {
                    let Some(request) = self.waiting.pop_front() else { return };
                    let id = request.message.id.clone();
                    let reason = "its headers do not fit into one frame, or all of it is larger \
                                  than the bus takes"
                        .to_owned();
                    request.settle(Err(Error::Event { id, reason }));
                }
            }
        }
    }

    /// Hears what the bus said.
    fn listen(&mut self) {
        while let Some(said) = self.line.as_mut().and_then(|line| line.connection.said()) {
            match said {
                Said::Ready => self.line.iter_mut().for_each(|line| line.is_ready = true),
                Said::Declared => {
                    if let Some(line) = &mut self.line
                        && let Declared::Asked(queue) =
                            std::mem::replace(&mut line.queue, Declared::None)
                    {
                        line.queue = Declared::Is(queue);
                        return self.send();
                    }
                }
                Said::Returned { id, routing_key } => self.mark_returned(&id, &routing_key),
                Said::Settled(numbers, fate) => self.settle(numbers, &fate),
                Said::Refused(refusal) => self.refused(refusal, true),
                Said::Arrived(_) | Said::Cancelled => {}
            }
        }
    }

    fn mark_returned(&mut self, id: &str, routing_key: &str) {
        let is_it = |it: &&mut UnderWay| {
            let message = &it.request.message;
            !it.is_returned && message.id == id && message.routing_key() == routing_key
        };
        if let Some(it) = self.under_way.iter_mut().flatten().find(is_it) {
            it.is_returned = true;
        }
    }

    fn settle(&mut self, numbers: RangeInclusive<u64>, fate: &Fate) {
        let place = |number: u64| usize::try_from(number.saturating_sub(self.first)).ok();
        let Some((from, to)) = place(*numbers.start()).zip(place(*numbers.end())) else { return };
        if *numbers.end() < self.first {
            return;
        }
        for slot in self.under_way.iter_mut().take(to.saturating_add(1)).skip(from) {
            let Some(UnderWay { request, is_returned }) = slot.take() else { continue };
            let what = || request.message.what();
            let outcome = match fate {
                Fate::Confirmed if !is_returned => Ok(Published::Routed),
                Fate::Confirmed | Fate::Unrouted => Ok(Published::Unrouted),
                Fate::Nacked => Err(Error::Nacked { bus: self.bus.clone(), what: what() }),
                Fate::Refused(refusal) => {
                    Err(Error::of_refusal(&self.bus, &what(), refusal.clone()))
                }
            };
            request.settle(outcome);
            self.alone = self.alone.saturating_sub(1);
        }
        while let Some(None) = self.under_way.front() {
            self.under_way.pop_front();
            self.first += 1;
        }
        if self.under_way.is_empty()
            && let Some(line) = &mut self.line
        {
            // Somebody may delete it before the next.
            line.queue = Declared::None;
        }
    }

    /// The bus ended what was begun because of something it was sent. AMQP 0-9-1 does not say
    /// which, so all that was under way is sent again, each alone: a refusal hits only the event it
    /// is meant for.
    fn refused(&mut self, refusal: Refusal, is_connected: bool) {
        if let Some(line) = &mut self.line {
            line.queue = Declared::None;
        }
        let crowd = self.under_way.iter().flatten().count();
        if refusal.what.is_some() {
            // What the next message needs, not one that is under way.
            let at_fault = self.waiting.pop_front();
            at_fault.into_iter().for_each(|it| self.refuse(it, refusal.clone()));
            self.take_back();
        } else if crowd > 1 {
            self.alone = crowd;
            self.take_back();
        } else if let Some(sent) = self.under_way.iter_mut().find_map(Option::take) {
            self.under_way.clear();
            self.alone = self.alone.saturating_sub(1);
            self.refuse(sent.request, refusal);
        } else {
            // It may not publish at all.
            self.fail(&Error::of_refusal(&self.bus, "to publish", refusal));
            self.line = None;
        }
        match &mut self.line {
            Some(line) if is_connected => {
                line.is_ready = false;
                line.connection.say(|it, out, said| it.begin_publishing(out, said));
            }
            line => *line = None,
        }
    }

    fn refuse(&self, request: Request, refusal: Refusal) {
        let what = request.message.what();
        request.settle(Err(Error::of_refusal(&self.bus, &what, refusal)));
    }

    /// What is under way is to be sent again, before what waits.
    fn take_back(&mut self) {
        for sent in self.under_way.drain(..).rev().flatten() {
            self.waiting.push_front(sent.request);
        }
    }

    /// The connection is gone. What was under way is tried once more.
    fn end(&mut self, ending: Ending) {
        match ending {
            Ending::Refused(refusal) => self.refused(refusal, false),
            Ending::Lost(reason) => {
                self.line = None;
                let error = Error::lost(&self.bus, reason);
                for mut sent in self.under_way.drain(..).rev().flatten() {
                    if std::mem::replace(&mut sent.request.was_lost, true) {
                        sent.request.settle(Err(error.clone()));
                        self.alone = self.alone.saturating_sub(1);
                    } else {
                        self.waiting.push_front(sent.request);
                    }
                }
            }
        }
    }

    /// Nothing of what waits can be sent.
    fn fail(&mut self, error: &Error) {
        self.waiting.drain(..).for_each(|request| request.settle(Err(error.clone())));
        self.alone = 0;
    }

    /// Somebody waited long enough. A bus that does not confirm is left.
    fn give_up(&mut self) {
        let is_blocked =
            self.line.take().is_some_and(|line| line.connection.conversation().is_blocked());
        self.take_back();
        let (overdue, in_time): (VecDeque<_>, VecDeque<_>) =
            self.waiting.drain(..).partition(Request::is_overdue);
        self.waiting = in_time;
        for request in overdue {
            let mut what = format!("confirm {}", request.message.what());
            if is_blocked {
                what.push_str(" (it blocks publishers: short of memory or disk)");
            }
            let bus = self.bus.clone();
            request.settle(Err(Error::TimedOut { bus, what, after: CONFIRM_WAIT }));
            self.alone = self.alone.saturating_sub(1);
        }
    }
}

async fn step(line: &mut Option<Line>) -> Result<(), Ending> {
    match line {
        Some(line) => line.connection.step().await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
