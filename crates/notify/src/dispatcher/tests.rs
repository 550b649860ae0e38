//! The loop between a source and a destination of the test's own. Time is tokio's paused clock:
//! it jumps when everybody waits, so pauses cost nothing and no test sleeps.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use client::Undecodable;
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::{Destination, Failure, Kind, Notice, Subscription, notice::sample, rule::Condition};

/// What was done with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ack,
    Reject,
}

struct Slip {
    number: u32,
    verdicts: mpsc::UnboundedSender<(u32, Verdict)>,
    broken: bool,
}

impl Receipt for Slip {
    async fn ack(self) -> Result<(), String> {
        if self.broken {
            return Err("connection closed".to_owned());
        }
        self.verdicts.send((self.number, Verdict::Ack)).map_err(|e| e.to_string())
    }

    async fn reject(self) -> Result<(), String> {
        self.verdicts.send((self.number, Verdict::Reject)).map_err(|e| e.to_string())
    }
}

struct Deliveries(mpsc::UnboundedReceiver<Received<Slip>>);

impl Source for Deliveries {
    type Receipt = Slip;

    async fn next(&mut self) -> Option<Received<Slip>> {
        self.0.recv().await
    }
}

/// Says what it is told to say, in order; then yes.
#[derive(Default)]
struct Post {
    answers: Mutex<HashMap<String, VecDeque<Failure>>>,
    taken: Mutex<Vec<(String, String)>>,
    tries: Mutex<u32>,
    rests: Mutex<u32>,
    /// Waits for ever.
    hangs: Mutex<Option<String>>,
}

impl Destination for Post {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        *self.tries.lock().unwrap() += 1;
        let to = notice.to.shown();
        if self.hangs.lock().unwrap().as_ref() == Some(&to) {
            return std::future::pending().await;
        }
        if let Some(failure) =
            self.answers.lock().unwrap().get_mut(&to).and_then(VecDeque::pop_front)
        {
            return Err(failure);
        }
        self.taken.lock().unwrap().push((notice.event.id.clone(), to));
        Ok(())
    }

    async fn rest(&self) {
        *self.rests.lock().unwrap() += 1;
    }
}

#[derive(Default)]
struct Graves {
    letters: Mutex<Vec<Event>>,
    closed_for: Mutex<u32>,
}

impl DeadLetters for Graves {
    async fn bury(&self, letter: &Event) -> Result<(), String> {
        let mut closed_for = self.closed_for.lock().unwrap();
        if *closed_for > 0 {
            *closed_for -= 1;
            return Err("bus away".to_owned());
        }
        self.letters.lock().unwrap().push(letter.clone());
        Ok(())
    }
}

/// A running loop, seen from outside.
struct Bench {
    post: Arc<Post>,
    graves: Arc<Graves>,
    counters: Arc<Counters>,
    deliveries: mpsc::UnboundedSender<Received<Slip>>,
    verdicts: mpsc::UnboundedReceiver<(u32, Verdict)>,
    verdicts_in: mpsc::UnboundedSender<(u32, Verdict)>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn start(post: Post, graves: Graves, addresses: &[&str]) -> Bench {
        let (post, graves, counters) = (Arc::new(post), Arc::new(graves), Arc::default());
        let (deliveries, received) = mpsc::unbounded_channel();
        let (verdicts_in, verdicts) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let subscriptions: Vec<Subscription> = addresses
            .iter()
            .map(|address| Subscription {
                name: (*address).to_owned(),
                to: address.parse().unwrap(),
                what: Condition::Topic(vec!["#.git.#".parse().unwrap()]),
            })
            .collect();
        let task = tokio::spawn({
            let (post, graves, counters) =
                (Arc::clone(&post), Arc::clone(&graves), Arc::clone(&counters));
            async move {
                let mut destinations = Destinations::default();
                destinations.put(Kind::Mail, post);
                let dispatcher = Dispatcher {
                    audience: &Audience::of(&subscriptions),
                    describe: |_: &Event| sample().1,
                    destinations: &destinations,
                    dead_letters: &*graves,
                    counters: &counters,
                };
                let stopped = async move { drop(stopped.await) };
                dispatcher.run(&mut Deliveries(received), stopped).await;
            }
        });
        Bench { post, graves, counters, deliveries, verdicts, verdicts_in, stop, task }
    }

    fn deliver(&self, number: u32, id: &str, redelivered: bool, broken: bool) {
        let (mut event, _) = sample();
        event.id = id.to_owned();
        self.receive(number, Ok(event), redelivered, broken);
    }

    fn receive(
        &self,
        number: u32,
        event: Result<Event, Undecodable>,
        redelivered: bool,
        broken: bool,
    ) {
        let receipt = Slip { number, verdicts: self.verdicts_in.clone(), broken };
        let received = Received { event, redelivered, receipt };
        assert!(self.deliveries.send(received).is_ok());
    }

    async fn verdict(&mut self) -> (u32, Verdict) {
        timeout(Duration::from_secs(3600), self.verdicts.recv()).await.unwrap().unwrap()
    }

    /// Waits until the loop has nothing left to do but wait for time: the paused clock only moves
    /// then.
    async fn settled(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    async fn stop(self) -> Arc<Post> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.post
    }
}

const ADA: &str = "ada@example.org";
const GRACE: &str = "grace@example.org";

fn answers(list: impl IntoIterator<Item = (&'static str, Vec<Failure>)>) -> Post {
    let answers = list.into_iter().map(|(to, answers)| (to.to_owned(), answers.into())).collect();
    Post { answers: Mutex::new(answers), ..Post::default() }
}

fn taken(post: &Post) -> Vec<(String, String)> {
    post.taken.lock().unwrap().clone()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(id, to)| ((*id).to_owned(), (*to).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn an_event_is_acknowledged_after_every_address_has_it() {
    let post = answers([(GRACE, vec![Failure::Deferred("greylisted".to_owned())])]);
    let mut bench = Bench::start(post, Graves::default(), &[ADA, GRACE]);
    bench.deliver(1, "a", false, false);
    bench.settled().await;
    assert_eq!(taken(&bench.post), pairs(&[("a", ADA)]));
    assert!(bench.verdicts.try_recv().is_err(), "Grace does not have it yet");
    assert_eq!(bench.verdict().await, (1, Verdict::Ack));
    assert_eq!(taken(&bench.post), pairs(&[("a", ADA), ("a", GRACE)]));
    let counts = bench.counters.read();
    assert_eq!((counts.received, counts.delivered, counts.retried), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_loses_nothing_and_keeps_the_order() {
    let away = || Failure::Away("connection refused".to_owned());
    let post = answers([(ADA, vec![away(); 30])]);
    let mut bench = Bench::start(post, Graves::default(), &[ADA]);
    for (number, id) in ["a", "b", "c"].into_iter().enumerate() {
        bench.deliver(number as u32, id, false, false);
    }
    for number in 0..3 {
        assert_eq!(bench.verdict().await, (number, Verdict::Ack));
    }
    assert_eq!(taken(&bench.post), pairs(&[("a", ADA), ("b", ADA), ("c", ADA)]));
    assert_eq!(*bench.post.tries.lock().unwrap(), 33, "no busy loop");
}

#[tokio::test(start_paused = true)]
async fn a_refused_address_gets_a_dead_letter_with_the_reason_and_stops_nobody() {
    let post = answers([(ADA, vec![Failure::Refused("550 no\r\nsuch user".to_owned())])]);
    let graves = Graves { closed_for: Mutex::new(3), ..Graves::default() };
    let mut bench = Bench::start(post, graves, &[ADA, GRACE]);
    bench.deliver(1, "a", false, false);
    bench.deliver(2, "b", false, false);
    assert_eq!(bench.verdict().await, (1, Verdict::Ack));
    assert_eq!(bench.verdict().await, (2, Verdict::Ack));
    let letters = bench.graves.letters.lock().unwrap().clone();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(letter.id, "a");
    assert_eq!(letter.headers["x-tubepost-to"], ADA);
    assert_eq!(letter.headers["x-tubepost-reason"], "550 no such user");
    assert_eq!(bench.counters.read().dead_lettered, 1);
    let taken = taken(&bench.post);
    assert!(taken.contains(&pairs(&[("a", GRACE)])[0]) && taken.contains(&pairs(&[("b", ADA)])[0]));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_rejected_and_what_nobody_wants_is_acknowledged() {
    let mut bench = Bench::start(Post::default(), Graves::default(), &[ADA]);
    let reason = "body is not JSON".to_owned();
    let not_one = Undecodable { topic: "x".to_owned(), body: b"{".to_vec(), reason, refused: None };
    bench.receive(1, Err(not_one), false, false);
    assert_eq!(bench.verdict().await, (1, Verdict::Reject));
    let (mut event, _) = sample();
    event.topic = "org.example.koji.build".parse().unwrap();
    bench.receive(2, Ok(event), false, false);
    assert_eq!(bench.verdict().await, (2, Verdict::Ack));
    assert_eq!(bench.counters.read().undecodable, 1);
    assert!(taken(&bench.post).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_reconnects_during_an_outage_causes_no_second_mail() {
    let post = answers([(ADA, vec![Failure::Away("refused".to_owned()); 5])]);
    let mut bench = Bench::start(post, Graves::default(), &[ADA]);
    bench.deliver(1, "a", false, true);
    bench.settled().await;
    bench.deliver(2, "a", true, false);
    assert_eq!(bench.verdict().await, (2, Verdict::Ack));
    assert_eq!(taken(&bench.post).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_the_bus_did_not_hear_causes_no_second_mail() {
    let mut bench = Bench::start(Post::default(), Graves::default(), &[ADA]);
    bench.deliver(1, "a", false, true);
    bench.settled().await;
    assert_eq!(taken(&bench.post).len(), 1);
    bench.deliver(2, "a", true, false);
    assert_eq!(bench.verdict().await, (2, Verdict::Ack));
    assert_eq!(taken(&bench.post).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_hangs_stops_nobody_else_and_not_the_shutdown() {
    let post = Post { hangs: Mutex::new(Some(ADA.to_owned())), ..Post::default() };
    let mut bench = Bench::start(post, Graves::default(), &[ADA, GRACE]);
    for (number, id) in ["a", "b", "c"].into_iter().enumerate() {
        bench.deliver(number as u32, id, false, false);
    }
    bench.settled().await;
    let post = Arc::clone(&bench.post);
    assert_eq!(taken(&post), pairs(&[("a", GRACE), ("b", GRACE), ("c", GRACE)]));
    assert!(bench.verdicts.try_recv().is_err());
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_put_off_for_ever_does_not_stop_the_others_and_loses_nothing() {
    let full = || Failure::Deferred("452 mailbox full".to_owned());
    let post = answers([(ADA, vec![full(); 1_000_000])]);
    let mut bench = Bench::start(post, Graves::default(), &[ADA, GRACE]);
    let count = 3 * IN_FLIGHT_MAX;
    for number in 0..count {
        bench.deliver(number as u32, &number.to_string(), false, false);
    }
    let acknowledged = count - CROWDED;
    for _ in 0..acknowledged {
        bench.verdict().await;
    }
    let ids: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let graced: Vec<String> = taken(&bench.post).into_iter().map(|(id, _)| id).collect();
    assert_eq!(graced, ids, "Grace has all");
    let buried: Vec<String> =
        bench.graves.letters.lock().unwrap().iter().map(|letter| letter.id.clone()).collect();
    assert!(buried.len() > acknowledged / 2 && buried == ids[..buried.len()], "{buried:?}");
}

#[tokio::test(start_paused = true)]
async fn events_beyond_the_bound_stay_on_the_bus() {
    let post = answers([(ADA, vec![Failure::Away("refused".to_owned()); 1_000_000])]);
    let bench = Bench::start(post, Graves::default(), &[ADA]);
    for number in 0..500 {
        bench.deliver(number, &number.to_string(), false, false);
    }
    bench.settled().await;
    assert_eq!(bench.counters.read().received, IN_FLIGHT_MAX as u64);
}

#[tokio::test(start_paused = true)]
async fn connections_are_let_go_when_there_is_nothing_to_send() {
    let mut bench = Bench::start(Post::default(), Graves::default(), &[ADA]);
    bench.deliver(1, "a", false, false);
    bench.verdict().await;
    assert_eq!(*bench.post.rests.lock().unwrap(), 0);
    tokio::time::advance(IDLE_MAX + Duration::from_secs(1)).await;
    bench.settled().await;
    assert_eq!(*bench.post.rests.lock().unwrap(), 1);
    tokio::time::advance(10 * IDLE_MAX).await;
    bench.settled().await;
    assert_eq!(*bench.post.rests.lock().unwrap(), 1, "once is enough");
    bench.deliver(2, "b", false, false);
    assert_eq!(bench.verdict().await, (2, Verdict::Ack));
}
