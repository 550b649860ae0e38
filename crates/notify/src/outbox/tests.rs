//! Order, outages and back-off, stepped by hand.

use event::{Description, Event};
use jiff::Timestamp;

use super::*;
use crate::{Reason, notice::sample};

struct Stepped {
    outbox: Outbox,
    now: Instant,
    shared: (Arc<Event>, Arc<Description>),
}

impl Stepped {
    fn new() -> Stepped {
        let (event, description) = sample();
        let shared = (event.into(), description.into());
        Stepped { outbox: Outbox::default(), now: Instant::now(), shared }
    }

    fn push(&mut self, flight: u64, address: &str) {
        let (event, description) = self.shared.clone();
        let reasons =
            vec![Reason { subscription: "s".to_owned(), pattern: "#".to_owned(), rule: None }];
        let to = format!("mail:{address}").parse().unwrap();
        let more = Vec::new();
        let received_at = Timestamp::UNIX_EPOCH;
        let notice = Notice { event, description, more, to, reasons, received_at };
        self.outbox.push(Flight(flight), notice);
    }

    fn next(&mut self) -> Option<u64> {
        self.outbox.next(self.now).map(|job| job.flight.0)
    }

    fn settle(&mut self, address: &str, outcome: Outcome) -> Settled {
        self.outbox.settle(&format!("mail:{address}"), outcome, self.now)
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn away() -> Outcome {
    Outcome::Failed(Failure::Away("no route".to_owned()))
}

fn deferred() -> Outcome {
    Outcome::Failed(Failure::Deferred("greylisted".to_owned()))
}

fn done(flight: u64) -> Settled {
    Settled { done: Some(Flight(flight)), news: Vec::new() }
}

fn buried(flight: u64, reason: &str) -> Settled {
    Settled { done: Some(Flight(flight)), news: vec![News::Buried(reason.to_owned())] }
}

const ADA: &str = "ada@example.org";
const GRACE: &str = "grace@example.org";

#[test]
fn one_address_is_served_in_order_and_two_at_once() {
    let mut s = Stepped::new();
    s.push(1, ADA);
    s.push(2, ADA);
    s.push(3, GRACE);
    assert_eq!((s.next(), s.next(), s.next()), (Some(1), Some(3), None), "2 waits for 1");
    assert_eq!(s.settle(ADA, Outcome::Delivered), done(1));
    assert_eq!((s.next(), s.next()), (Some(2), None));
    assert_eq!(s.settle(GRACE, Outcome::Delivered), done(3));
    assert_eq!(s.settle(ADA, Outcome::Delivered), done(2));
    assert_eq!((s.outbox.len(), s.outbox.wake_at()), (0, None));
}

#[test]
fn an_address_that_is_put_off_keeps_its_order_and_nobody_elses_time() {
    let mut s = Stepped::new();
    s.push(1, ADA);
    s.push(2, ADA);
    assert_eq!(s.next(), Some(1));
    let news = s.settle(ADA, deferred()).news;
    assert_eq!(news, [News::Deferred("greylisted".to_owned())]);
    s.push(3, GRACE);
    assert_eq!((s.next(), s.next()), (Some(3), None));
    assert_eq!(s.settle(GRACE, Outcome::Delivered), done(3));

    let wake = s.outbox.wake_at().unwrap();
    assert!(wake > s.now && wake <= s.now + Duration::from_secs(1));
    s.now = wake;
    assert_eq!((s.next(), s.next()), (Some(1), None));
    assert_eq!(s.settle(ADA, deferred()).news, [], "said once");
    s.later(2);
    assert_eq!(s.next(), Some(1));
    s.settle(ADA, Outcome::Delivered);
    assert_eq!(s.next(), Some(2), "at once: the pause was the first one's");
    assert_eq!(s.settle(ADA, deferred()).news.len(), 1, "a new story");
}

#[test]
fn while_the_server_is_away_one_asks_and_nobody_loses_a_place() {
    let mut s = Stepped::new();
    for (flight, address) in [(1, ADA), (2, GRACE), (3, "c@example.org"), (4, ADA)] {
        s.push(flight, address);
    }
    assert_eq!((s.next(), s.next()), (Some(1), Some(2)));
    assert_eq!(s.settle(ADA, away()).news, [News::Away("no route".to_owned())]);
    assert_eq!(s.settle(GRACE, away()), Settled::default(), "said once");
    assert_eq!(s.next(), None);

    let mut pauses = Vec::new();
    for _ in 0..12 {
        let wake = s.outbox.wake_at().unwrap();
        pauses.push(wake - s.now);
        s.now = wake;
        let probe = s.outbox.next(s.now).unwrap();
        assert_eq!((s.next(), s.outbox.wake_at()), (None, None), "one probe at a time");
        assert_eq!(s.settle(probe.notice.to.address(), away()), Settled::default());
    }
    let max = *pauses.iter().max().unwrap();
    assert!(max > Duration::from_secs(30) && max <= Duration::from_secs(60), "{pauses:?}");

    s.later(60);
    let probe = s.outbox.next(s.now).unwrap();
    let address = probe.notice.to.address().to_owned();
    let news = s.settle(&address, Outcome::Delivered).news;
    assert!(
        matches!(news[..], [News::Back(after)] if after > Duration::from_secs(100)),
        "{news:?}"
    );

    let mut order = vec![probe.flight.0];
    while let Some(job) = s.outbox.next(s.now) {
        order.push(job.flight.0);
        let settled = s.settle(job.notice.to.address(), Outcome::Delivered);
        assert_eq!(settled, done(job.flight.0));
    }
    let place = |flight| order.iter().position(|&f| f == flight).unwrap();
    assert!(order.len() == 4 && place(1) < place(4), "{order:?}");
}

#[test]
fn an_answer_under_way_when_the_outage_began_does_not_make_it_longer() {
    let mut s = Stepped::new();
    for n in 0..8 {
        s.push(n, &format!("a{n}@example.org"));
    }
    while s.next().is_some() {}
    for n in 0..8 {
        s.settle(&format!("a{n}@example.org"), away());
    }
    assert!(s.outbox.wake_at().unwrap() <= s.now + Duration::from_millis(500));
}

#[test]
fn a_refusal_is_set_aside_and_the_next_goes_on() {
    let mut s = Stepped::new();
    s.push(1, ADA);
    s.push(2, ADA);
    assert_eq!(s.next(), Some(1));
    let refused = Outcome::Failed(Failure::Refused("550 nobody".to_owned()));
    assert_eq!(s.settle(ADA, refused), Settled::default());
    let job = s.outbox.next(s.now).unwrap();
    assert_eq!((job.flight, job.task), (Flight(1), Task::Bury("550 nobody".to_owned())));
    let news = s.settle(ADA, Outcome::NotBuried("bus away".to_owned())).news;
    assert_eq!(news, [News::NotBuried("bus away".to_owned())]);
    assert_eq!(s.next(), None, "not lost: it waits for the bus");
    s.later(1);
    assert_eq!(s.outbox.next(s.now).unwrap().task, Task::Bury("550 nobody".to_owned()));
    assert_eq!(s.settle(ADA, Outcome::Buried), buried(1, "550 nobody"));
    assert_eq!(s.next(), Some(2));
}

#[test]
fn a_refusal_is_set_aside_also_while_the_server_is_away() {
    let mut s = Stepped::new();
    s.push(1, ADA);
    s.push(2, GRACE);
    assert_eq!((s.next(), s.next()), (Some(1), Some(2)));
    s.settle(ADA, Outcome::Failed(Failure::Refused("550 nobody".to_owned())));
    s.settle(GRACE, away());
    let job = s.outbox.next(s.now).unwrap();
    assert!(job.flight == Flight(1) && job.task != Task::Deliver);
    assert_eq!(s.next(), None);
}

#[test]
fn an_address_put_off_for_long_gives_way_one_notice_at_a_time_and_others_never() {
    let mut s = Stepped::new();
    s.push(1, ADA);
    s.push(2, ADA);
    s.push(3, GRACE);
    assert_eq!((s.next(), s.next()), (Some(1), Some(3)));
    s.settle(ADA, deferred());
    s.later(600);
    s.settle(GRACE, deferred());
    s.outbox.give_way(s.now);
    assert_eq!(s.next(), Some(1));
    s.settle(ADA, deferred());
    s.later(300);
    s.outbox.give_way(s.now);
    let job = s.outbox.next(s.now).unwrap();
    let Task::Bury(reason) = &job.task else { panic!("{job:?}") };
    assert_eq!(job.flight, Flight(1));
    assert_eq!(reason, "put off for 15 minutes, and others would wait: greylisted");
    s.settle(ADA, Outcome::NotBuried("bus away".to_owned()));
    s.outbox.give_way(s.now);
    assert_eq!(s.outbox.ready.iter().filter(|a| *a == ADA).count(), 0, "it waits for the bus");
    s.later(1);
    let again: Vec<Job> = std::iter::from_fn(|| s.outbox.next(s.now)).collect();
    assert!(again.iter().any(|job| job.flight == Flight(1) && job.task != Task::Deliver));
    let reason = "put off for 15 minutes, and others would wait: greylisted";
    assert_eq!(s.settle(ADA, Outcome::Buried), buried(1, reason));

    let mut tried: Vec<Job> = std::iter::from_fn(|| s.outbox.next(s.now)).collect();
    tried.retain(|job| job.notice.to.shown() == ADA);
    assert!(
        matches!(&tried[..], [Job { flight: Flight(2), task: Task::Deliver, .. }]),
        "{tried:?}"
    );
    s.settle(ADA, deferred());
    s.outbox.give_way(s.now);
    assert!(matches!(s.outbox.next(s.now).unwrap().task, Task::Bury(_)), "still the same story");
    s.settle(ADA, Outcome::Buried);
    s.push(4, ADA);
    assert_eq!(s.next(), Some(4));
    s.settle(ADA, deferred());
    s.outbox.give_way(s.now);
    assert_eq!(s.next(), None, "an address with nothing waiting begins anew");
}

#[test]
fn an_address_that_took_a_mail_is_no_longer_put_off() {
    let mut s = Stepped::new();
    for flight in 1..4 {
        s.push(flight, ADA);
    }
    assert_eq!(s.next(), Some(1));
    s.settle(ADA, deferred());
    s.later(GIVE_WAY_AFTER.as_secs());
    assert_eq!(s.next(), Some(1));
    assert_eq!(s.settle(ADA, Outcome::Delivered), done(1));
    assert_eq!(s.next(), Some(2));
    s.settle(ADA, deferred());
    s.outbox.give_way(s.now);
    assert_eq!(s.next(), None);
}

#[test]
fn any_answer_to_the_probe_ends_the_outage_and_says_so() {
    for answer in [Failure::Refused("550".to_owned()), Failure::Deferred("450".to_owned())] {
        let mut s = Stepped::new();
        s.push(1, ADA);
        s.push(2, GRACE);
        assert_eq!(s.next(), Some(1));
        s.settle(ADA, away());
        s.later(1);
        assert_eq!((s.next(), s.next()), (Some(1), None));
        let news = s.settle(ADA, Outcome::Failed(answer)).news;
        assert!(news.contains(&News::Back(Duration::from_secs(1))), "{news:?}");
        assert!(std::iter::from_fn(|| s.next()).any(|flight| flight == 2));
    }
}

proptest::proptest! {
    /// Whatever fails in whatever order: every notice is done exactly once, in its address's order.
    #[test]
    fn nothing_is_lost_doubled_or_overtaken(
        addresses in proptest::collection::vec(0..4u8, 1..40),
        fates in proptest::collection::vec((0..6u8, 0..3usize), 0..200),
    ) {
        let mut s = Stepped::new();
        let mut expected: HashMap<String, Vec<u64>> = HashMap::new();
        for (flight, n) in addresses.iter().enumerate() {
            let address = format!("a{n}@example.org");
            s.push(flight as u64, &address);
            expected.entry(address).or_default().push(flight as u64);
        }
        let mut seen: HashMap<String, Vec<u64>> = HashMap::new();
        let mut out: Vec<Job> = Vec::new();
        let mut fates = fates.into_iter();
        while s.outbox.len() > 0 {
            let (fate, width) = fates.next().unwrap_or((5, 0));
            while out.len() <= width {
                match s.outbox.next(s.now) {
                    Some(job) => out.push(job),
                    None => break,
                }
            }
            let Some(job) = out.pop() else {
                let wake = s.outbox.wake_at();
                proptest::prop_assert!(wake.is_some(), "stuck");
                s.now = wake.unwrap().max(s.now);
                continue;
            };
            let outcome = match (&job.task, fate) {
                (Task::Bury(_), 0) => Outcome::NotBuried(String::new()),
                (Task::Bury(_), _) => Outcome::Buried,
                (_, 0 | 1) => away(),
                (_, 2) => deferred(),
                (_, 3) => Outcome::Failed(Failure::Refused(String::new())),
                _ => Outcome::Delivered,
            };
            let address = job.notice.to.address().to_owned();
            if let Some(flight) = s.settle(&address, outcome).done {
                seen.entry(address).or_default().push(flight.0);
            }
            s.outbox.give_way(s.now);
        }
        proptest::prop_assert!(out.is_empty());
        proptest::prop_assert_eq!(seen, expected);
    }
}
