//! What was declared and deleted, and whether the server has exactly that.

use std::{
    collections::BTreeMap,
    sync::{Mutex, atomic::Ordering::Relaxed},
};

use anyhow::Result;
use fastrand::Rng;
use lapin::{
    BasicProperties, Channel, Connection, ExchangeKind,
    options::{
        BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    types::FieldTable,
};

use super::{
    ALL, BARRIER, KEPT, Progress, TRANSIENT, Verdict, WORKED, Wrong,
    client::{self, is_not_found},
    lock,
};

/// What can be declared and deleted. A binding has the name of its queue, which is its key as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Queue,
    Binding,
    Exchange,
}

/// What the server was asked for and has answered.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    /// The queues and exchanges that every client of the load needs were declared.
    pub(crate) is_fixed: bool,
    next: u64,
    /// Whether it is there; none while a question is open, or was when the connection broke.
    things: BTreeMap<(Thing, String), Option<bool>>,
    /// Names of things that were found gone, and must stay it.
    gone: Vec<(Thing, String)>,
}

/// Exchange of the bindings that come and go.
const CHURN: &str = "load.churn";
/// What every client of the load needs.
const FIXED: [(Thing, &str); 5] = [
    (Thing::Exchange, ALL),
    (Thing::Exchange, CHURN),
    (Thing::Queue, KEPT),
    (Thing::Queue, WORKED),
    (Thing::Queue, BARRIER),
];
/// More queues than this are not kept.
const QUEUES_MAX: usize = 25;
/// So many of what was found gone earlier are looked for again.
const GONE_SAMPLED: usize = 6;

impl Topology {
    fn ask(&mut self, thing: Thing, name: &str) {
        self.things.insert((thing, name.to_owned()), None);
    }

    fn answer(&mut self, thing: Thing, name: &str, is_there: bool) {
        self.things.insert((thing, name.to_owned()), Some(is_there));
    }

    fn there(&self, thing: Thing) -> Vec<String> {
        let there =
            self.things.iter().filter(|((kind, _), is)| *kind == thing && **is == Some(true));
        there.map(|((_, name), _)| name.clone()).collect()
    }
}

/// Declares what the other clients need, each time anew.
pub(crate) async fn declare_fixed(url: &str, topology: &Mutex<Topology>) -> Result<()> {
    let (_connection, channel) = client::connect(url).await?;
    for (exchange, kind) in [(ALL, ExchangeKind::Fanout), (CHURN, ExchangeKind::Direct)] {
        declare_exchange(&channel, exchange, kind).await?;
    }
    for queue in [KEPT, WORKED, BARRIER] {
        declare_queue(&channel, queue, true).await?;
    }
    declare_queue(&channel, TRANSIENT, false).await?;
    for queue in [KEPT, WORKED, TRANSIENT] {
        bind(&channel, queue, ALL, "").await?;
    }
    bind(&channel, KEPT, "amq.topic", "load.topic.#").await?;
    lock(topology).is_fixed = true;
    Ok(())
}

/// Declares and deletes until the connection breaks.
pub(crate) async fn churn(
    url: &str,
    topology: &Mutex<Topology>,
    mut rng: Rng,
    progress: &Progress,
) -> Result<()> {
    let (_connection, channel) = client::connect(url).await?;
    loop {
        step(&channel, topology, &mut rng).await?;
        progress.declared.fetch_add(1, Relaxed);
    }
}

/// One change of the topology.
pub(crate) async fn step(
    channel: &Channel,
    topology: &Mutex<Topology>,
    rng: &mut Rng,
) -> Result<()> {
    let (queues, bindings, exchanges, number) = {
        let mut topology = lock(topology);
        topology.next += 1;
        let there = |thing| topology.there(thing);
        let (queues, bindings) = (there(Thing::Queue), there(Thing::Binding));
        (queues, bindings, there(Thing::Exchange), topology.next)
    };
    let too_many = queues.len() > QUEUES_MAX;
    match (rng.u32(0..10), rng.choice(&queues), rng.choice(&bindings), rng.choice(&exchanges)) {
        (_, Some(queue), _, _) if too_many => delete(channel, topology, queue).await,
        (0..2, Some(queue), _, _) => delete(channel, topology, queue).await,
        (2, _, Some(binding), _) => {
            lock(topology).ask(Thing::Binding, binding);
            let arguments = FieldTable::default();
            let key = binding.as_str().into();
            channel.queue_unbind(binding.as_str().into(), CHURN.into(), key, arguments).await?;
            lock(topology).answer(Thing::Binding, binding, false);
            Ok(())
        }
        (3, _, _, Some(exchange)) => {
            lock(topology).ask(Thing::Exchange, exchange);
            let options = ExchangeDeleteOptions::default();
            channel.exchange_delete(exchange.as_str().into(), options).await?;
            lock(topology).answer(Thing::Exchange, exchange, false);
            Ok(())
        }
        (4, ..) => {
            let exchange = format!("load.churn.exchange.{number}");
            lock(topology).ask(Thing::Exchange, &exchange);
            declare_exchange(channel, &exchange, ExchangeKind::Topic).await?;
            lock(topology).answer(Thing::Exchange, &exchange, true);
            Ok(())
        }
        _ => {
            let queue = format!("load.churn.queue.{number}");
            lock(topology).ask(Thing::Queue, &queue);
            declare_queue(channel, &queue, true).await?;
            lock(topology).answer(Thing::Queue, &queue, true);
            lock(topology).ask(Thing::Binding, &queue);
            bind(channel, &queue, CHURN, &queue).await?;
            lock(topology).answer(Thing::Binding, &queue, true);
            Ok(())
        }
    }
}

async fn delete(channel: &Channel, topology: &Mutex<Topology>, queue: &str) -> Result<()> {
    let both = [Thing::Queue, Thing::Binding];
    both.iter().for_each(|thing| lock(topology).ask(*thing, queue));
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    both.iter().for_each(|thing| lock(topology).answer(*thing, queue, false));
    Ok(())
}

async fn declare_exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    Ok(channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await?)
}

async fn declare_queue(channel: &Channel, name: &str, durable: bool) -> Result<()> {
    let options = QueueDeclareOptions { durable, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, FieldTable::default()).await?;
    Ok(())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let options = QueueBindOptions::default();
    let arguments = FieldTable::default();
    Ok(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments).await?)
}

/// Compares the restarted server with what it answered. What is open is taken as it is found, and
/// so is what is wrong.
pub(crate) async fn check(
    url: &str,
    topology: &Mutex<Topology>,
    restarted: bool,
) -> Result<Verdict> {
    let (connection, mut channel) = client::connect(url).await?;
    let mut verdict = Verdict::default();
    let (is_fixed, things, mut gone) = {
        let topology = lock(topology);
        (topology.is_fixed, topology.things.clone(), topology.gone.clone())
    };
    let mut wrong = |what: String| verdict.add(Wrong::Topology, what);
    for (thing, name) in if is_fixed { &FIXED[..] } else { &[] } {
        if !is_there(&connection, &mut channel, *thing, name).await? {
            wrong(format!("{name} is gone"));
        }
    }
    if restarted && is_there(&connection, &mut channel, Thing::Queue, TRANSIENT).await? {
        wrong(format!("{TRANSIENT} outlived the server"));
    }
    let mut left = BTreeMap::new();
    for ((thing, name), expected) in things {
        let found = is_there(&connection, &mut channel, thing, &name).await?;
        match expected {
            Some(true) if !found => wrong(format!("{thing:?} {name} is gone")),
            Some(false) if found => wrong(format!("{thing:?} {name} was deleted and is there")),
            _ => {}
        }
        match found {
            true => _ = left.insert((thing, name), Some(true)),
            false => gone.push((thing, name)),
        }
    }
    let mut rng = Rng::with_seed(gone.len() as u64);
    rng.shuffle(&mut gone);
    for (thing, name) in gone.iter().take(GONE_SAMPLED) {
        if is_there(&connection, &mut channel, *thing, name).await? {
            wrong(format!("{thing:?} {name} was gone and is there again"));
        }
    }
    gone.truncate(1000);
    let mut topology = lock(topology);
    (topology.things, topology.gone) = (left, gone);
    Ok(verdict)
}

async fn is_there(
    connection: &Connection,
    channel: &mut Channel,
    thing: Thing,
    name: &str,
) -> Result<bool> {
    let answer = match thing {
        Thing::Queue => client::waiting(channel, name).await.map(|_| true),
        Thing::Exchange => {
            let options =
                ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            let kind = ExchangeKind::Topic;
            let arguments = FieldTable::default();
            channel.exchange_declare(name.into(), kind, options, arguments).await.map(|()| true)
        }
        Thing::Binding => is_routed(channel, name).await,
    };
    match answer {
        Ok(is_there) => Ok(is_there),
        Err(error) if is_not_found(&error) => {
            // The refusal closed the channel.
            *channel = client::confirming(connection).await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a message with this key reaches a queue. It is not persistent, so that it is gone with
/// this life of the server.
async fn is_routed(channel: &Channel, key: &str) -> lapin::Result<bool> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(1);
    let publishing = channel.basic_publish(CHURN.into(), key.into(), options, b"", properties);
    Ok(publishing.await?.await?.take_message().is_none())
}
