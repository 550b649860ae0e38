//! Looks at all counts every five seconds: how fast everything goes, and how it went.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use broker::{Broker, QueueId, Timestamp};
use bytestring::ByteString;
use server::{Connections, OpenChannel, OpenConnection};

use crate::{
    limits::SAMPLES_KEPT,
    rates::{Rated, Track},
    statistics::{self, CHANNEL, CHURN, CONNECTION, LEVELS, QUEUE},
};

/// Counts and levels of everything together, or of a virtual host.
pub(crate) const OVERALL: usize = CHANNEL.len() + LEVELS.len() + CHURN.len();
pub(crate) type Overall = [u64; OVERALL];
const OF_VHOST: usize = CHANNEL.len() + LEVELS.len() + CONNECTION.len();

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Samples(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    at: Option<Timestamp>,
    queues: Rated<QueueId, { QUEUE.len() }>,
    exchanges: Rated<(ByteString, ByteString), 2>,
    /// What a queue got from an exchange.
    incoming: Rated<(QueueId, ByteString), 1>,
    connections: Rated<u64, 2>,
    channels: Rated<(u64, u16), { CHANNEL.len() }>,
    /// What a channel did with an exchange, or a queue.
    tallied: Rated<u64, { CHANNEL.len() }>,
    vhosts: Rated<String, OF_VHOST>,
    overall: Rated<(), OVERALL>,
    history: VecDeque<(Timestamp, Overall)>,
}

impl Samples {
    /// Looks.
    pub(crate) fn take(&self, broker: &Broker, connections: &Connections) {
        let now = broker.now();
        let Look { overall, vhosts, queues, exchanges, incoming } = look(broker, connections);
        let open = connections.list();
        let mut seen = self.lock();
        let passed = seen.at.map_or(5000, |at| now.since(at)).max(1);
        let seconds = passed as f64 / 1000.0;
        seen.at = Some(now);
        seen.queues.sample(now, seconds, queues.into_iter());
        seen.exchanges.sample(now, seconds, exchanges.into_iter());
        seen.incoming.sample(now, seconds, incoming.into_iter());
        let of_connections =
            open.iter().map(|it| (it.facts.id.0, [it.received_bytes.get(), it.sent_bytes.get()]));
        seen.connections.sample(now, seconds, of_connections);
        let of_channels = open.iter().flat_map(|connection| {
            let id = connection.facts.id.0;
            let counts = move |(number, channel): (u16, Arc<OpenChannel>)| {
                ((id, number), statistics::channel(&channel.counts.now()))
            };
            connection.channels().into_iter().map(counts)
        });
        seen.channels.sample(now, seconds, of_channels);
        seen.tallied.sample(now, seconds, open.iter().flat_map(|it| tallied(it)));
        seen.vhosts.sample(now, seconds, vhosts.into_iter());
        seen.overall.sample(now, seconds, std::iter::once(((), overall)));
        if seen.history.len() >= SAMPLES_KEPT {
            seen.history.pop_front();
        }
        seen.history.push_back((now, overall));
    }

    pub(crate) fn queue(&self, id: QueueId) -> Option<Track<{ QUEUE.len() }>> {
        self.lock().queues.get(&id)
    }

    pub(crate) fn exchange(&self, vhost: &ByteString, name: &ByteString) -> [f32; 2] {
        let key = (vhost.clone(), name.clone());
        self.lock().exchanges.get(&key).map_or([0.0; 2], |track| track.rates())
    }

    pub(crate) fn incoming(&self, queue: QueueId, exchange: &ByteString) -> f32 {
        let track = self.lock().incoming.get(&(queue, exchange.clone()));
        track.map_or(0.0, |track| track.rates()[0])
    }

    pub(crate) fn tallied(&self, number: u64) -> [f32; CHANNEL.len()] {
        self.lock().tallied.get(&number).map_or([0.0; CHANNEL.len()], |track| track.rates())
    }

    pub(crate) fn connection(&self, id: u64) -> [f32; 2] {
        self.lock().connections.get(&id).map_or([0.0; 2], |track| track.rates())
    }

    pub(crate) fn channel(&self, id: u64, number: u16) -> Option<Track<{ CHANNEL.len() }>> {
        self.lock().channels.get(&(id, number))
    }

    pub(crate) fn vhost(&self, name: &str) -> [f32; OF_VHOST] {
        self.lock().vhosts.get(&name.to_owned()).map_or([0.0; OF_VHOST], |track| track.rates())
    }

    pub(crate) fn overall(&self) -> [f32; OVERALL] {
        self.lock().overall.get(&()).map_or([0.0; OVERALL], |track| track.rates())
    }

    /// The broker's totals as they were, the newest last.
    pub(crate) fn history(&self) -> Vec<(Timestamp, Overall)> {
        self.lock().history.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Half a look does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Look {
    overall: Overall,
    vhosts: Vec<(String, [u64; OF_VHOST])>,
    queues: Vec<(QueueId, [u64; QUEUE.len()])>,
    exchanges: Vec<((ByteString, ByteString), [u64; 2])>,
    incoming: Vec<((QueueId, ByteString), [u64; 1])>,
}

fn look(broker: &Broker, connections: &Connections) -> Look {
    let (totals, octets) = (connections.totals(), connections.octets());
    let (mut queues, mut exchanges, mut vhosts) = (Vec::new(), Vec::new(), Vec::new());
    let mut incoming = Vec::new();
    for vhost in broker.vhosts() {
        let mut levels = [0; LEVELS.len()];
        for queue in vhost.queues() {
            let counts = statistics::queue(&queue.report());
            for (level, more) in levels.iter_mut().zip(&counts[statistics::QUEUE_COUNTS..]) {
                *level += more;
            }
            queues.push((queue.id(), counts));
            queue.incoming(|exchange, messages| {
                incoming.push(((queue.id(), exchange.name().clone()), [messages]));
            });
        }
        let names = vhost.exchanges().into_iter().map(|it| it.name);
        for name in names.chain([ByteString::new()]) {
            if let Some(counters) = vhost.exchange_counters(&name) {
                let counts = [counters.publish_in(), counters.publish_out()];
                exchanges.push(((vhost.name().clone(), name), counts));
            }
        }
        let channels = totals.get(&**vhost.name()).copied().unwrap_or_default();
        let octets = octets.get(&**vhost.name()).copied().unwrap_or_default();
        let parts = [&statistics::channel(&channels)[..], &levels, &octets];
        vhosts.push((vhost.name().to_string(), joined(&parts)));
    }
    let mut all: [u64; OF_VHOST] = [0; OF_VHOST];
    for (_, counts) in &vhosts {
        all.iter_mut().zip(counts).for_each(|(sum, more)| *sum += more);
    }
    let all = all.get(..CHANNEL.len() + LEVELS.len()).unwrap_or_default();
    let overall = joined(&[all, &churn(broker, connections)]);
    Look { overall, vhosts, queues, exchanges, incoming }
}

/// What the channels of a connection did with exchanges and queues.
fn tallied(of: &OpenConnection) -> Vec<(u64, [u64; CHANNEL.len()])> {
    let mut all = Vec::new();
    for (_, channel) in of.channels() {
        let exchanges = channel.exchanges().into_iter().map(|it| (it.number, it.counts.now()));
        let queues = channel.queues().into_iter().map(|it| (it.number, it.counts.now()));
        all.extend(exchanges.chain(queues).map(|(it, counts)| (it, statistics::channel(&counts))));
    }
    all
}

/// How connections, channels and queues came and went.
pub(crate) fn churn(broker: &Broker, connections: &Connections) -> [u64; CHURN.len()] {
    let (of_queues, of_connections) = (broker.queue_churn(), connections.churn());
    [
        of_connections.connections_opened,
        of_connections.connections_closed,
        of_connections.channels_opened,
        of_connections.channels_closed,
        of_queues.created,
        of_queues.declared,
        of_queues.deleted,
    ]
}

fn joined<const N: usize>(parts: &[&[u64]]) -> [u64; N] {
    let mut all = [0; N];
    all.iter_mut().zip(parts.iter().copied().flatten()).for_each(|(into, from)| *into = *from);
    all
}

#[cfg(test)]
mod tests {
    use broker::{Options, QueueDeclaration};

    use super::*;

    #[test]
    fn everything_is_looked_at_and_what_is_gone_is_forgotten() {
        let broker = Broker::in_memory(&Options::default());
        let connections = Connections::default();
        let samples = Samples::default();
        samples.take(&broker, &connections);
        let vhost = broker.vhost("/").unwrap();
        let me = broker.new_connection();
        let declaration = QueueDeclaration { name: "q".into(), ..Default::default() };
        vhost.declare_queue(declaration, me, false).unwrap();
        let queue = vhost.queue("q", me).unwrap();
        assert!(queue.get().unwrap().is_none());
        samples.take(&broker, &connections);
        let rates = samples.queue(queue.id()).unwrap().rates();
        assert!(rates[5] > 0.0, "a fetch that found nothing: {rates:?}");
        let created = CHANNEL.len() + LEVELS.len() + 4;
        assert!(samples.overall()[created] > 0.0, "a queue was created");
        assert_eq!(samples.history().len(), 2);
        vhost.delete_queue("q", me, false, false).unwrap();
        samples.take(&broker, &connections);
        assert!(samples.queue(queue.id()).is_none());
    }
}
