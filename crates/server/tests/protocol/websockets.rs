//! AMQP over WebSockets, past the opening handshake: HTTP's is tested where HTTP is.

use std::{
    net::{TcpListener, TcpStream},
    time::Duration,
};

use amqp091::PROTOCOL_HEADER;
use bytes::Bytes;
use server::Limits;
use tungstenite::{
    Message, WebSocket,
    protocol::{CloseFrame, Role, frame::coding::CloseCode},
};

use crate::server::TestServer;

type Client = WebSocket<TcpStream>;

/// A socket that the server took over, with what was read of it already.
fn opened(server: &TestServer, read: &'static [u8]) -> Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (taken, _) = listener.accept().unwrap();
    taken.set_nonblocking(true).unwrap();
    let place = server.websockets().admit().unwrap();
    let _inside = server.enter();
    place.serve(tokio::net::TcpStream::from_std(taken).unwrap(), Bytes::from_static(read));
    Client::from_raw_socket(client, Role::Client, None)
}

/// What comes until the server closes, and the code with which it does.
fn rest(mut client: Client) -> (Vec<u8>, CloseCode) {
    let mut octets = Vec::new();
    loop {
        match client.read().unwrap() {
            Message::Binary(more) => octets.extend_from_slice(&more),
            Message::Close(why) => return (octets, why.unwrap().code),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn both_versions_are_spoken_wherever_frames_end() {
    let server = TestServer::start();
    // The answer's first octets: a method frame on channel 0, and SASL's header.
    let cases = [(PROTOCOL_HEADER, [1, 0, 0]), (*b"AMQP\x03\x01\0\0", *b"AMQ")];
    for (header, begins) in cases {
        for size in [1, 3, 8] {
            let mut client = opened(&server, b"");
            for piece in header.chunks(size) {
                client.send(Message::binary(piece.to_vec())).unwrap();
            }
            let Message::Binary(answer) = client.read().unwrap() else { panic!("no answer") };
            assert_eq!(answer[..3], begins);
        }
    }
}

#[test]
fn what_was_read_with_the_opening_counts() {
    let server = TestServer::start();
    // A frame masked with zeros: what it says can be read here.
    let mut client = opened(&server, b"\x82\x86\0\0\0\0AMQP\0\0");
    client.send(Message::binary(&b"\x09\x01"[..])).unwrap();
    let Message::Binary(answer) = client.read().unwrap() else { panic!("no answer") };
    assert_eq!(answer[..3], [1, 0, 0]);
}

#[test]
fn another_protocol_is_answered_with_ours_and_a_close() {
    let server = TestServer::start();
    let mut client = opened(&server, b"");
    client.send(Message::binary(&b"AMQP\0\0\x08\0"[..])).unwrap();
    assert_eq!(rest(client), (PROTOCOL_HEADER.to_vec(), CloseCode::Normal));
}

#[test]
fn who_breaks_the_protocol_is_told_before_and_after_amqp_began() {
    let server = TestServer::start();
    let mut client = opened(&server, b"");
    client.send(Message::text("AMQP")).unwrap();
    assert_eq!(rest(client), (Vec::new(), CloseCode::Unsupported));
    let mut client = opened(&server, b"");
    client.send(Message::binary(PROTOCOL_HEADER.to_vec())).unwrap();
    client.read().unwrap();
    client.send(Message::text("and now?")).unwrap();
    assert_eq!(rest(client).1, CloseCode::Unsupported);
    // Not masked, in what came with the opening.
    assert_eq!(rest(opened(&server, b"\x82\x01A")).1, CloseCode::Protocol);
    server.wait_until_idle();
}

#[test]
fn who_closes_is_answered_with_the_same_code() {
    let server = TestServer::start();
    let mut client = opened(&server, b"");
    client.send(Message::binary(PROTOCOL_HEADER.to_vec())).unwrap();
    client.read().unwrap();
    client.close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() })).unwrap();
    assert_eq!(rest(client).1, CloseCode::Away);
}

#[test]
fn places_are_those_of_all_sockets_and_silence_ends() {
    let handshake_timeout = Duration::from_millis(200);
    let limits = Limits { connections_max: 1, handshake_timeout, ..Limits::default() };
    let server = TestServer::with_limits(limits);
    let mut silent = opened(&server, b"");
    // As many as there may be that have not opened a connection yet; the listener keeps one, for
    // who comes next.
    let admitted = || std::iter::from_fn(|| server.websockets().admit()).collect::<Vec<_>>();
    let places = admitted();
    assert!((63..=64).contains(&places.len()), "{} places", places.len());
    assert!(silent.read().is_err(), "nothing is said to who says nothing");
    server.wait_until_idle();
    drop(places);
    assert!(admitted().len() >= 64, "its place is free again");
}
