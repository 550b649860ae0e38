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
use crate::{
    Destination, Failure, Kind, Notice, Subscription, notice::sample, rule::Condition,
    store::Change,
};

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
    /// Events of each that was taken.
    sizes: Mutex<Vec<usize>>,
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
        self.sizes.lock().unwrap().push(notice.matters().count());
        Ok(())
    }

    async fn rest(&self) {
        *self.rests.lock().unwrap() += 1;
    }
}

/// A running loop, seen from outside.
struct Bench {
    post: Arc<Post>,
    store: Arc<Store>,
    audience: Arc<Audience>,
    counters: Arc<Counters>,
    nudged: Arc<Notify>,
    deliveries: mpsc::UnboundedSender<Received<Slip>>,
    verdicts: mpsc::UnboundedReceiver<(u32, Verdict)>,
    verdicts_in: mpsc::UnboundedSender<(u32, Verdict)>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn start(post: Post, addresses: &[&str]) -> Bench {
        let subscriptions: Vec<Subscription> = addresses
            .iter()
            .map(|address| Subscription {
                name: (*address).to_owned(),
                to: address.parse().unwrap(),
                what: Condition::Topic(vec!["#.git.#".parse().unwrap()]),
            })
            .collect();
        let store = Arc::new(Store::in_memory().unwrap());
        Bench::on(store, Arc::new(post), Arc::new(Audience::of(&subscriptions)))
    }

    fn on(store: Arc<Store>, post: Arc<Post>, audience: Arc<Audience>) -> Bench {
        let (counters, nudged) = (Arc::default(), Arc::<Notify>::default());
        let (deliveries, received) = mpsc::unbounded_channel();
        let (verdicts_in, verdicts) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn({
            let (post, counters) = (Arc::clone(&post), Arc::clone(&counters));
            let nudged = Arc::clone(&nudged);
            let (store, audience) = (Arc::clone(&store), Arc::clone(&audience));
            let begun = Instant::now();
            async move {
                let mut destinations = Destinations::default();
                destinations.put(Kind::Mail, post);
                let dispatcher = Dispatcher {
                    audience: &audience,
                    describe: |_: &Event| sample().1,
                    destinations: &destinations,
                    store: &store,
                    counters: &counters,
                    nudged: &nudged,
                    clock: move || NOON.parse::<Timestamp>().unwrap() + begun.elapsed(),
                };
                let stopped = async move { drop(stopped.await) };
                dispatcher.run(&mut Deliveries(received), stopped).await;
            }
        });
        Bench {
            post,
            store,
            audience,
            counters,
            nudged,
            deliveries,
            verdicts,
            verdicts_in,
            stop,
            task,
        }
    }

    fn deliver(&self, number: u32, id: &str, broken: bool) {
        let (mut event, _) = sample();
        event.id = id.to_owned();
        self.receive(number, Ok(event), broken);
    }

    fn receive(&self, number: u32, event: Result<Event, Undecodable>, broken: bool) {
        let receipt = Slip { number, verdicts: self.verdicts_in.clone(), broken };
        assert!(self.deliveries.send(Received { event, receipt }).is_ok());
    }

    async fn verdict(&mut self) -> (u32, Verdict) {
        timeout(Duration::from_secs(3600), self.verdicts.recv()).await.unwrap().unwrap()
    }

    /// Waits until the loop has nothing left to do but wait for time: the paused clock only moves
    /// then.
    async fn settled(&self) {
        self.after(Duration::from_millis(50)).await;
    }

    async fn after(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn taken_is(&self, count: usize) {
        let taking = async {
            while taken(&self.post).len() < count {
                self.settled().await;
            }
        };
        let waited = timeout(Duration::from_secs(30 * 24 * 3600), taking).await;
        assert!(waited.is_ok(), "{:?}", taken(&self.post));
    }

    async fn stop(self) -> Arc<Post> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.post
    }
}

const NOON: &str = "2026-11-26T12:00:00Z";
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
async fn an_event_is_acknowledged_when_it_is_kept_and_one_address_does_not_wait_for_another() {
    let post = answers([(GRACE, vec![Failure::Deferred("greylisted".to_owned())])]);
    let mut bench = Bench::start(post, &[ADA, GRACE]);
    bench.deliver(1, "a", false);
    assert_eq!(bench.verdict().await, (1, Verdict::Ack));
    bench.settled().await;
    assert_eq!(taken(&bench.post), pairs(&[("a", ADA)]));
    let told = bench.store.told("a").unwrap();
    let answers: Vec<&str> = told.iter().map(|told| told.answer.as_str()).collect();
    assert_eq!(answers, ["taken", "greylisted"]);
    assert!(told[1].waits && told[1].place == GRACE);
    bench.taken_is(2).await;
    let counts = bench.counters.read();
    assert_eq!((counts.received, counts.delivered, counts.retried), (1, 2, 1));
    assert_eq!(counts.kept, 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_loses_nothing_keeps_the_order_and_does_not_stop_the_bus() {
    let away = || Failure::Away("connection refused".to_owned());
    let post = answers([(ADA, vec![away(); 30])]);
    let mut bench = Bench::start(post, &[ADA]);
    let ids: Vec<String> = (0..1000).map(|number| format!("{number:04}")).collect();
    for (number, id) in ids.iter().enumerate() {
        bench.deliver(number as u32, id, false);
    }
    for number in 0..1000 {
        assert_eq!(bench.verdict().await, (number, Verdict::Ack));
    }
    assert!(taken(&bench.post).is_empty());
    bench.taken_is(1000).await;
    let told: Vec<String> = taken(&bench.post).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, ids);
    assert_eq!(*bench.post.tries.lock().unwrap(), 1030, "no busy loop");
}

#[tokio::test(start_paused = true)]
async fn a_refused_notice_is_parked_with_the_reason_stops_nobody_and_is_tried_when_asked() {
    let post = answers([(ADA, vec![Failure::Refused("550 no\r\nsuch user".to_owned())])]);
    let bench = Bench::start(post, &[ADA, GRACE]);
    bench.deliver(1, "a", false);
    bench.deliver(2, "b", false);
    bench.taken_is(3).await;
    bench.settled().await;
    let parked = bench.store.parked(10).unwrap();
    let [letter] = parked.as_slice() else { panic!("{parked:?}") };
    assert_eq!((letter.event_id.as_str(), letter.place.as_str()), ("a", ADA));
    assert_eq!(letter.reason, "550 no such user");
    assert_eq!(bench.counters.read().parked, 1);
    bench.deliver(3, "a", false);
    bench.after(Duration::from_secs(60)).await;
    assert_eq!(taken(&bench.post).len(), 3, "parked is not lost, and not tried by itself");
    assert_eq!(bench.store.retry_parked(Some(letter.number)).unwrap(), 1);
    // Whoever nudges does not wait for the next sweep.
    bench.nudged.notify_one();
    bench.settled().await;
    assert_eq!(taken(&bench.post).len(), 4);
    assert!(bench.store.parked(10).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_rejected_and_what_nobody_wants_is_acknowledged() {
    let mut bench = Bench::start(Post::default(), &[ADA]);
    let reason = "body is not JSON".to_owned();
    let not_one = Undecodable { topic: "x".to_owned(), body: b"{".to_vec(), reason, refused: None };
    bench.receive(1, Err(not_one), false);
    assert_eq!(bench.verdict().await, (1, Verdict::Reject));
    let (mut event, _) = sample();
    event.topic = "org.example.koji.build".parse().unwrap();
    bench.receive(2, Ok(event), false);
    assert_eq!(bench.verdict().await, (2, Verdict::Ack));
    assert_eq!(bench.counters.read().undecodable, 1);
    assert!(taken(&bench.post).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_gives_again_is_told_once_and_another_event_of_the_same_id_is_another() {
    let mut bench = Bench::start(Post::default(), &[ADA]);
    bench.deliver(1, "a", true);
    bench.deliver(2, "a", false);
    assert_eq!(bench.verdict().await, (2, Verdict::Ack));
    bench.settled().await;
    bench.deliver(3, "a", false);
    assert_eq!(bench.verdict().await, (3, Verdict::Ack));
    bench.settled().await;
    assert_eq!(taken(&bench.post).len(), 1);
    let (mut other, _) = sample();
    other.id = "a".to_owned();
    other.object = Some("another".to_owned());
    bench.receive(4, Ok(other), false);
    bench.taken_is(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_notifier_killed_in_sending_is_followed_by_one_that_tells_the_rest() {
    let post = Post { hangs: Mutex::new(Some(ADA.to_owned())), ..Post::default() };
    let mut bench = Bench::start(post, &[ADA, GRACE]);
    bench.deliver(1, "a", false);
    assert_eq!(bench.verdict().await, (1, Verdict::Ack));
    bench.settled().await;
    let (store, audience) = (Arc::clone(&bench.store), Arc::clone(&bench.audience));
    bench.task.abort();
    let next = Bench::on(store, Arc::default(), audience);
    next.taken_is(1).await;
    next.settled().await;
    assert_eq!(taken(&next.post), pairs(&[("a", ADA)]), "Grace had hers");
}

#[tokio::test(start_paused = true)]
async fn two_notifiers_on_one_store_share_the_work() {
    let first = Bench::start(Post::default(), &[ADA, GRACE]);
    let (store, audience) = (Arc::clone(&first.store), Arc::clone(&first.audience));
    let second = Bench::on(store, Arc::clone(&first.post), audience);
    for number in 0..100 {
        let bench = if number % 2 == 0 { &first } else { &second };
        bench.deliver(number, &number.to_string(), false);
    }
    first.taken_is(200).await;
    first.after(Duration::from_secs(60)).await;
    assert_eq!(taken(&first.post).len(), 200, "each once");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_hangs_stops_nobody_else_and_not_the_shutdown() {
    let post = Post { hangs: Mutex::new(Some(ADA.to_owned())), ..Post::default() };
    let bench = Bench::start(post, &[ADA, GRACE]);
    for (number, id) in ["a", "b", "c"].into_iter().enumerate() {
        bench.deliver(number as u32, id, false);
    }
    bench.settled().await;
    assert_eq!(taken(&bench.post), pairs(&[("a", GRACE), ("b", GRACE), ("c", GRACE)]));
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_put_off_for_ever_does_not_stop_the_others_and_is_parked_in_the_end() {
    let full = || Failure::Deferred("452 mailbox full".to_owned());
    let post = answers([(ADA, vec![full(); 1_000_000])]);
    let bench = Bench::start(post, &[ADA, GRACE]);
    for number in 0..500 {
        bench.deliver(number, &number.to_string(), false);
    }
    bench.taken_is(500).await;
    assert!(bench.store.parked(1).unwrap().is_empty());
    bench.after(PUT_OFF_MAX + Duration::from_secs(3600)).await;
    let parked = bench.store.parked(1000).unwrap();
    assert_eq!(parked[0].event_id, "0");
    assert!(parked[0].reason.contains("put off for 2 hours: 452"), "{parked:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_are_let_go_when_there_is_nothing_to_send() {
    let bench = Bench::start(Post::default(), &[ADA]);
    bench.deliver(1, "a", false);
    bench.taken_is(1).await;
    assert_eq!(*bench.post.rests.lock().unwrap(), 0);
    bench.after(IDLE_MAX + Duration::from_secs(1)).await;
    assert_eq!(*bench.post.rests.lock().unwrap(), 1);
    bench.after(10 * IDLE_MAX).await;
    assert_eq!(*bench.post.rests.lock().unwrap(), 1, "once is enough");
    bench.deliver(2, "b", false);
    bench.taken_is(2).await;
}

/// Ada's rule with this `when`; mail to her and a webhook that falls back to nobody.
fn ruled(when: &str) -> Arc<Audience> {
    let audience = Audience::default();
    let owner: crate::rule::Owner = "ada".parse().unwrap();
    let of = |id| crate::store::Destination::new(id).unwrap();
    let all = vec![of("mail:ada@example.org"), of("mail:grace@example.org")];
    audience.apply(Change::Destinations(owner, all));
    let json = format!(
        r##"{{"id": "r", "owner": {{"person": "ada"}}, "name": "n", "what": {{"topic": "#"}},
            "outlets": [{{"to": ["mail:ada@example.org"], "when": {when}}}]}}"##
    );
    audience.apply(Change::Rule(crate::rule::Rule::from_json(&json).unwrap()));
    Arc::new(audience)
}

fn ruled_bench(post: Post, when: &str) -> Bench {
    Bench::on(Arc::new(Store::in_memory().unwrap()), Arc::new(post), ruled(when))
}

#[tokio::test(start_paused = true)]
async fn a_digest_goes_by_count_or_by_time_as_one() {
    let when = r#"{"digest": {"count": 10, "every_minutes": 30}}"#;
    let bench = ruled_bench(Post::default(), when);
    for number in 0..10 {
        bench.deliver(number, &number.to_string(), false);
    }
    bench.taken_is(1).await;
    assert_eq!(*bench.post.sizes.lock().unwrap(), [10]);
    bench.deliver(10, "10", false);
    bench.deliver(11, "11", false);
    bench.after(Duration::from_secs(29 * 60)).await;
    assert_eq!(taken(&bench.post).len(), 1, "it waits");
    bench.after(Duration::from_secs(120)).await;
    assert_eq!(*bench.post.sizes.lock().unwrap(), [10, 2]);
    assert_eq!(bench.store.told("11").unwrap()[0].answer, "taken");
    assert_eq!(bench.store.told("11").unwrap()[0].owners, ["ada"]);
}

#[tokio::test(start_paused = true)]
async fn quiet_hours_hold_back_over_a_restart_and_a_snooze_is_heard_when_they_end() {
    let quiet = r#"{"quiet": [{"from": "11:00", "to": "14:00"}]}"#;
    let mut bench = ruled_bench(Post::default(), quiet);
    bench.deliver(1, "a", false);
    assert_eq!(bench.verdict().await, (1, Verdict::Ack));
    bench.after(Duration::from_secs(7000)).await;
    assert!(taken(&bench.post).is_empty());
    let (store, audience) = (Arc::clone(&bench.store), Arc::clone(&bench.audience));
    let post = bench.stop().await;
    // It begins at noon again.
    let bench = Bench::on(store, post, audience);
    bench.after(Duration::from_secs(7000)).await;
    assert!(taken(&bench.post).is_empty());
    bench.after(Duration::from_secs(300)).await;
    assert_eq!(taken(&bench.post), pairs(&[("a", ADA)]));

    let bench = ruled_bench(Post::default(), quiet);
    bench.deliver(1, "b", false);
    bench.settled().await;
    let paused = crate::store::Silence { paused: true, ..Default::default() };
    bench.audience.apply(Change::Silence("ada".parse().unwrap(), paused));
    bench.after(Duration::from_secs(8000)).await;
    assert!(taken(&bench.post).is_empty());
    let told = bench.store.told("b").unwrap();
    assert!(told[0].answer.contains("left alone"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_over_the_rate_is_summed_up_in_one() {
    let bench = ruled_bench(Post::default(), r#"{"rate": {"max": 3, "per_minutes": 60}}"#);
    for number in 0..10 {
        bench.deliver(number, &number.to_string(), false);
    }
    bench.after(Duration::from_secs(3500)).await;
    assert_eq!(*bench.post.sizes.lock().unwrap(), [1, 1, 1]);
    bench.after(Duration::from_secs(200)).await;
    assert_eq!(*bench.post.sizes.lock().unwrap(), [1, 1, 1, 7]);
    bench.deliver(10, "10", false);
    bench.taken_is(5).await;
}

#[tokio::test(start_paused = true)]
async fn a_fallback_takes_what_is_refused_and_what_is_put_off_too_long() {
    let when = r#"{"fallback": "mail:grace@example.org"}"#;
    let mut failures = vec![Failure::Refused("550 gone".to_owned())];
    failures.extend(vec![Failure::Deferred("450 busy".to_owned()); 1_000]);
    let bench = ruled_bench(answers([(ADA, failures)]), when);
    bench.deliver(1, "a", false);
    bench.taken_is(1).await;
    assert_eq!(taken(&bench.post), pairs(&[("a", GRACE)]));
    bench.deliver(2, "b", false);
    bench.after(FALLBACK_AFTER - Duration::from_secs(60)).await;
    assert_eq!(taken(&bench.post).len(), 1);
    bench.after(Duration::from_secs(600)).await;
    assert_eq!(taken(&bench.post), pairs(&[("a", GRACE), ("b", GRACE)]));
    assert!(bench.store.parked(9).unwrap().is_empty());
}
