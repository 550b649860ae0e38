//! Does routing stay as fast as bindings grow? Prints nanoseconds for each message, and the ratio
//! to a hundred bindings. `cargo bench -p tubepost-broker`.
//!
//! Twice as long is the most that a message may take with 100,000 bindings on its topic exchange,
//! from its routing key into its queue: beyond it exits 1. The bare look-ups are shown beside it:
//! they are the price of memory that no cache holds, and vary with what else the machine does.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and may panic")]

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use broker::{
    Arguments, BindingEnd, Broker, ConnectionId, Label, Message, Options, Publish, Publisher,
    QueueDeclaration, VirtualHost,
};
use bytestring::ByteString;

const SMALL: usize = 100;
const LARGE: usize = 100_000;

/// Messages in one round: short enough that some rounds are not interrupted. The best counts, as
/// what else the machine does can only add.
const MESSAGES: usize = 5_000;
/// Every round has other keys; as many rounds again and again.
const ROUNDS: usize = 20;
const PASSES: usize = 5;

fn main() -> ExitCode {
    let mut worst: f64 = 0.0;
    println!("{:<48}{SMALL:>10}{LARGE:>10}{:>8}", "ns a message", "ratio");
    for (what, scene, counts) in [
        ("look-up, each binding as likely as any", even as fn(usize) -> Scene, false),
        ("look-up, as likely as Zipf has it", skewed, false),
        ("look-up and queue, each as likely as any", published_even, true),
        ("look-up and queue, as likely as Zipf has it", published, true),
    ] {
        let (small, large) = (scene(SMALL), scene(LARGE));
        let mut best = [Duration::MAX; 2];
        // In turn, so that both meet the same machine.
        for round in 0..ROUNDS * PASSES {
            best[0] = best[0].min(small.round(round % ROUNDS));
            best[1] = best[1].min(large.round(round % ROUNDS));
        }
        let [small, large] = best.map(|it| it.as_nanos() as f64 / MESSAGES as f64);
        let ratio = large / small;
        if counts {
            worst = worst.max(ratio);
        }
        println!("{what:<48}{small:>10.0}{large:>10.0}{ratio:>8.2}");
    }
    println!("\n{:<48}{:>10}{LARGE:>10}{:>8}", "ns a binding", LARGE / 10, "ratio");
    for (what, build) in [("bind", bind as fn(usize) -> Duration), ("unbind", unbind)] {
        let each = |count: usize| {
            let best = (0..3).map(|_| build(count)).min().unwrap();
            best.as_nanos() as f64 / count as f64
        };
        let (small, large) = (each(LARGE / 10), each(LARGE));
        println!("{what:<48}{small:>10.0}{large:>10.0}{:>8.2}", large / small);
    }
    match worst <= 2.0 {
        true => ExitCode::SUCCESS,
        false => {
            println!("\na message takes {worst:.2} times as long with {LARGE} bindings: over 2");
            ExitCode::FAILURE
        }
    }
}

struct Scene {
    vhost: Arc<VirtualHost>,
    _broker: Broker,
    keys: Vec<ByteString>,
    publishes: bool,
}

impl Scene {
    /// Every message has a key that the publisher has not seen before in this round: what is
    /// measured is the exchange, not the publisher's memory of routes.
    fn round(&self, round: usize) -> Duration {
        let exchange: ByteString = "amq.topic".into();
        let mut publisher = Publisher::new(self.vhost.clone());
        let mut batch = Vec::new();
        let mut done = Vec::new();
        let mut found = 0;
        let begin = Instant::now();
        for key in &self.keys[round * MESSAGES..][..MESSAGES] {
            let routes = publisher.route(&exchange, key, &()).unwrap();
            found += routes.len();
            if self.publishes {
                let message = Message::new(
                    Label {
                        exchange: exchange.clone(),
                        routing_key: key.clone(),
                        ..Label::default()
                    },
                    Default::default(),
                );
                batch.push(Publish { message, routes });
                if batch.len() == 64 {
                    publisher.publish(&mut batch, &mut done).unwrap();
                    done.clear();
                }
            }
        }
        let took = begin.elapsed();
        assert_eq!(found, MESSAGES, "one queue each");
        for queue in self.vhost.queues() {
            queue.purge().unwrap();
        }
        took
    }
}

fn vhost() -> (Broker, Arc<VirtualHost>, ConnectionId) {
    let broker = Broker::in_memory(&Options::default());
    let (vhost, me) = (broker.vhost("/").unwrap(), broker.new_connection());
    (broker, vhost, me)
}

fn declare(vhost: &VirtualHost, me: ConnectionId, name: &str) {
    let declaration = QueueDeclaration {
        name: name.into(),
        durable: false,
        exclusive: false,
        auto_delete: false,
        arguments: Arguments::default(),
    };
    vhost.declare_queue(declaration, me, false).unwrap();
}

/// `count` bindings to ten queues, and as many different keys in every scene, each of which fits
/// one binding.
fn scene(
    count: usize,
    publishes: bool,
    pattern: impl Fn(usize) -> String,
    key: impl Fn(usize) -> String,
) -> Scene {
    let (broker, vhost, me) = vhost();
    (0..10).for_each(|it| declare(&vhost, me, &format!("q{it}")));
    for number in 0..count {
        bind_one(&vhost, me, &format!("q{}", number % 10), &pattern(number));
    }
    let keys = (0..ROUNDS * MESSAGES).map(|it| key(it).into()).collect();
    Scene { vhost, _broker: broker, keys, publishes }
}

fn bind_one(vhost: &VirtualHost, me: ConnectionId, queue: &str, key: &str) {
    let to = BindingEnd::Queue(queue);
    vhost.bind(&"amq.topic".into(), to, key.into(), Arguments::default(), me).unwrap();
}

fn site(number: usize) -> String {
    let (site, kind) = (number % 10, number / 10 % 10);
    format!("org.site{site}.kind{kind}.package{number}")
}

/// A pattern with both wildcards for each package. Ten queues share them, as ten services would.
fn packages(count: usize, publishes: bool, which: impl Fn(usize) -> usize) -> Scene {
    let pattern = |number| format!("{}.*.stable.#", site(number));
    let key = |it| format!("{}.u{it}.stable", site(which(it)));
    scene(count, publishes, pattern, key)
}

/// The worst there is: nothing is ever in a cache.
fn even(count: usize) -> Scene {
    packages(count, false, |it| it * 7919 % count)
}

/// The n-th package is n times as rare as the first.
fn zipf(count: usize) -> impl Fn(usize) -> usize {
    let total: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
    let mut sums = Vec::with_capacity(count);
    (1..=count).fold(0.0, |sum, rank| {
        let sum = sum + 1.0 / rank as f64 / total;
        sums.push(sum);
        sum
    });
    move |it| {
        // A low-discrepancy sequence: the same in every run.
        let uniform = (it as f64 * 0.618_033_988_749_894_9).fract();
        let rank = sums.partition_point(|sum| *sum < uniform).min(count - 1);
        // The most frequent are no neighbours.
        rank * 7919 % count
    }
}

fn published_even(count: usize) -> Scene {
    packages(count, true, |it| it * 7919 % count)
}

fn skewed(count: usize) -> Scene {
    packages(count, false, zipf(count))
}

fn published(count: usize) -> Scene {
    packages(count, true, zipf(count))
}

fn bind(count: usize) -> Duration {
    let (_broker, vhost, me) = vhost();
    declare(&vhost, me, "q");
    let keys: Vec<String> = (0..count).map(site).collect();
    let begin = Instant::now();
    keys.iter().for_each(|key| bind_one(&vhost, me, "q", key));
    begin.elapsed()
}

fn unbind(count: usize) -> Duration {
    let (_broker, vhost, me) = vhost();
    declare(&vhost, me, "q");
    let keys: Vec<String> = (0..count).map(site).collect();
    keys.iter().for_each(|key| bind_one(&vhost, me, "q", key));
    let (exchange, to) = ("amq.topic".into(), BindingEnd::Queue("q"));
    let begin = Instant::now();
    for key in keys {
        vhost.unbind(&exchange, to, key.into(), Arguments::default(), me).unwrap();
    }
    begin.elapsed()
}
