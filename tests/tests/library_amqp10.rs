//! The library by AMQP 1.0: what it promises by 0-9-1 it keeps by the other protocol, with the
//! addresses of each family of brokers. The broker is ours, which understands them all.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt as _;
use harness::{Process, Site, wait_for};
use serde_json::json;
use tokio::time::timeout;
use tubepost::{
    BusUrl, Clothing, Delivery, Error, Event, Published, Publisher, Queue, Subscriber, Subscription,
};

/// What the broker is taken for, and whether it may bind durable queues.
const DIALECTS: [(&str, bool); 4] =
    [("rabbitmq", true), ("rabbitmq3", false), ("qpid", true), ("topics", true)];

fn bus(site: &Site, dialect: &str) -> Result<BusUrl> {
    let url = site.amqp_url().replacen("amqp://", "amqp10://", 1);
    Ok(format!("{url}?addresses={dialect}").parse()?)
}

/// The broker alone: the pages would want every event.
fn broker(site: &Site) -> Result<Process> {
    let mut words = site.serve_arguments();
    words.extend(["--parts".to_owned(), "broker".to_owned()]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut broker = site.start(&words)?;
    broker.wait_for_line("its greeting", 30, |line| line == "Tubepost listens.")?;
    Ok(broker)
}

fn event(topic: &str, n: usize) -> Result<Event> {
    Ok(Event::new(topic.parse()?, json!({"n": n}))?)
}

fn number(delivery: &Delivery) -> Result<u64> {
    let event = delivery.event.as_ref().map_err(Clone::clone)?;
    event.body.object().get("n").and_then(|n| n.as_u64()).context("it has no number")
}

fn subscription(queue: Queue, patterns: &[&str]) -> Result<Subscription> {
    let patterns = patterns.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
    Ok(Subscription { queue, patterns, prefetch: 20 })
}

async fn next(subscriber: &mut Subscriber) -> Result<Delivery> {
    timeout(Duration::from_secs(60), subscriber.next()).await.context("nothing came for 60 s")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_by_the_older_protocol_holds_by_this_one() -> Result<()> {
    let site = Site::new()?;
    let _server = broker(&site)?;
    for (dialect, has_durable) in DIALECTS {
        let bus = bus(&site, dialect)?;
        let told = |what: &'static str| format!("{dialect}: {what}");
        by_several_patterns_once(&bus, dialect).await.with_context(|| told("several patterns"))?;
        verdicts(&bus, dialect).await.with_context(|| told("verdicts"))?;
        prefetch(&bus, dialect).await.with_context(|| told("prefetch"))?;
        if has_durable {
            kept(&bus, dialect).await.with_context(|| told("a durable queue"))?;
            by_queue(&bus, dialect).await.with_context(|| told("to a queue"))?;
        } else {
            let asked = subscription(Queue::Durable("kept".to_owned()), &["a"])?;
            let error = Subscriber::connect(&bus, "test", asked).await.err();
            let error = error.context("a durable queue was bound")?.to_string();
            ensure!(error.contains("write amqp://"), "{error}");
        }
    }
    Ok(())
}

async fn by_several_patterns_once(bus: &BusUrl, dialect: &str) -> Result<()> {
    let topic = |last: &str| format!("org.example.{dialect}.{last}");
    let patterns = [topic("a"), topic("*"), "org.example.other.#".to_owned()];
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let mut subscriber =
        Subscriber::connect(bus, "test", subscription(Queue::Temporary, &patterns)?).await?;
    let publisher = Publisher::connect(bus, "test").await?;
    let mut sent = event(&topic("a"), 1)?;
    sent.headers.insert("count".to_owned(), json!(7));
    sent.headers.insert("x-list".to_owned(), json!([1, "two"]));
    sent.object = Some("door/north".to_owned());
    sent.priority = Some(3);
    ensure!(publisher.publish(&sent).await? == Published::Routed);
    publisher.publish(&event(&topic("b"), 2)?).await?;
    publisher.publish(&event("org.example.other.thing.far", 3)?).await?;
    let unwanted = publisher.publish(&event("org.example.nobody", 4)?).await?;
    ensure!(unwanted == Published::Unrouted, "{unwanted:?}");
    let large = Event::new(topic("a").parse()?, json!({"n": 5, "text": "x".repeat(1 << 20)}))?;
    publisher.publish(&large).await?;
    let mut seen = BTreeSet::new();
    while seen.len() < 4 {
        let delivery = next(&mut subscriber).await?;
        ensure!(!delivery.redelivered, "it came for the first time");
        let number = number(&delivery)?;
        ensure!(seen.insert(number), "{number} came twice");
        if number == 1 {
            let came = delivery.event.as_ref().ok().context("no event")?;
            ensure!(*came == sent, "{came:?} is not {sent:?}");
        }
        delivery.ack().await?;
    }
    publisher.close().await;
    subscriber.close().await;
    Ok(())
}

async fn verdicts(bus: &BusUrl, dialect: &str) -> Result<()> {
    let topic = format!("org.example.verdict.{dialect}");
    let mut subscriber =
        Subscriber::connect(bus, "test", subscription(Queue::Temporary, &[&topic])?).await?;
    let publisher = Publisher::connect(bus, "test").await?;
    publisher.publish(&event(&topic, 1)?).await?;
    next(&mut subscriber).await?.requeue().await?;
    let again = next(&mut subscriber).await?;
    ensure!(again.redelivered && number(&again)? == 1, "{again:?}");
    again.reject().await?;
    publisher.publish(&event(&topic, 2)?).await?;
    let second = next(&mut subscriber).await?;
    ensure!(number(&second)? == 2, "{second:?}");
    second.ack().await?;
    subscriber.close().await;
    Ok(())
}

async fn prefetch(bus: &BusUrl, dialect: &str) -> Result<()> {
    let topic = format!("org.example.few.{dialect}");
    let few = Subscription { prefetch: 2, ..subscription(Queue::Temporary, &[&topic])? };
    let mut subscriber = Subscriber::connect(bus, "test", few).await?;
    let publisher = Publisher::connect(bus, "test").await?;
    for outcome in
        publisher.publish_all(&(0..50).map(|n| event(&topic, n)).collect::<Result<Vec<_>>>()?).await
    {
        outcome?;
    }
    let first = next(&mut subscriber).await?;
    let second = next(&mut subscriber).await?;
    let early = timeout(Duration::from_millis(50), subscriber.next()).await;
    ensure!(early.is_err(), "a third came: {early:?}");
    first.ack().await?;
    second.ack().await?;
    for n in 2..50 {
        let delivery = next(&mut subscriber).await?;
        ensure!(number(&delivery)? == n, "{delivery:?} is not number {n}");
        delivery.ack().await?;
    }
    subscriber.close().await;
    Ok(())
}

async fn kept(bus: &BusUrl, dialect: &str) -> Result<()> {
    let topic = format!("org.example.kept.{dialect}");
    let durable = subscription(Queue::Durable(format!("kept-{dialect}")), &[&topic])?;
    Subscriber::connect(bus, "test", durable.clone()).await?.close().await;
    let publisher = Publisher::connect(bus, "test").await?;
    ensure!(publisher.publish(&event(&topic, 1)?).await? == Published::Routed);
    let mut subscriber = Subscriber::connect(bus, "test", durable).await?;
    let delivery = next(&mut subscriber).await?;
    ensure!(number(&delivery)? == 1, "{delivery:?}");
    delivery.ack().await?;
    subscriber.close().await;
    Ok(())
}

async fn by_queue(bus: &BusUrl, dialect: &str) -> Result<()> {
    let queue = format!("dead-{dialect}");
    let publisher = Publisher::connect(bus, "test").await?;
    if dialect == "rabbitmq" {
        publisher.publish_to_queue(&queue, &event("org.example.dead", 1)?).await?;
        let durable = subscription(Queue::Durable(queue), &["none.of.these"])?;
        let mut subscriber = Subscriber::connect(bus, "test", durable).await?;
        let delivery = next(&mut subscriber).await?;
        let came = delivery.event.as_ref().ok().context("no event")?;
        ensure!(came.topic.as_str() == "org.example.dead", "its topic is {}", came.topic);
        delivery.ack().await?;
        subscriber.close().await;
    } else {
        // Who cannot declare one says what the broker says of one that is not there.
        let told = publisher.publish_to_queue(&queue, &event("a.b", 1)?).await;
        ensure!(matches!(told, Err(Error::Refused { .. })), "{told:?}");
        let next = publisher.publish(&event("org.example.nobody", 1)?).await?;
        ensure!(next == Published::Unrouted, "the connection is good for the next: {next:?}");
    }
    publisher.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_the_same_by_whichever_protocol_it_comes_and_goes() -> Result<()> {
    let site = Site::new()?;
    let _server = broker(&site)?;
    let old: BusUrl = site.amqp_url().parse()?;
    let new = bus(&site, "rabbitmq")?;
    let mut sent = event("org.example.crossing", 1)?;
    for (name, value) in [
        ("text", json!("ö")),
        ("yes", json!(true)),
        ("small", json!(-7)),
        ("large", json!(5_000_000_000_i64)),
        ("half", json!(0.5)),
        ("x-deep", json!({"k": [1, {"l": "m"}]})),
    ] {
        sent.headers.insert(name.to_owned(), value);
    }
    for (from, to) in [(&old, &new), (&new, &old), (&new, &new)] {
        let asked = subscription(Queue::Temporary, &["org.example.crossing"])?;
        let mut subscriber = Subscriber::connect(to, "test", asked).await?;
        let publisher = Publisher::connect(from, "test").await?;
        for clothing in [Clothing::FedoraMessaging, Clothing::CloudEventsBinary] {
            publisher.clone().dressing(clothing).publish(&sent).await?;
            let delivery = next(&mut subscriber).await?;
            let mut came = delivery.event.clone()?;
            if clothing == Clothing::CloudEventsBinary {
                // CloudEvents has no place for a header that is a list or a map, and names in
                // lower case: what it is to be equal in is the event itself.
                came.headers.clone_from(&sent.headers);
                came.source.clone_from(&sent.source);
            }
            ensure!(came == sent, "{from} to {to}, {clothing}: {came:?} is not {sent:?}");
            delivery.ack().await?;
        }
        publisher.close().await;
        subscriber.close().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_let_in_is_told_why_and_a_refused_event_takes_no_other_along() -> Result<()> {
    let site = Site::new()?;
    let _server = broker(&site)?;
    let url = bus(&site, "rabbitmq")?;
    let address = format!("{}:{}", url.host(), url.port());
    let wrong: BusUrl = format!("amqp10://guest:s3cret@{address}").parse()?;
    let error = Publisher::connect(&wrong, "test").await.err().context("let in")?;
    ensure!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    ensure!(!error.to_string().contains("s3cret"), "{error}");
    let (user, password) = (url.user(), url.password());
    let nowhere: BusUrl = format!("amqp10://{user}:{password}@{address}/nowhere").parse()?;
    let error = Publisher::connect(&nowhere, "test").await.err().context("let in")?;
    ensure!(matches!(error, Error::VirtualHost { .. }), "{error:?}");

    let publisher = Publisher::connect(&url, "test").await?;
    let mut subscriber =
        Subscriber::connect(&url, "test", subscription(Queue::Temporary, &["many.#"])?).await?;
    let mut events = (0..20).map(|n| event("many.events", n)).collect::<Result<Vec<_>>>()?;
    // More headers than fit into a frame: the broker would end the connection.
    events.get_mut(7).context("there are 20")?.headers.insert("a".repeat(300), json!(1));
    for (n, outcome) in publisher.publish_all(&events).await.into_iter().enumerate() {
        ensure!(outcome.is_ok() || n == 7, "event {n}: {outcome:?}");
    }
    let mut seen = BTreeSet::new();
    while seen.len() < 19 {
        let delivery = next(&mut subscriber).await?;
        seen.insert(number(&delivery)?);
        delivery.ack().await?;
    }
    Ok(())
}

#[test]
fn the_commands_take_the_same_urls() -> Result<()> {
    let site = Site::new()?;
    let _server = broker(&site)?;
    let url = site.amqp_url().replacen("amqp://", "amqp10://", 1);
    let mut tail = site.start(&["tail", "--json", "--bus", &url])?;
    let publish = ["publish", "org.example.commands", "{}", "--direct", "--bus", &url];
    wait_for("the event", 30, || {
        let said = site.tubepost(&publish).map_err(|error| format!("{error:#}"))?;
        match tail.stdout().is_empty() {
            true => Err(format!("nothing came; publish said {said:?}, tail {}", tail.log())),
            false => Ok(()),
        }
    })?;
    tail.kill()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_the_middle_costs_nobody_an_event() -> Result<()> {
    let site = Site::new()?;
    let mut server = broker(&site)?;
    let url = bus(&site, "rabbitmq")?;
    let durable = subscription(Queue::Durable("kill".to_owned()), &["kill.#"])?;
    let mut stream = Box::pin(Subscriber::connect(&url, "test", durable).await?.into_stream());
    let publisher = Publisher::connect(&url, "test").await?;
    let publishing = tokio::spawn({
        let publisher = publisher.clone();
        async move {
            for n in 0..400 {
                let event = event("kill.it", n)?;
                while let Err(error) = publisher.publish(&event).await {
                    ensure!(error.is_outage(), "{error}");
                    // tidy: the pause of a retry
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Ok(())
        }
    });
    let mut seen = BTreeSet::new();
    while seen.len() < 400 {
        let delivery = timeout(Duration::from_secs(60), stream.next()).await?;
        let delivery = delivery.context("the stream ended")?;
        seen.insert(number(&delivery)?);
        // Lost with the connection: it comes again.
        let _ = delivery.ack().await;
        if seen.len() == 100 {
            server.kill()?;
            server = broker(&site)?;
        }
    }
    publishing.await??;
    Ok(())
}
