//! Each request, with its statuses and the words of its refusals.

use amqp10::types::{Array, Kind};
use broker::{VirtualHostLimits, authorize::Permission};

use super::*;

fn publish(client: &mut Client, session: SessionId, queue: &str, bodies: &[&'static str]) {
    let to = client.sender(session, Some(&format!("/queues/{queue}")));
    client.attached();
    for (tag, body) in bodies.iter().enumerate() {
        client.send(to, tag as u64, body);
        assert_eq!(client.outcome(), DeliveryState::Accepted(Accepted {}));
    }
    client.protocol.detach(to, true, None, &mut client.out);
    client.wait(|event| matches!(event, Event::Detached { .. }));
}

#[test]
fn a_queue_is_declared_looked_at_purged_and_deleted() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    let target = "/queues/my%20%F0%9F%90%87";
    let arguments = map([("x-queue-type", "quorum".into())]);
    let body = || map([("arguments", arguments.clone()), ("exclusive", false.into())]);
    let (status, queue) = pair.ask("PUT", target, body());
    assert_eq!(status, 201);
    let replicas = Array::new(Kind::String, vec!["test".into()]).unwrap();
    let expected = map([
        ("leader", "test".into()),
        ("message_count", 0_u64.into()),
        ("consumer_count", 0_u32.into()),
        ("name", "my 🐇".into()),
        ("vhost", "/".into()),
        ("durable", true.into()),
        ("auto_delete", false.into()),
        ("exclusive", false.into()),
        ("type", "quorum".into()),
        ("arguments", arguments.clone()),
        ("replicas", replicas.into()),
    ]);
    assert_eq!(queue, expected);
    assert_eq!(pair.ask("PUT", target, body()), (200, queue.clone()));
    assert_eq!(pair.ask("GET", target, Value::Null), (200, queue));
    let session = pair.session;
    publish(&mut pair.client, session, "my%20%F0%9F%90%87", &["one", "two"]);
    let from = pair.client.receiver(session, target, false);
    pair.client.attached();
    let (_, queue) = pair.ask("GET", target, Value::Null);
    assert_eq!(field(&queue, "message_count"), 2_u64.into());
    assert_eq!(field(&queue, "consumer_count"), 1_u32.into());
    pair.client.protocol.detach(from, true, None, &mut pair.client.out);
    let count = |messages: u64| map([("message_count", messages.into())]);
    let purge = format!("{target}/messages");
    assert_eq!(pair.ask("DELETE", &purge, Value::Null), (200, count(2)));
    publish(&mut pair.client, session, "my%20%F0%9F%90%87", &["three"]);
    assert_eq!(pair.ask("DELETE", target, Value::Null), (200, count(1)));
    assert_eq!(pair.ask("DELETE", target, Value::Null), (200, count(0)));
    let gone = pair.refused("GET", target, Value::Null);
    assert_eq!(gone, (404, "queue 'my 🐇' in vhost '/' not found".to_owned()));
    let gone = pair.refused("DELETE", &purge, Value::Null);
    assert_eq!(gone, (404, "no queue 'my 🐇' in vhost '/'".to_owned()));
}

#[test]
fn what_cannot_be_done_with_a_queue_is_refused_in_rabbitmqs_words() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    let typed = |name: &str| map([("x-queue-type", name.into())]);
    for (method, target, body, status, text) in [
        (
            "PUT",
            "/queues/q",
            map([("unknown", "bla".into())]),
            400,
            "bad queue property {{utf8,<<\"unknown\">>},{utf8,<<\"bla\">>}}",
        ),
        (
            "PUT",
            "/queues/q",
            map([("durable", "yes".into())]),
            400,
            "bad queue property {{utf8,<<\"durable\">>},{utf8,<<\"yes\">>}}",
        ),
        ("PUT", "/queues/q", Value::Null, 400, "a queue is a map, not null"),
        ("PUT", "/queues/q", map([("arguments", 1_u8.into())]), 400, "arguments are a map, not"),
        ("PUT", "/queues/", map([]), 400, "declare queue with empty name not allowed"),
        (
            "PUT",
            "/queues/a%0Ab",
            map([]),
            400,
            "Bad name 'a\nb': line feed and carriage return characters not allowed",
        ),
        ("DELETE", "/queues/a%0Db", Value::Null, 400, "Bad name 'a\rb': line feed"),
        (
            "PUT",
            "/queues/amq.x",
            map([]),
            403,
            "queue 'amq.x' in vhost '/' starts with reserved prefix 'amq.'",
        ),
        (
            "PUT",
            "/queues/q",
            map([("auto_delete", true.into()), ("arguments", typed("stream"))]),
            400,
            "invalid property 'auto-delete' for queue 'q' in vhost '/'",
        ),
        (
            "PUT",
            "/queues/q",
            map([(
                "arguments",
                map([("x-queue-type", "stream".into()), ("x-dead-letter-exchange", "x".into())]),
            )]),
            409,
            "invalid arg 'x-dead-letter-exchange' for queue 'q' in vhost '/' of queue type",
        ),
        ("GET", "/queues/q", map([]), 400, "GET takes no body: {map,...}"),
        ("POST", "/queues/q", Value::Null, 405, "POST is not for /queues/q; GET, PUT, DELETE are"),
        ("PUT", "/queues/q/messages", Value::Null, 405, "PUT is not for /queues/q/messages"),
    ] {
        let (found, words) = pair.refused(method, target, body);
        assert_eq!(found, status, "{method} {target}: {words}");
        assert!(words.starts_with(text), "{words}");
    }
    let long = format!("/queues/{}", "q".repeat(256));
    assert_eq!(pair.refused("PUT", &long, map([])).0, 400);
    assert!(server.broker.vhost("/").unwrap().queues().is_empty());
    pair.declare("q");
    assert_eq!(
        pair.refused("PUT", "/queues/q", map([("auto_delete", true.into())])),
        (
            409,
            "inequivalent arg 'auto_delete' for queue 'q' in vhost '/': received 'true' but \
             current is 'false'"
                .to_owned()
        )
    );
    let (status, _) = pair.ask("PUT", "/queues/s", map([("arguments", typed("stream"))]));
    assert_eq!(status, 201);
    assert_eq!(
        pair.refused("DELETE", "/queues/s/messages", Value::Null),
        (400, "purge not supported by queue 's' in vhost '/'".to_owned())
    );
}

#[test]
fn as_many_queues_as_there_may_be_are_told_apart_from_what_differs() {
    let server = TestServer::start();
    let limits = VirtualHostLimits { max_queues: Some(0), ..VirtualHostLimits::default() };
    server.broker.set_vhost_limits("/", limits).unwrap();
    let mut pair = Pair::open(&server);
    let text = "cannot declare queue 'q': queue limit in vhost '/' (0) is reached".to_owned();
    assert_eq!(pair.refused("PUT", "/queues/q", map([])), (403, text));
}

#[test]
fn an_exclusive_queue_is_for_its_connection() {
    let server = TestServer::start();
    let mut owner = Pair::open(&server);
    let exclusive = || map([("exclusive", true.into())]);
    let (status, queue) = owner.ask("PUT", "/queues/q", exclusive());
    assert_eq!((status, field(&queue, "exclusive")), (201, true.into()));
    let binding = || {
        map([
            ("source", "amq.direct".into()),
            ("destination_queue", "q".into()),
            ("binding_key", "k".into()),
            ("arguments", map([])),
        ])
    };
    owner.done("POST", "/bindings", binding());
    let words = "cannot obtain exclusive access to locked queue 'q' in vhost '/'.";
    let (status, text) = owner.refused("PUT", "/queues/q", map([]));
    assert!(status == 400 && text.starts_with(words), "{status} {text}");
    let mut other = Pair::open(&server);
    for (method, target, body) in [
        ("PUT", "/queues/q", exclusive()),
        ("POST", "/bindings", binding()),
        ("DELETE", "/queues/q", Value::Null),
        ("DELETE", "/queues/q/messages", Value::Null),
        ("DELETE", "/bindings/src=amq.direct;dstq=q;key=k;args=", Value::Null),
    ] {
        let (status, text) = other.refused(method, target, body);
        assert!(status == 400 && text.starts_with(words), "{method} {target}: {status} {text}");
    }
    assert_eq!(other.ask("GET", "/queues/q", Value::Null).0, 200);
    owner.done("DELETE", "/bindings/src=amq.direct;dstq=q;key=k;args=", Value::Null);
    assert_eq!(owner.ask("DELETE", "/queues/q", Value::Null).0, 200);
}

#[test]
fn an_exchange_is_declared_looked_at_and_deleted() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    let arguments = || map([("x-📥", "📮".into())]);
    let body = || {
        map([
            ("type", "fanout".into()),
            ("auto_delete", true.into()),
            ("internal", false.into()),
            ("arguments", arguments()),
        ])
    };
    pair.done("PUT", "/exchanges/x%2F1", body());
    pair.done("PUT", "/exchanges/x%2F1", body());
    let expected = map([
        ("name", "x/1".into()),
        ("vhost", "/".into()),
        ("type", "fanout".into()),
        ("durable", true.into()),
        ("auto_delete", true.into()),
        ("internal", false.into()),
        ("arguments", arguments()),
    ]);
    assert_eq!(pair.ask("GET", "/exchanges/x%2F1", Value::Null), (200, expected));
    pair.done("PUT", "/exchanges/amq.direct", map([("type", "direct".into())]));
    for (method, name, body, status, text) in [
        (
            "PUT",
            "x%2F1",
            map([]),
            409,
            "inequivalent arg 'type' for exchange 'x/1' in vhost '/': received 'direct' but \
             current is 'fanout'",
        ),
        (
            "PUT",
            "y",
            map([("unknown", "bla".into())]),
            400,
            "bad exchange property {{utf8,<<\"unknown\">>},{utf8,<<\"bla\">>}}",
        ),
        ("PUT", "y", map([("type", "🤷".into())]), 400, "unknown exchange type '🤷'"),
        ("PUT", "y", Value::Null, 400, "an exchange is a map, not null"),
        ("PUT", "", map([]), 403, "operation not permitted on the default exchange"),
        ("GET", "", Value::Null, 403, "operation not permitted on the default exchange"),
        ("DELETE", "", Value::Null, 403, "operation not permitted on the default exchange"),
        (
            "PUT",
            "amq.x",
            map([]),
            403,
            "exchange 'amq.x' in vhost '/' starts with reserved prefix 'amq.'",
        ),
        (
            "DELETE",
            "amq.fanout",
            Value::Null,
            403,
            "exchange 'amq.fanout' in vhost '/' starts with reserved prefix 'amq.'",
        ),
        (
            "PUT",
            "a%0Ab",
            map([]),
            400,
            "Bad name 'a\nb': line feed and carriage return characters not allowed",
        ),
        (
            "DELETE",
            "a%0Db",
            Value::Null,
            400,
            "Bad name 'a\rb': line feed and carriage return characters not allowed",
        ),
        ("GET", "none", Value::Null, 404, "exchange 'none' in vhost '/' not found"),
    ] {
        let refused = pair.refused(method, &format!("/exchanges/{name}"), body);
        assert_eq!(refused, (status, text.to_owned()), "{method} {name}");
    }
    pair.done("DELETE", "/exchanges/x%2F1", Value::Null);
    pair.done("DELETE", "/exchanges/x%2F1", Value::Null);
    assert_eq!(pair.refused("GET", "/exchanges/x%2F1", Value::Null).0, 404);
}

#[test]
fn bindings_are_made_listed_and_taken_away_by_their_place() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    pair.declare("q%2F1");
    let arguments = |n: i64| map([("x-match", "all".into()), ("n", n.into())]);
    let to_queue = |arguments: Value| {
        map([
            ("source", "amq.headers".into()),
            ("destination_queue", "q/1".into()),
            ("binding_key", "k 1".into()),
            ("arguments", arguments),
        ])
    };
    for arguments in [map([]), arguments(1), arguments(2), arguments(2)] {
        pair.done("POST", "/bindings", to_queue(arguments));
    }
    let list = "/bindings?src=amq.headers&dstq=q%2F1&key=k%201";
    let (status, bindings) = pair.ask("GET", list, Value::Null);
    let Value::List(bindings) = bindings else { panic!("{bindings:?}") };
    assert_eq!((status, bindings.len()), (200, 3));
    let found = bindings.iter().find(|it| field(it, "arguments") == arguments(2)).unwrap();
    assert_eq!(field(found, "source"), "amq.headers".into());
    assert_eq!(field(found, "destination_queue"), "q/1".into());
    assert_eq!(field(found, "binding_key"), "k 1".into());
    let Value::String(place) = field(found, "location") else { panic!("{found:?}") };
    assert!(place.starts_with("/bindings/src=amq.headers;dstq=q%2F1;key=k%201;args="), "{place}");
    pair.done("DELETE", &place, Value::Null);
    pair.done("DELETE", &place, Value::Null);
    let plain = "/bindings/src=amq.headers;dstq=q%2F1;key=k%201;args=";
    pair.done("DELETE", plain, Value::Null);
    let (_, bindings) = pair.ask("GET", list, Value::Null);
    let Value::List(bindings) = bindings else { panic!("{bindings:?}") };
    assert!(matches!(&bindings[..], [one] if field(one, "arguments") == arguments(1)));
    let to_exchange = map([
        ("source", "amq.topic".into()),
        ("destination_exchange", "amq.fanout".into()),
        ("binding_key", "#".into()),
        ("arguments", map([])),
    ]);
    pair.done("POST", "/bindings", to_exchange);
    let (_, bindings) =
        pair.ask("GET", "/bindings?src=amq.topic&dste=amq.fanout&key=%23", Value::Null);
    let Value::List(bindings) = bindings else { panic!("{bindings:?}") };
    assert_eq!(field(&bindings[0], "destination_exchange"), "amq.fanout".into());
    let place = "/bindings/src=amq.topic;dste=amq.fanout;key=%23;args=";
    assert_eq!(field(&bindings[0], "location"), place.into());
    pair.done("DELETE", place, Value::Null);
    assert!(server.broker.vhost("/").unwrap().bindings().len() == 1, "one is left");
}

#[test]
fn what_cannot_be_bound_is_refused_in_rabbitmqs_words() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    pair.declare("q");
    let binding = |source: &str, end: &str, destination: &str| {
        map([
            ("source", source.into()),
            (end, destination.into()),
            ("binding_key", "k".into()),
            ("arguments", map([])),
        ])
    };
    let (queue, exchange) = ("destination_queue", "destination_exchange");
    let default = "operation not permitted on the default exchange";
    for (body, status, text) in [
        (binding("", queue, "q"), 403, default),
        (binding("amq.fanout", exchange, ""), 403, default),
        (binding("a\nb", exchange, "amq.fanout"), 400, "Bad name 'a\nb': line feed and"),
        (binding("amq.fanout", exchange, "a\rb"), 400, "Bad name 'a\rb': line feed and"),
        (binding("amq.direct", queue, "none"), 400, "no queue 'none' in vhost '/'"),
        (binding("none", queue, "q"), 400, "no exchange 'none' in vhost '/'"),
        (binding("amq.direct", "key", "q"), 400, "bad binding field {{utf8,<<\"key\">>},"),
        (map([("source", "amq.direct".into())]), 400, "missing binding field 'destination_queue'"),
        (map([("destination_queue", "q".into())]), 400, "missing binding field 'source'"),
        (Value::Null, 400, "a binding is a map, not null"),
    ] {
        let (found, words) = pair.refused("POST", "/bindings", body);
        assert_eq!(found, status, "{words}");
        assert!(words.starts_with(text), "{words}");
    }
    let long = map([
        ("source", "amq.direct".into()),
        ("destination_queue", "q".into()),
        ("binding_key", "k".repeat(256).as_str().into()),
    ]);
    let (status, words) = pair.refused("POST", "/bindings", long);
    assert_eq!((status, &*words), (400, "a binding key of 256 bytes; 255 are the most"));
    for (method, target, status, text) in [
        ("DELETE", "/bindings/src=e;dstq=q;x=k;args=", 400, "bad binding path segment 'src=e;"),
        ("DELETE", "/bindings", 405, "DELETE is not for /bindings; GET, POST are"),
        ("PUT", "/bindings/x", 405, "PUT is not for /bindings/x; DELETE are"),
        ("GET", "/bindings", 400, "missing 'src' in query: "),
        ("GET", "/bindings?src=x", 400, "missing 'key' in query: src=x"),
        ("GET", "/bindings?src=x&key=k", 400, "missing 'dste' or 'dstq' in query: src=x&key=k"),
        ("GET", "/bindings?src=&dstq=q&key=k", 403, default),
        ("GET", "/bindings?src=%FF&dstq=q&key=k", 400, "'%FF' is not percent-encoded UTF-8"),
    ] {
        let (found, words) = pair.refused(method, target, Value::Null);
        assert_eq!(found, status, "{method} {target}: {words}");
        assert!(words.starts_with(text), "{words}");
    }
    // Neither end is there: then there is none of theirs.
    pair.done("DELETE", "/bindings/src=none;dstq=none;key=;args=", Value::Null);
    let (status, bindings) = pair.ask("GET", "/bindings?src=x&dstq=q&key=", Value::Null);
    assert_eq!((status, bindings), (200, Vec::new().into()));
}

#[test]
fn a_token_is_nothing_to_log_in_by() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    let token = Value::Binary(Bytes::from_static(b"token"));
    let (status, text) = pair.refused("PUT", "/auth/tokens", token);
    assert!(status == 501 && text.starts_with("a token changes nothing"), "{status} {text}");
    assert_eq!(pair.refused("PUT", "/auth/tokens", "token").0, 400);
    assert_eq!(pair.refused("GET", "/auth/tokens", Value::Null).0, 405);
}

#[test]
fn what_is_no_request_is_answered_and_the_pair_goes_on() {
    let server = TestServer::start();
    let mut pair = Pair::open(&server);
    for (target, status, text) in [
        ("👎", 400, "failed to normalize URI '👎': invalid_uri \"👎\""),
        ("/queues/%zz", 400, "failed to normalize URI '/queues/%zz'"),
        ("/queues/%FF", 400, "'%FF' is not percent-encoded UTF-8"),
        ("queues/q", 400, "the target 'queues/q' does not begin with a slash"),
        ("", 400, "the target '' does not begin with a slash"),
        ("/", 404, "nothing is at /; there are /queues/QUEUE"),
        ("/vhosts/x", 404, "nothing is at /vhosts/x; there are /queues/QUEUE"),
        ("/queues/q/messages/x", 404, "nothing is at /queues/q/messages/x"),
    ] {
        let (found, words) = pair.refused("GET", target, Value::Null);
        assert_eq!(found, status, "{target}: {words}");
        assert!(words.starts_with(text), "{words}");
    }
    for (method, to, reply_to, text) in [
        (None, Some("/queues/q"), Some("$me"), "a request says its method"),
        (Some("GET"), None, Some("$me"), "a request says what it is about"),
        (Some("GET"), Some("/queues/q"), None, "a request says '$me'"),
        (Some("GET"), Some("/queues/q"), Some("q"), "a request says '$me'"),
    ] {
        pair.client.protocol.grant(pair.answers, 1, false, &mut pair.client.out);
        let mut message = pair.head(method, to, reply_to);
        encode_value(&Value::Null, &mut message);
        pair.send_message(&message);
        let (status, body) = pair.answer();
        assert!(status == 400 && body.as_text().unwrap().starts_with(text), "{body:?}");
    }
    // Without a body, and with one of another kind.
    pair.client.protocol.grant(pair.answers, 2, false, &mut pair.client.out);
    let message = pair.head(Some("GET"), Some("/queues/q"), Some("$me"));
    pair.send_message(&message);
    assert_eq!(pair.answer().0, 404);
    // RabbitMQ's client for Python writes a null body over the header.
    pair.client.protocol.grant(pair.answers, 2, false, &mut pair.client.out);
    let message = pair.head(Some("GET"), Some("/queues/q"), Some("$me"));
    pair.send_message(&[b"\0\x53\x77\x40", &message[..]].concat());
    assert_eq!(pair.answer().0, 404);
    let mut message = pair.head(Some("PUT"), Some("/queues/q"), Some("$me"));
    encode_data(&Bytes::from_static(b"{}"), &mut message);
    pair.send_message(&message);
    let (status, body) = pair.answer();
    assert_eq!((status, body), (400, "the body of a request is an amqp-value section".into()));
    pair.declare("q");
}

#[test]
fn who_may_not_loses_the_session_as_in_rabbitmq() {
    let server = TestServer::start();
    let vhost = server.broker.vhost("/").unwrap();
    let mut pair = Pair::open(&server);
    pair.declare("q");
    let nothing = Permission::new("^$", "^$", "^$").unwrap();
    server.broker.set_permission("guest", "/", nothing).unwrap();
    let binding = || {
        map([
            ("source", "amq.direct".into()),
            ("destination_queue", "q".into()),
            ("binding_key", "k".into()),
            ("arguments", map([])),
        ])
    };
    let dead_lettered = || map([("arguments", map([("x-dead-letter-exchange", "x".into())]))]);
    for (method, target, body, right, what) in [
        ("GET", "/queues/q", Value::Null, "configure", "queue 'q'"),
        ("PUT", "/queues/q", map([]), "configure", "queue 'q'"),
        ("PUT", "/queues/new", dead_lettered(), "configure", "queue 'new'"),
        ("DELETE", "/queues/q", Value::Null, "configure", "queue 'q'"),
        ("DELETE", "/queues/q/messages", Value::Null, "read", "queue 'q'"),
        ("GET", "/exchanges/amq.topic", Value::Null, "configure", "exchange 'amq.topic'"),
        ("PUT", "/exchanges/x", map([]), "configure", "exchange 'x'"),
        ("DELETE", "/exchanges/x", Value::Null, "configure", "exchange 'x'"),
        ("POST", "/bindings", binding(), "write", "queue 'q'"),
        ("GET", "/bindings?src=amq.direct&dstq=q&key=k", Value::Null, "write", "queue 'q'"),
        (
            "DELETE",
            "/bindings/src=amq.direct;dstq=q;key=k;args=",
            Value::Null,
            "write",
            "queue 'q'",
        ),
    ] {
        pair.client.protocol.grant(pair.answers, 1, false, &mut pair.client.out);
        pair.send(method, target, body);
        let text = format!(
            "amqp:unauthorized-access: {right} access to {what} in vhost '/' refused for user \
             'guest'"
        );
        assert_eq!(pair.session_end(), text, "{method} {target}");
        let session = pair.client.protocol.begin(&mut pair.client.out).unwrap();
        pair.client.wait(|event| matches!(event, Event::Begun { .. }));
        pair = Pair::on(pair.client, session);
    }
    let read_and_write = |read: &str, write: &str| {
        let permission = Permission::new("^new$", write, read).unwrap();
        server.broker.set_permission("guest", "/", permission).unwrap();
    };
    for (read, what) in
        [("^$", "read access to queue 'new'"), ("^new$", "write access to exchange")]
    {
        read_and_write(read, "^$");
        pair.client.protocol.grant(pair.answers, 1, false, &mut pair.client.out);
        pair.send("PUT", "/queues/new", dead_lettered());
        let text = pair.session_end();
        assert!(text.starts_with(&format!("amqp:unauthorized-access: {what}")), "{text}");
        let session = pair.client.protocol.begin(&mut pair.client.out).unwrap();
        pair.client.wait(|event| matches!(event, Event::Begun { .. }));
        pair = Pair::on(pair.client, session);
    }
    read_and_write("^new$", "^x$");
    assert_eq!(pair.ask("PUT", "/queues/new", dead_lettered()).0, 201);
    // Any right will do to look.
    assert_eq!(pair.ask("GET", "/queues/new", Value::Null).0, 200);
    assert!(vhost.has_queue("q"), "nothing else happened");
}
