//! Messages of one group go to one consumer, in order, and hold up nobody else.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "all of it is tests")]

mod model;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use broker::{Broker, Consumer, Entry, Options, Return, Value};
use model::{Client, open, written};
use tempfile::tempdir;

fn with_queue() -> (Broker, Client) {
    let options = Options { properties: Arc::new(model::Plain), ..Options::default() };
    let broker = Broker::in_memory(&options);
    let client = Client::new(&broker);
    client.declare("q", false);
    (broker, client)
}

fn publish(client: &mut Client, group: &str, bodies: &[&str]) {
    let headers = [("group".to_owned(), Value::Longstr(group.to_owned()))].into_iter().collect();
    client.publish_with("", "q", &(), written(&headers), bodies);
}

/// Bodies, by who got them.
type ByConsumer = BTreeMap<String, Vec<String>>;

/// What came to whom, and the entries.
fn received(client: &Client) -> (ByConsumer, Vec<(String, Entry)>) {
    let queue = client.vhost.queue("q", client.id).unwrap();
    let mut by_consumer = ByConsumer::new();
    let entries = client.receive();
    for (tag, entry) in &entries {
        let body = queue.message(entry).unwrap().body.concat();
        by_consumer.entry(tag.clone()).or_default().push(String::from_utf8(body).unwrap());
    }
    (by_consumer, entries)
}

fn settle(consumer: &Arc<Consumer>, entries: Vec<(String, Entry)>) {
    let mine = entries.into_iter().filter(|(tag, _)| *tag == **consumer.tag());
    consumer.queue().settle(mine.map(|(_, entry)| entry), Some(consumer)).unwrap();
}

#[test]
fn a_group_goes_to_one_consumer_in_order_and_groups_are_spread() {
    let (_broker, mut client) = with_queue();
    client.consume("q", "one", 0, true);
    client.consume("q", "two", 0, true);
    for n in 0..50 {
        for group in ["a", "b", "c", "d"] {
            publish(&mut client, group, &[&format!("{group}{n:02}")]);
        }
    }
    let (by_consumer, _) = received(&client);
    assert_eq!(by_consumer.len(), 2, "both get some");
    let mut owners: BTreeMap<char, BTreeSet<&str>> = BTreeMap::new();
    for (tag, bodies) in &by_consumer {
        for body in bodies {
            owners.entry(body.chars().next().unwrap()).or_default().insert(tag);
        }
        for group in ["a", "b", "c", "d"] {
            let of_group: Vec<&String> = bodies.iter().filter(|it| it.starts_with(group)).collect();
            assert!(of_group.is_sorted() && [0, 50].contains(&of_group.len()), "{of_group:?}");
        }
    }
    assert!(owners.values().all(|tags| tags.len() == 1), "{owners:?}");
}

#[test]
fn what_a_busy_owner_has_no_room_for_waits_and_others_get_what_stands_behind() {
    let (_broker, mut client) = with_queue();
    let busy = client.consume("q", "busy", 1, false);
    publish(&mut client, "a", &["a1", "a2", "a3"]);
    let free = client.consume("q", "free", 0, false);
    publish(&mut client, "b", &["b1", "b2"]);
    client.publish("", "q", &["x"]);
    publish(&mut client, "a", &["a4"]);
    let (first, entries) = received(&client);
    assert_eq!(first["busy"], ["a1"]);
    assert_eq!(first["free"], ["b1", "b2", "x"]);
    let counts = client.counts("q");
    assert_eq!((counts.ready, counts.unacknowledged), (3, 4), "what is held still waits");
    settle(&free, entries.into_iter().filter(|(tag, _)| tag == "free").collect());
    assert_eq!(received(&client).0.len(), 0, "nothing of the other's group comes");
    let queue = busy.queue();
    assert_eq!(queue.purge().unwrap(), 3, "held ones as well");
    assert_eq!(client.counts("q").ready, 0);
}

#[test]
fn a_group_goes_on_with_another_when_its_owner_is_gone() {
    let (_broker, mut client) = with_queue();
    let first = client.consume("q", "first", 2, false);
    publish(&mut client, "a", &["a1", "a2", "a3", "a4"]);
    let second = client.consume("q", "second", 0, false);
    let (by_consumer, entries) = received(&client);
    assert_eq!(by_consumer["first"], ["a1", "a2"]);
    assert!(!by_consumer.contains_key("second"));
    // It goes, and what it had comes back: in the same order, to the other.
    client.vhost.cancel(&first).unwrap();
    let back = entries.into_iter().map(|(_, entry)| entry);
    first.queue().requeue(back, Some(&first), Return::Failed);
    let (by_consumer, entries) = received(&client);
    assert_eq!(by_consumer["second"], ["a1", "a2", "a3", "a4"]);
    settle(&second, entries);
    assert_eq!((client.counts("q").ready, client.counts("q").unacknowledged), (0, 0));
}

#[test]
fn what_an_owner_gives_back_comes_before_what_is_held_for_it() {
    let (_broker, mut client) = with_queue();
    let owner = client.consume("q", "owner", 1, false);
    publish(&mut client, "a", &["a1", "a2", "a3"]);
    let (_, entries) = received(&client);
    let back = entries.into_iter().map(|(_, entry)| entry);
    owner.queue().requeue(back, Some(&owner), Return::Released);
    for expected in ["a1", "a2", "a3"] {
        let (came, entries) = received(&client);
        assert_eq!(came["owner"], [expected]);
        settle(&owner, entries);
    }
}

#[test]
fn only_so_many_are_held_and_then_the_rest_waits() {
    let (_broker, mut client) = with_queue();
    client.consume("q", "busy", 1, false);
    let bodies: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    publish(&mut client, "a", &bodies.iter().map(String::as_str).collect::<Vec<_>>());
    client.consume("q", "free", 0, false);
    client.publish("", "q", &["x"]);
    let (came, _) = received(&client);
    assert_eq!((came["busy"].len(), came.len()), (1, 1), "{came:?}");
    assert_eq!(client.counts("q").ready, 10_000);
}

#[test]
fn a_restart_knows_the_groups_and_loses_nothing_that_was_held() {
    let directory = tempdir().unwrap();
    let options = Options { properties: Arc::new(model::Plain), ..Options::default() };
    for checkpointed in [false, true] {
        {
            let (broker, _) = open(directory.path(), &options);
            let mut client = Client::new(&broker);
            client.declare("q", true);
            client.consume("q", "busy", 1, false);
            publish(&mut client, "a", &["a1", "a2", "a3"]);
            publish(&mut client, "b", &["b1"]);
            broker.commit().unwrap();
            if checkpointed {
                broker.tidy().unwrap();
                broker.checkpoint().unwrap();
            }
        }
        let (broker, report) = open(directory.path(), &options);
        assert_eq!((report.messages, report.damage.len()), (4, 0), "{:?}", report.damage);
        let client = Client::new(&broker);
        let one = client.consume("q", "one", 1, false);
        let two = client.consume("q", "two", 0, false);
        let (came, entries) = received(&client);
        assert_eq!(came["one"], ["a1"], "and the others of its group wait for it");
        assert_eq!(came["two"], ["b1"]);
        let (ones, twos) = entries.into_iter().partition(|(tag, _)| tag == "one");
        settle(&two, twos);
        settle(&one, ones);
        for expected in ["a2", "a3"] {
            let (came, entries) = received(&client);
            assert_eq!(came["one"], [expected]);
            settle(&one, entries);
        }
        client.vhost.delete_queue("q", client.id, false, false).unwrap();
        broker.commit().unwrap();
    }
}
