//! Exchanges as clients see them: what they are declared with, what passes from one to another, and
//! what goes nowhere.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod model;

use broker::{
    Arguments, BindingEnd, Broker, ExchangeDeclaration, ExchangeKind, Options, QueueDeclaration,
    Value,
    error::Kind,
    policy::{ExchangeEffective, PolicyKind},
};
use model::Client;

fn text(text: &str) -> Value {
    Value::Longstr(text.into())
}

fn arguments(pairs: &[(&str, Value)]) -> Arguments {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn exchange(name: &str, kind: ExchangeKind, pairs: &[(&str, Value)]) -> ExchangeDeclaration {
    ExchangeDeclaration {
        name: name.into(),
        kind,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: arguments(pairs),
    }
}

fn client() -> (Broker, Client) {
    let broker = Broker::in_memory(&Options::default());
    let client = Client::new(&broker);
    (broker, client)
}

fn with_alternate(client: &Client, name: &str, alternate: &str) {
    let declaration =
        exchange(name, ExchangeKind::Direct, &[("alternate-exchange", text(alternate))]);
    client.vhost.declare_exchange(declaration).unwrap();
}

fn between(client: &Client, source: &str, destination: &str, key: &str) {
    let to = BindingEnd::Exchange(destination);
    client.vhost.bind(&source.into(), to, key.into(), Arguments::default(), client.id).unwrap();
}

#[test]
fn what_finds_no_destination_goes_on_to_the_alternate_and_to_its_alternate() {
    let (_broker, mut client) = client();
    for queue in ["hit", "lost", "last"] {
        client.declare(queue, true);
    }
    with_alternate(&client, "a", "b");
    with_alternate(&client, "b", "c");
    client.exchange("c", ExchangeKind::Fanout, false);
    client.bind("a", "hit", "yes");
    client.bind("b", "lost", "perhaps");
    client.bind("c", "last", "");
    assert_eq!(client.publish("a", "yes", &["m"]), 1);
    assert_eq!(client.publish("a", "perhaps", &["m"]), 1);
    assert_eq!(client.publish("a", "no", &["m"]), 1);
    let counts = |queue: &str| client.vhost.check_queue(queue, client.id).unwrap().counts.ready;
    assert_eq!((counts("hit"), counts("lost"), counts("last")), (1, 1, 1));
}

#[test]
fn a_circle_of_alternates_ends_and_a_missing_one_is_none() {
    let (_broker, mut client) = client();
    with_alternate(&client, "a", "b");
    with_alternate(&client, "b", "a");
    with_alternate(&client, "lonely", "nowhere");
    with_alternate(&client, "narcissus", "narcissus");
    for exchange in ["a", "lonely", "narcissus"] {
        assert_eq!(client.publish(exchange, "k", &["m"]), 0, "by {exchange}");
    }
}

/// RabbitMQ: an exchange is a destination, whether it has one of its own or not.
#[test]
fn the_alternate_is_not_asked_when_the_message_went_on_to_another_exchange() {
    let (_broker, mut client) = client();
    client.declare("rest", true);
    client.exchange("rest", ExchangeKind::Fanout, false);
    client.bind("rest", "rest", "");
    client.exchange("empty", ExchangeKind::Fanout, false);
    with_alternate(&client, "a", "rest");
    between(&client, "a", "empty", "k");
    assert_eq!(client.publish("a", "k", &["m"]), 0);
    assert_eq!(client.publish("a", "other", &["m"]), 1);
}

#[test]
fn an_internal_exchange_is_reached_as_alternate_and_by_binding_but_not_by_a_client() {
    let (_broker, mut client) = client();
    client.declare("q", true);
    let internal =
        ExchangeDeclaration { internal: true, ..exchange("inside", ExchangeKind::Fanout, &[]) };
    client.vhost.declare_exchange(internal).unwrap();
    client.bind("inside", "q", "");
    with_alternate(&client, "a", "inside");
    client.exchange("b", ExchangeKind::Fanout, false);
    between(&client, "b", "inside", "");
    assert_eq!(client.publish("a", "k", &["m"]), 1);
    assert_eq!(client.publish("b", "k", &["m"]), 1);
    for exchange in ["inside", "amq.rabbitmq.trace"] {
        let refusal = client.route(exchange, "k", &()).unwrap_err();
        assert_eq!(refusal.kind, Kind::AccessRefused);
        let expected = format!("cannot publish to internal exchange '{exchange}' in vhost '/'");
        assert_eq!(refusal.text, expected);
    }
}

#[test]
fn a_message_comes_by_each_exchange_of_a_circle_once_however_large_it_is() {
    let (_broker, mut client) = client();
    client.declare("q", true);
    let name = |number: usize| format!("x{}", number % 200);
    for number in 0..200 {
        client.exchange(&name(number), ExchangeKind::Fanout, false);
        client.bind(&name(number), "q", "");
    }
    for number in 0..200 {
        between(&client, &name(number), &name(number + 1), "");
        between(&client, &name(number), &name(number), "");
    }
    client.declare("end", true);
    client.bind("x199", "end", "");
    assert_eq!(client.publish("x0", "k", &["m"]), 2, "the queue once, and the far end");
    assert_eq!(client.vhost.check_queue("q", client.id).unwrap().counts.ready, 1);
}

#[test]
fn a_policy_can_give_an_alternate_and_take_it_away() {
    let (broker, mut client) = client();
    client.declare("rest", true);
    client.exchange("rest", ExchangeKind::Fanout, false);
    client.bind("rest", "rest", "");
    client.exchange("a", ExchangeKind::Direct, false);
    assert_eq!(client.publish("a", "k", &["m"]), 0);
    let effective = ExchangeEffective { alternate_exchange: Some("rest".into()) };
    broker.set_policy(model::alternate_policy("^a$", "rest")).unwrap();
    assert_eq!(client.vhost.effective_of_exchange("a").unwrap(), effective);
    assert_eq!(client.publish("a", "k", &["m"]), 1, "no route of before is remembered");
    broker.clear_policy(PolicyKind::User, "/", "alternate").unwrap();
    assert_eq!(client.publish("a", "k", &["m"]), 0);
    assert_eq!(client.vhost.effective_of_exchange("none"), None);
}

#[test]
fn arguments_that_a_kind_cannot_be_with_are_refused_and_leave_nothing() {
    let (_broker, client) = client();
    let cases = [
        (ExchangeKind::Fanout, "alternate-exchange", Value::Bool(true)),
        (ExchangeKind::ConsistentHash, "hash-property", text("priority")),
        (ExchangeKind::Delayed, "x-delayed-type", text("sometimes")),
        (ExchangeKind::Deduplication, "x-cache-size", text("many")),
    ];
    for (kind, argument, value) in cases {
        let refused = client.vhost.declare_exchange(exchange("x", kind, &[(argument, value)]));
        assert_eq!(refused.unwrap_err().kind, Kind::PreconditionFailed, "{kind:?}");
        assert_eq!(client.vhost.check_exchange("x").unwrap_err().kind, Kind::NotFound);
    }
}

#[test]
fn declared_again_an_exchange_has_to_be_the_same() {
    let (_broker, client) = client();
    with_alternate(&client, "a", "b");
    with_alternate(&client, "a", "b");
    let again = |declaration| client.vhost.declare_exchange(declaration).unwrap_err().text;
    assert_eq!(
        again(exchange("a", ExchangeKind::Direct, &[])),
        "inequivalent arg 'alternate-exchange' for exchange 'a' in vhost '/': received none but \
         current is the value 'b' of type 'longstr'"
    );
    assert_eq!(
        again(exchange("a", ExchangeKind::Direct, &[("alternate-exchange", text("c"))])),
        "inequivalent arg 'alternate-exchange' for exchange 'a' in vhost '/': received 'c' but \
         current is 'b'"
    );
    assert_eq!(
        again(exchange("a", ExchangeKind::ConsistentHash, &[])),
        "inequivalent arg 'type' for exchange 'a' in vhost '/': received ''x-consistent-hash'' but \
         current is 'direct'"
    );
    assert_eq!(
        again(exchange("amq.mine", ExchangeKind::Direct, &[])),
        "exchange name 'amq.mine' contains reserved prefix 'amq.*'"
    );
    let trace = client.vhost.delete_exchange(&"amq.rabbitmq.trace".into(), false).unwrap_err();
    assert_eq!(
        trace.text,
        "deletion of system exchange 'amq.rabbitmq.trace' in vhost '/' not allowed"
    );
}

#[test]
fn an_auto_delete_exchange_goes_with_the_last_of_many_bindings() {
    let (_broker, client) = client();
    client.declare("q", true);
    client.declare("p", true);
    client.exchange("passing", ExchangeKind::Topic, true);
    for number in 0..50 {
        client.bind("passing", "q", &format!("k{number}"));
    }
    client.exchange("before", ExchangeKind::Fanout, true);
    between(&client, "before", "passing", "");
    client.bind("passing", "p", "k0");
    client.vhost.delete_queue("q", client.id, false, false).unwrap();
    assert!(client.vhost.check_exchange("passing").is_ok(), "one is left");
    client.vhost.delete_queue("p", client.id, false, false).unwrap();
    for gone in ["passing", "before"] {
        assert!(client.vhost.check_exchange(gone).is_err(), "{gone} led to nothing else");
    }
}

#[test]
fn a_weight_that_is_none_is_refused_and_one_queue_gets_each_key() {
    let (_broker, mut client) = client();
    client.exchange("hash", ExchangeKind::ConsistentHash, false);
    for queue in ["a", "b", "c"] {
        client.declare(queue, true);
        client.bind("hash", queue, "1");
    }
    let to = BindingEnd::Queue("a");
    let refused =
        client.vhost.bind(&"hash".into(), to, "much".into(), Arguments::default(), client.id);
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind, Kind::PreconditionFailed);
    assert_eq!(refused.text, "The binding key must be an integer: <<\"much\">>");
    for number in 0..300 {
        assert_eq!(client.publish("hash", &format!("k{number}"), &["m"]), 1);
    }
    let counts = |queue: &str| client.vhost.check_queue(queue, client.id).unwrap().counts.ready;
    let counts = [counts("a"), counts("b"), counts("c")];
    assert_eq!(counts.iter().sum::<usize>(), 300);
    assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
}

#[test]
fn a_random_exchange_takes_one_queue_for_each_message_and_every_queue_in_turn() {
    let (_broker, mut client) = client();
    client.exchange("random", ExchangeKind::Random, false);
    client.exchange("local", ExchangeKind::LocalRandom, false);
    client.exchange("modulus", ExchangeKind::ModulusHash, false);
    for queue in ["a", "b", "c", "d"] {
        client.declare(queue, true);
        client.bind("random", queue, "whatever");
        client.bind("local", queue, "");
        client.bind("modulus", queue, "whatever");
    }
    let counts = |client: &Client| {
        ["a", "b", "c", "d"].map(|it| client.vhost.queue(it, client.id).unwrap().purge().unwrap())
    };
    for exchange in ["random", "local"] {
        for _ in 0..400 {
            assert_eq!(client.publish(exchange, "same", &["m"]), 1);
        }
        // Ten standard deviations off would be 15 or 185.
        let counts = counts(&client);
        assert!(counts.iter().all(|count| (30..170).contains(count)), "{exchange}: {counts:?}");
    }
    for number in 0..400 {
        client.publish("modulus", &format!("k{}", number % 100), &["m"]);
    }
    let counts = counts(&client);
    assert!(counts.iter().all(|count| *count % 4 == 0 && *count > 0), "{counts:?}");
    let bind = |key: &str, to| {
        let arguments = Arguments::default();
        client.vhost.bind(&"local".into(), to, key.into(), arguments, client.id).unwrap_err().text
    };
    assert_eq!(bind("k", BindingEnd::Queue("a")), "Non empty binding 'k' key not permitted");
    assert_eq!(bind("", BindingEnd::Exchange("random")), "Destination not found");
}

#[test]
fn a_deduplicating_exchange_passes_each_identity_once() {
    let (_broker, mut client) = client();
    let declaration =
        exchange("once", ExchangeKind::Deduplication, &[("x-cache-size", Value::SignedInt(2))]);
    client.vhost.declare_exchange(declaration).unwrap();
    client.declare("q", true);
    client.bind("once", "q", "any");
    let mut passes = |identity: &str| {
        let headers = arguments(&[("x-deduplication-header", text(identity))]);
        !client.route("once", "other", &headers).unwrap().is_empty()
    };
    assert_eq!([passes("a"), passes("a"), passes("b"), passes("b")], [true, false, true, false]);
    assert!(passes("c") && passes("a"), "the oldest of three was forgotten");
    assert!((0..3).all(|_| !client.route("once", "k", &()).unwrap().is_empty()), "without it all");
}

#[test]
fn what_was_never_bound_is_unbound_already_whoever_is_missing() {
    let (broker, client) = client();
    let other = Client::new(&broker);
    let mine = QueueDeclaration { exclusive: true, ..model::queue("mine", false) };
    client.vhost.declare_queue(mine, client.id, false).unwrap();
    let unbind = |who: &Client, source: &str, to: BindingEnd<'_>, key: &str| {
        who.vhost.unbind(&source.into(), to, key.into(), Arguments::default(), who.id)
    };
    for (source, to) in [
        ("amq.direct", BindingEnd::Queue("none")),
        ("none", BindingEnd::Queue("mine")),
        ("none", BindingEnd::Exchange("neither")),
        ("amq.direct", BindingEnd::Exchange("none")),
    ] {
        unbind(&client, source, to, "k").unwrap();
    }
    // Another connection's queue is locked only where there is something to take away.
    unbind(&other, "amq.direct", BindingEnd::Queue("mine"), "k").unwrap();
    client.bind("amq.direct", "mine", "k");
    let refused = unbind(&other, "amq.direct", BindingEnd::Queue("mine"), "k").unwrap_err();
    assert_eq!(refused.kind, Kind::ResourceLocked);
    unbind(&client, "amq.direct", BindingEnd::Queue("mine"), "k").unwrap();
    for (source, to) in [("", BindingEnd::Queue("none")), ("amq.direct", BindingEnd::Exchange(""))]
    {
        assert_eq!(unbind(&client, source, to, "k").unwrap_err().kind, Kind::AccessRefused);
    }
}

#[test]
fn a_queue_does_not_become_exclusive_nor_stop_being_it() {
    let (_broker, client) = client();
    for (name, exclusive) in [("mine", true), ("everybodys", false)] {
        let declare = |exclusive| {
            let declaration = QueueDeclaration { exclusive, ..model::queue(name, false) };
            client.vhost.declare_queue(declaration, client.id, false)
        };
        declare(exclusive).unwrap();
        declare(exclusive).unwrap();
        let refused = declare(!exclusive).unwrap_err();
        assert_eq!(refused.kind, Kind::ResourceLocked, "{name}");
        assert!(refused.text.contains("the exclusive property value does not match"), "{refused}");
    }
}

#[test]
fn keys_that_lead_to_the_same_queues_share_their_routes_and_no_others_do() {
    let (_broker, mut client) = client();
    for name in ["a", "b"] {
        client.declare(name, false);
        client.exchange(&format!("to {name}"), ExchangeKind::Topic, false);
        client.bind("to a", name, &format!("{name}.*"));
    }
    client.bind("to b", "a", "a.*");
    let mut route = |exchange: &str, key: &str| client.route(exchange, key, &()).unwrap();
    let [one, two, other] = ["a.1", "a.2", "b.1"].map(|key| route("to a", key));
    assert!(std::ptr::eq(&*one, &*two));
    assert_eq!([&one, &other].map(|it| it[0].name().to_string()), ["a", "b"]);
    // What is published to another exchange is counted there.
    assert!(!std::ptr::eq(&*one, &*route("to b", "a.1")));
    client.bind("to a", "b", "a.1");
    let mut route = |key: &str| client.route("to a", key, &()).unwrap().len();
    assert_eq!(["a.1", "a.2"].map(&mut route), [2, 1]);
}
