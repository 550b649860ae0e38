//! Streams and their consumers, and how messages of them are acknowledged.

use serde::Serialize;
use serde_json::{Value, json};

use super::{connection::Connection, subject};
use crate::{
    Error,
    traffic::{Names, Traffic},
};

/// A stream in files for one queue, with what leads to it.
pub(super) fn create_stream(
    connection: &mut Connection,
    traffic: &Traffic,
    names: &Names,
    queue: u32,
) -> Result<(), Error> {
    let name = stream(names, queue);
    let stream = json!({
        "name": name,
        "subjects": subject::of_queue(traffic, names, queue)?,
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": 1,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
    });
    connection.ask(&format!("$JS.API.STREAM.CREATE.{name}"), &stream, "creating a stream")?;
    Ok(())
}

/// Removes it, if it is there.
pub(super) fn delete_stream(
    connection: &mut Connection,
    names: &Names,
    queue: u32,
) -> Result<(), Error> {
    let subject = format!("$JS.API.STREAM.DELETE.{}", stream(names, queue));
    match connection.ask(&subject, &Value::Null, "deleting a stream") {
        Err(Error::Refused { text, .. }) if text.contains("not found") => Ok(()),
        other => other.map(drop),
    }
}

/// A consumer of it, of this connection's own for a `reader` of what everybody reads, and otherwise
/// the queue's one. It pushes to the subject that is returned, as soon as somebody is subscribed.
pub(super) fn create_consumer(
    connection: &mut Connection,
    traffic: &Traffic,
    names: &Names,
    queue: u32,
    reader: Option<u32>,
) -> Result<String, Error> {
    let stream = stream(names, queue);
    let name = match reader {
        Some(reader) => format!("reader{reader}"),
        None => "queue".to_owned(),
    };
    let subject = format!("_DELIVER.{stream}.{name}");
    let consumer = Consumer {
        durable_name: &name,
        deliver_subject: &subject,
        deliver_group: traffic.is_shared().then_some("together"),
        deliver_policy: "all",
        replay_policy: "instant",
        ack_policy: ack_policy(traffic),
        max_ack_pending: match (traffic.auto_ack, traffic.prefetch) {
            (true, _) => None,
            (false, 0) => Some(-1),
            (false, prefetch) => Some(prefetch.into()),
        },
    };
    let request = json!({ "stream_name": stream, "config": consumer });
    let create = format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{name}");
    connection.ask(&create, &request, "creating a consumer")?;
    Ok(subject)
}

/// A consumer's configuration, as JetStream's API has it.
#[derive(Serialize)]
struct Consumer<'a> {
    durable_name: &'a str,
    deliver_subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_group: Option<&'a str>,
    deliver_policy: &'a str,
    replay_policy: &'a str,
    ack_policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ack_pending: Option<i32>,
}

/// A queue with several consumers has each message acknowledged by who got it.
fn ack_policy(traffic: &Traffic) -> &'static str {
    match (traffic.auto_ack, traffic.is_shared()) {
        (true, _) => "none",
        (false, true) => "explicit",
        (false, false) => "all",
    }
}

/// A stream's name has no dots: they would be words of subjects.
fn stream(names: &Names, queue: u32) -> String {
    names.queue(queue).replace('.', "_")
}

/// The acknowledgements that a connection owes.
pub(super) enum Acks {
    Nothing,
    /// Of each queue, by place, where the last message's goes to: it stands for all before it.
    Last(Vec<Vec<u8>>),
    /// Ready to be sent, one for each message.
    Each(Vec<u8>),
}

impl Acks {
    pub(super) fn new(traffic: &Traffic, queues: usize) -> Acks {
        match ack_policy(traffic) {
            "all" => Acks::Last(vec![Vec::new(); queues]),
            "explicit" => Acks::Each(Vec::new()),
            _ => Acks::Nothing,
        }
    }

    /// A message came, which is acknowledged to `reply`.
    #[inline]
    pub(super) fn owe(&mut self, place: usize, reply: &[u8]) {
        match self {
            Acks::Nothing => {}
            Acks::Last(replies) => {
                if let Some(last) = replies.get_mut(place) {
                    last.clear();
                    last.extend_from_slice(reply);
                }
            }
            Acks::Each(octets) => put(reply, octets),
        }
    }

    /// Writes what is owed.
    pub(super) fn write(&mut self, answer: &mut Vec<u8>) {
        match self {
            Acks::Nothing => {}
            Acks::Last(replies) => {
                for reply in replies.iter_mut().filter(|it| !it.is_empty()) {
                    put(reply, answer);
                    reply.clear();
                }
            }
            Acks::Each(octets) => answer.append(octets),
        }
    }
}

/// An empty message is an acknowledgement (NATS ADR-15).
fn put(reply: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(reply);
    out.extend_from_slice(b" 0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(traffic: &Traffic) -> String {
        let mut acks = Acks::new(traffic, 2);
        for (place, reply) in [(0, "a.1"), (1, "b.1"), (0, "a.2")] {
            acks.owe(place, reply.as_bytes());
        }
        let mut answer = Vec::new();
        acks.write(&mut answer);
        let before = answer.len();
        acks.write(&mut answer);
        assert_eq!(answer.len(), before, "nothing is owed twice");
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn one_acknowledgement_is_for_all_before_unless_several_share_a_queue() {
        let alone = Traffic { durable: true, ..Traffic::default() };
        assert_eq!(owed(&alone), "PUB a.2 0\r\n\r\nPUB b.1 0\r\n\r\n");
        let shared = Traffic { consumers: 2, ..alone.clone() };
        assert_eq!(owed(&shared), "PUB a.1 0\r\n\r\nPUB b.1 0\r\n\r\nPUB a.2 0\r\n\r\n");
        assert_eq!(owed(&Traffic { auto_ack: true, ..alone }), "");
    }
}
