//! Handlers: many at once, in order where it matters, again when they failed, once for an id.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use client::{Handled, Publisher, Subscribe, Subscriber, TraceContext};
use event::Event;
use tokio::sync::{Barrier, Notify, oneshot};

use crate::{a_bus, durable, event, next, number, raw, temporary, unique, url, within};

/// A subscription to a durable queue of its own, whose queue is there.
async fn subscribed(bus: &str, topic: &str) -> Subscribe {
    let subscriber = Subscriber::connect(&url(bus), "test", durable(topic, topic)).await.unwrap();
    subscriber.close().await;
    Subscribe::on(&url(bus), "test").and(topic).unwrap().queue(topic)
}

async fn publish(bus: &str, events: &[Event]) {
    let publisher = Publisher::connect(&url(bus), "test").await.unwrap();
    for outcome in publisher.publish_all(events).await {
        outcome.unwrap();
    }
}

async fn delete(bus: &str, queue: &str) {
    let (_connection, channel) = raw(bus).await;
    channel.queue_delete(queue.into(), Default::default()).await.unwrap();
}

/// Becomes ready when so many were counted.
#[derive(Clone, Default)]
struct Count(Arc<(AtomicU64, Notify)>);

impl Count {
    fn one(&self) {
        self.0.0.fetch_add(1, SeqCst);
        self.0.1.notify_one();
    }

    async fn reaches(&self, number: u64) {
        while self.0.0.load(SeqCst) < number {
            self.0.1.notified().await;
        }
    }
}

/// One test, so that one broker is started for all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_subscription_promises_of_its_handlers_holds() {
    let Some(bus) = a_bus() else { return };
    let bus = bus.as_str();
    tokio::join!(
        so_many_handlers_run_at_once_and_no_more(bus),
        events_of_one_key_are_handled_in_order_and_one_after_the_other(bus),
        what_fails_is_tried_again_and_then_kept_with_the_reason_and_a_panic_is_a_failure(bus),
        an_id_that_was_handled_is_not_handled_again_on_request(bus),
        a_trace_goes_from_publisher_to_handler_and_on_to_what_it_publishes(bus),
        a_stop_lets_running_handlers_end_and_leaves_the_rest_to_others(bus),
        a_subscription_is_a_stream_as_well(bus),
    );
}

async fn so_many_handlers_run_at_once_and_no_more(bus: &str) {
    let topic = unique();
    let subscribe = subscribed(bus, &topic).await.parallel(4);
    publish(bus, &(0..12).map(|n| event(&topic, n)).collect::<Vec<_>>()).await;
    // Each waits for three others: with fewer at once none would end.
    let (barrier, running, count) =
        (Arc::new(Barrier::new(4)), Arc::new(AtomicUsize::new(0)), Count::default());
    let done = count.clone();
    let handled = within(
        "12 events",
        subscribe.run_until(count.reaches(12), move |_| {
            let (barrier, running, done) = (barrier.clone(), running.clone(), done.clone());
            async move {
                assert!(running.fetch_add(1, SeqCst) < 4);
                barrier.wait().await;
                running.fetch_sub(1, SeqCst);
                done.one();
                Ok::<(), String>(())
            }
        }),
    )
    .await;
    assert_eq!(handled, Handled { done: 12, ..Handled::default() });
    delete(bus, &topic).await;
}

async fn events_of_one_key_are_handled_in_order_and_one_after_the_other(bus: &str) {
    let topic = unique();
    let key = |event: &Event| (number(event) % 3).to_string();
    let subscribe = subscribed(bus, &topic).await.parallel(6).in_order_of(key);
    publish(bus, &(0..60).map(|n| event(&topic, n)).collect::<Vec<_>>()).await;
    let seen: Arc<Mutex<HashMap<u64, Vec<u64>>>> = Arc::default();
    let (count, all) = (Count::default(), seen.clone());
    let done = count.clone();
    let handled = within(
        "60 events",
        subscribe.run_until(count.reaches(60), move |event| {
            let (seen, done) = (seen.clone(), done.clone());
            async move {
                let number = number(&event);
                tokio::task::yield_now().await;
                seen.lock().unwrap().entry(number % 3).or_default().push(number);
                done.one();
                Ok::<(), String>(())
            }
        }),
    )
    .await;
    assert_eq!(handled.done, 60);
    for numbers in all.lock().unwrap().values() {
        assert!(numbers.is_sorted() && numbers.len() == 20, "{numbers:?}");
    }
    delete(bus, &topic).await;
}

async fn what_fails_is_tried_again_and_then_kept_with_the_reason_and_a_panic_is_a_failure(
    bus: &str,
) {
    let topic = unique();
    let subscribe = subscribed(bus, &topic).await.retry(2, Duration::from_millis(1));
    publish(bus, &[event(&topic, 0), event(&topic, 1), event(&topic, 2)]).await;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let (count, tried) = (Count::default(), tries.clone());
    let done = count.clone();
    let handled = within(
        "3 events",
        subscribe.run_until(count.reaches(1), move |event| {
            let (tries, done) = (tries.clone(), done.clone());
            async move {
                let number = number(&event);
                tries.lock().unwrap().push(number);
                match number {
                    0 => Err("no door there"),
                    1 => panic!("a handler's defect"),
                    _ => {
                        done.one();
                        Ok(())
                    }
                }
            }
        }),
    )
    .await;
    assert_eq!(handled, Handled { done: 1, failed: 2, duplicates: 0 });
    assert_eq!(*tried.lock().unwrap(), [0, 0, 0, 1, 1, 1, 2]);
    let dead = format!("{topic}.dead");
    let mut letters =
        Subscriber::connect(&url(bus), "test", durable(&dead, &unique())).await.unwrap();
    for (n, reason) in [(0, "no door there"), (1, "its handler panicked")] {
        let letter = next(&mut letters).await;
        let event = letter.event.as_ref().unwrap();
        assert_eq!((number(event), event.topic.as_str()), (n, topic.as_str()));
        assert_eq!(event.headers["x-tubepost-reason"], reason);
        assert_eq!(event.headers["x-tubepost-attempts"], 3);
        letter.ack().await.unwrap();
    }
    letters.close().await;
    delete(bus, &topic).await;
    delete(bus, &dead).await;
}

async fn an_id_that_was_handled_is_not_handled_again_on_request(bus: &str) {
    let topic = unique();
    let (first, second) = (event(&topic, 1), event(&topic, 2));
    let subscribe = subscribed(bus, &topic).await.deduplicate(100).parallel(3);
    publish(bus, &[first.clone(), first.clone(), first, second]).await;
    let count = Count::default();
    let done = count.clone();
    let handled = within(
        "2 events",
        subscribe.run_until(count.reaches(2), move |_| {
            let done = done.clone();
            async move {
                done.one();
                Ok::<(), String>(())
            }
        }),
    )
    .await;
    assert_eq!((handled.done, handled.failed), (2, 0));
    delete(bus, &topic).await;
}

async fn a_trace_goes_from_publisher_to_handler_and_on_to_what_it_publishes(bus: &str) {
    let topic = unique();
    let subscribe = subscribed(bus, &topic).await;
    let context = TraceContext::begin().with_state("vendor=1");
    let mut sent = event(&topic, 1);
    context.put_into(&mut sent);
    publish(bus, &[sent]).await;
    let (found, finding) = oneshot::channel();
    let found = Arc::new(Mutex::new(Some(found)));
    let mut finding = std::pin::pin!(finding);
    let mut current = None;
    let stop = async { current = (&mut finding).await.ok() };
    within(
        "the event",
        subscribe.run_until(stop, move |_| {
            let found = found.clone();
            async move {
                if let Some(found) = found.lock().unwrap().take() {
                    found.send(TraceContext::current()).unwrap();
                }
                Ok::<(), String>(())
            }
        }),
    )
    .await;
    assert_eq!(current, Some(Some(context)));
    delete(bus, &topic).await;
}

async fn a_stop_lets_running_handlers_end_and_leaves_the_rest_to_others(bus: &str) {
    let topic = unique();
    let subscribe = subscribed(bus, &topic).await.parallel(2);
    publish(bus, &(0..5).map(|n| event(&topic, n)).collect::<Vec<_>>()).await;
    let (begun, go) = (Count::default(), Arc::new(Notify::new()));
    let (began, went) = (begun.clone(), go.clone());
    let stop = async {
        begun.reaches(2).await;
        // They end only after the stop.
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            go.notify_waiters();
            go.notify_one();
            go.notify_one();
        });
    };
    let handled = within(
        "2 events",
        subscribe.run_until(stop, move |_| {
            let (began, went) = (began.clone(), went.clone());
            async move {
                let mut wait = std::pin::pin!(went.notified());
                wait.as_mut().enable();
                began.one();
                wait.await;
                Ok::<(), String>(())
            }
        }),
    )
    .await;
    assert_eq!(handled.done, 2);
    let mut others = Subscriber::connect(&url(bus), "test", durable(&topic, &topic)).await.unwrap();
    for expected in 2..5 {
        let delivery = next(&mut others).await;
        assert_eq!(number(delivery.event.as_ref().unwrap()), expected);
        delivery.ack().await.unwrap();
    }
    others.close().await;
    delete(bus, &topic).await;
}

async fn a_subscription_is_a_stream_as_well(bus: &str) {
    use futures_util::StreamExt;
    let topic = unique();
    let subscriber = Subscriber::connect(&url(bus), "test", temporary(&topic)).await.unwrap();
    publish(bus, &[event(&topic, 0), event(&topic, 1)]).await;
    let stream = subscriber.into_stream().take(2).then(|delivery| async {
        let number = number(delivery.event.as_ref().unwrap());
        delivery.ack().await.unwrap();
        number
    });
    assert_eq!(within("2 events", stream.collect::<Vec<_>>()).await, [0, 1]);
}
