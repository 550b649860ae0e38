//! Every method in every state (reliability S1): what must come is in the tables at the end.
//!
//! A method that is not answered is followed by something that is, so that a wait for nothing is
//! no wait; and each case begins with a new connection, so that the server is seen to serve one.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use amqp091::{
    Definition, METHODS, Method,
    method::{channel, confirm, connection, exchange, queue, tx},
};

use crate::{
    client::{Client, Said, open, text},
    server::TestServer,
    wire::{definition, frame, header, sensible_method, sensible_whole},
};

/// How far a connection or channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// After `connection.start`, on channel 0.
    Starting,
    /// After `connection.tune`, on channel 0.
    Tuning,
    /// After `tune-ok`, on channel 0.
    Opening,
    /// Open, on channel 0.
    Running,
    /// After the server's `connection.close`, on channel 0.
    Closing,
    /// On a channel, after `connection.start`.
    ChannelWhileStarting,
    /// On a channel, after `tune-ok`.
    ChannelWhileOpening,
    /// On a channel that nobody opened.
    Unopened,
    /// On an open channel.
    Open,
    /// On a channel with confirms.
    Confirming,
    /// On a channel with transactions.
    Transactional,
    /// On a channel where `basic.publish` came and its header has to follow.
    AwaitingHeader,
    /// On a channel where a header came and body has to follow.
    AwaitingBody,
    /// On a channel after the server's `channel.close`.
    ChannelClosing,
    /// On a channel after `channel.close` and `close-ok`.
    ChannelClosed,
    /// On a channel of a connection after the server's `connection.close`.
    ChannelOfClosing,
}

const STATES: [State; 16] = [
    State::Starting,
    State::Tuning,
    State::Opening,
    State::Running,
    State::Closing,
    State::ChannelWhileStarting,
    State::ChannelWhileOpening,
    State::Unopened,
    State::Open,
    State::Confirming,
    State::Transactional,
    State::AwaitingHeader,
    State::AwaitingBody,
    State::ChannelClosing,
    State::ChannelClosed,
    State::ChannelOfClosing,
];

/// What must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// This method on the same channel.
    Answer(&'static str),
    /// Nothing, and the connection goes on as it was.
    Nothing,
    /// `channel.close` with this code.
    ClosesChannel(u16),
    /// `connection.close` with this code.
    ClosesConnection(u16),
    /// The end of the stream.
    End,
}

use Outcome::{Answer, ClosesChannel, ClosesConnection, End, Nothing};

#[test]
fn every_method_in_every_state_is_answered_as_the_table_says() {
    let server = TestServer::start();
    declare_things(&server);
    let cases: Vec<(State, &Definition)> =
        STATES.iter().flat_map(|state| METHODS.iter().map(move |it| (*state, it))).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((state, method)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(&server, *state, method);
                }
            });
        }
    });
    assert!(cases.len() >= 1_000, "{}", cases.len());
    server.wait_until_idle();
}

/// What the sensible arguments name.
pub(crate) fn declare_things(server: &TestServer) {
    let mut client = Client::open_channel(server);
    let declare = queue::Declare { queue: text("matrix"), ..queue::Declare::default() };
    assert_eq!(client.call(1, &declare).name(), "queue.declare-ok");
    for name in ["matrix", "matrix2"] {
        let (exchange, kind) = (text(name), text("direct"));
        let declare = exchange::Declare { exchange, kind, ..exchange::Declare::default() };
        assert_eq!(client.call(1, &declare).name(), "exchange.declare-ok");
    }
    client.send(0, &connection::Close { reply_code: 200, ..connection::Close::default() });
    assert_eq!(client.method(0).name(), "connection.close-ok");
}

fn check(server: &TestServer, state: State, method: &Definition) {
    let case = format!("{} in {state:?}", method.name);
    let mut client = brought_to(server, state);
    client.purpose.clone_from(&case);
    let channel = if (state as u8) < State::ChannelWhileStarting as u8 { 0 } else { 1 };
    client.send_octets(&match state {
        State::Open | State::Confirming | State::Transactional => sensible_whole(channel, method),
        _ => sensible_method(channel, method),
    });
    let expected = expected(state, method);
    if expected == Nothing {
        probe(&mut client, state, method);
    }
    match (client.said(), expected) {
        (Said::Method(on, answer), Answer(name)) if on == channel && answer.name() == name => {}
        (Said::Content(on, content), Answer(name))
            if on == channel && content.method.name() == name => {}
        (Said::Method(on, Method::ChannelClose(close)), ClosesChannel(code)) if on == channel => {
            assert_eq!(close.reply_code, code, "{case}: {}", close.reply_text);
            let failing = (close.class_id, close.method_id);
            assert_eq!(failing, (method.id.class, method.id.method), "{case}");
            // The number serves again at once.
            client.send(channel, &channel::CloseOk {});
            assert_eq!(client.call(channel, &channel::Open::default()).name(), "channel.open-ok");
        }
        (Said::Method(0, Method::ConnectionClose(close)), ClosesConnection(code)) => {
            assert_eq!(close.reply_code, code, "{case}: {}", close.reply_text);
            client.send(0, &connection::CloseOk {});
            assert_eq!(client.said(), Said::End, "{case}");
        }
        (Said::Method(_, answer), Nothing) if answer.name() == answers_probe(state) => {}
        (Said::End, End) => {}
        (Said::End, Nothing) if answers_probe(state).is_empty() => {}
        (said, expected) => panic!("{case}: expected {expected:?}, got {said:?}"),
    }
}

/// A connection, and channel 1 of it, in this state.
fn brought_to(server: &TestServer, state: State) -> Client {
    let mut client = Client::connect(server);
    match state {
        State::Starting | State::ChannelWhileStarting => {
            client.send_octets(&amqp091::PROTOCOL_HEADER);
            assert_eq!(client.method(0).name(), "connection.start");
            return client;
        }
        State::Tuning => {
            client.logged_in();
            return client;
        }
        State::Opening | State::ChannelWhileOpening => {
            client.tuned(2047, 131_072);
            return client;
        }
        _ => {}
    }
    client.tuned(2047, 131_072);
    client.send(0, &open());
    assert_eq!(client.method(0).name(), "connection.open-ok");
    match state {
        State::Running | State::Unopened => return client,
        State::Closing | State::ChannelOfClosing => {
            client.send(9, &confirm::Select::default());
            assert_eq!(client.method(0).name(), "connection.close");
            return client;
        }
        _ => {}
    }
    assert_eq!(client.call(1, &channel::Open::default()).name(), "channel.open-ok");
    let publish = definition("basic.publish");
    match state {
        State::Confirming => {
            let answer = client.call(1, &confirm::Select::default());
            assert_eq!(answer.name(), "confirm.select-ok");
        }
        State::Transactional => {
            assert_eq!(client.call(1, &tx::Select {}).name(), "tx.select-ok");
        }
        State::AwaitingHeader => client.send_octets(&sensible_method(1, publish)),
        State::AwaitingBody => {
            client.send_octets(&sensible_method(1, publish));
            client.send_octets(&frame(2, 1, &header(60, 0, 10, &[0, 0])));
        }
        State::ChannelClosing => {
            assert_eq!(client.call(1, &tx::Commit {}).name(), "channel.close");
        }
        State::ChannelClosed => {
            let close = channel::Close { reply_code: 200, ..channel::Close::default() };
            assert_eq!(client.call(1, &close).name(), "channel.close-ok");
        }
        _ => {}
    }
    client
}

/// Says something that is answered, to see that what was said before was not.
fn probe(client: &mut Client, state: State, method: &Definition) {
    match state {
        State::Tuning => client.send(0, &open()),
        State::Closing | State::ChannelOfClosing => client.send(0, &connection::CloseOk {}),
        // The channel is gone, so its number can be opened.
        State::ChannelClosing if method.name == "channel.close-ok" => {
            client.send(1, &channel::Open::default());
        }
        _ => client.send(77, &channel::Open::default()),
    }
}

fn answers_probe(state: State) -> &'static str {
    match state {
        State::Tuning => "connection.open-ok",
        State::Closing | State::ChannelOfClosing => "",
        _ => "channel.open-ok",
    }
}

fn expected(state: State, method: &Definition) -> Outcome {
    let name = method.name;
    match (state, name) {
        (State::Starting | State::Tuning | State::Opening | State::Running, "connection.close") => {
            Answer("connection.close-ok")
        }
        (State::Starting, "connection.start-ok") => Answer("connection.tune"),
        (State::Tuning, "connection.tune-ok") => Nothing,
        (State::Opening, "connection.open") => Answer("connection.open-ok"),
        (State::Running, "connection.update-secret") => Answer("connection.update-secret-ok"),
        (State::Starting | State::Tuning | State::Opening | State::Running, _) => {
            ClosesConnection(504)
        }
        (State::Closing, "connection.close") => Answer("connection.close-ok"),
        (State::Closing, "connection.close-ok") => End,
        (State::Closing | State::ChannelOfClosing, _) => Nothing,
        (State::ChannelWhileStarting | State::ChannelWhileOpening, _) => ClosesConnection(505),
        (State::Unopened | State::ChannelClosed, "channel.open") => Answer("channel.open-ok"),
        // A close of either side may cross the other's.
        (State::Unopened | State::ChannelClosed, "channel.close-ok") => Nothing,
        (State::Unopened | State::ChannelClosed, _) => ClosesConnection(504),
        (State::AwaitingHeader | State::AwaitingBody, _) => ClosesConnection(505),
        (State::ChannelClosing, "channel.close") => Answer("channel.close-ok"),
        (State::ChannelClosing, _) => Nothing,
        (State::Confirming, "basic.publish") => Answer("basic.ack"),
        (State::Confirming, "tx.select") => ClosesChannel(406),
        (State::Transactional, "confirm.select") => ClosesChannel(406),
        (State::Transactional, "tx.commit") => Answer("tx.commit-ok"),
        (State::Transactional, "tx.rollback") => Answer("tx.rollback-ok"),
        (State::Open | State::Confirming | State::Transactional, _) => on_open_channel(name),
    }
}

/// What an open channel does with each method; nothing else is for a server to receive.
fn on_open_channel(name: &str) -> Outcome {
    let table = HashMap::from([
        ("access.request", Answer("access.request-ok")),
        ("basic.ack", Nothing),
        ("basic.cancel", Answer("basic.cancel-ok")),
        ("basic.cancel-ok", Nothing),
        ("basic.consume", Answer("basic.consume-ok")),
        ("basic.get", Answer("basic.get-empty")),
        ("basic.nack", Nothing),
        ("basic.publish", Nothing),
        ("basic.qos", Answer("basic.qos-ok")),
        ("basic.recover", Answer("basic.recover-ok")),
        ("basic.recover-async", Nothing),
        ("basic.reject", ClosesChannel(406)),
        ("channel.close", Answer("channel.close-ok")),
        ("channel.flow", Answer("channel.flow-ok")),
        ("channel.open", ClosesConnection(504)),
        ("confirm.select", Answer("confirm.select-ok")),
        ("exchange.bind", Answer("exchange.bind-ok")),
        ("exchange.declare", Answer("exchange.declare-ok")),
        ("exchange.delete", Answer("exchange.delete-ok")),
        ("exchange.unbind", Answer("exchange.unbind-ok")),
        ("queue.bind", Answer("queue.bind-ok")),
        ("queue.declare", Answer("queue.declare-ok")),
        ("queue.delete", Answer("queue.delete-ok")),
        ("queue.purge", Answer("queue.purge-ok")),
        ("queue.unbind", Answer("queue.unbind-ok")),
        ("tx.commit", ClosesChannel(406)),
        ("tx.rollback", ClosesChannel(406)),
        ("tx.select", Answer("tx.select-ok")),
    ]);
    table.get(name).copied().unwrap_or(ClosesConnection(503))
}

const THREADS: usize = 4;
