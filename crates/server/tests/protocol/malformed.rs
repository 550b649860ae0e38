//! A corpus of what no client sends, generated from the table of methods (reliability S2): fields
//! at their bounds and beyond, lengths that lie, bad UTF-8, nesting, frames and contents out of
//! shape.
//!
//! Whatever it is, the answer comes within a second and is one that the protocol has: the code that
//! the case asks for, or, where a value is only unusual, anything legal. Then the server serves the
//! next connection.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use amqp091::{
    Argument, ArgumentKind, Definition, METHODS, Method, ReplyCode,
    method::{channel, connection},
};

use crate::{
    client::{Client, Said, open},
    server::TestServer,
    state_matrix::declare_things,
    wire::{definition, frame, header, payload, pieces, sensible, sized_frame},
};

/// Octets to send, and the reply codes they may be answered with. No codes: anything legal.
struct Case {
    name: String,
    at: Stage,
    octets: Vec<u8>,
    codes: &'static [u16],
}

/// How far the connection is when the octets come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// After `connection.start`.
    Starting,
    /// After `connection.tune`.
    Tuning,
    /// After `tune-ok`.
    Opening,
    /// Open, with an open channel 1.
    Open,
}

#[test]
fn whatever_is_malformed_is_answered_within_a_second_and_harms_nobody_else() {
    let server = TestServer::start();
    declare_things(&server);
    let mut cases = Vec::new();
    METHODS.iter().for_each(|method| methods(method, &mut cases));
    frames(&mut cases);
    contents(&mut cases);
    unknown_methods(&mut cases);
    tags_never_given(&mut cases);
    assert!(cases.len() >= 2_000, "{} cases", cases.len());
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<String, usize>::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = check(&server, case);
                    *tally.lock().unwrap().entry(answer).or_default() += 1;
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{} cases: {tally:?}", cases.len());
    server.wait_until_idle();
    let close = Client::open_channel(&server).call(1, &channel::Close::default());
    assert_eq!(close.name(), "channel.close-ok");
}

/// Sends a case and looks at what comes, up to the answer of a probe or the end.
fn check(server: &TestServer, case: &Case) -> String {
    let mut client = match case.at {
        Stage::Open => Client::open_channel(server),
        before => {
            let mut client = Client::connect(server);
            match before {
                Stage::Starting => {
                    client.send_octets(&amqp091::PROTOCOL_HEADER);
                    assert_eq!(client.method(0).name(), "connection.start");
                }
                Stage::Tuning => drop(client.logged_in()),
                _ => drop(client.tuned(2047, 131_072)),
            }
            client
        }
    };
    client.purpose.clone_from(&case.name);
    client.send_octets(&case.octets);
    // Answered if the connection goes on. At another stage than it belongs to it is an error, and
    // answered too.
    match case.at {
        Stage::Open => client.send(PROBE, &channel::Open::default()),
        _ => client.send(0, &open()),
    }
    let found = answer(&mut client, case);
    if !case.codes.is_empty() {
        let expected: Vec<String> = case.codes.iter().map(u16::to_string).collect();
        assert!(expected.contains(&found), "{}: expected {expected:?}, got {found}", case.name);
    }
    found
}

/// The code of the close that came, or what else ended the wait.
fn answer(client: &mut Client, case: &Case) -> String {
    let soft = [311, 312, 313, 403, 404, 405, 406];
    let mut closed = None;
    loop {
        match client.said() {
            Said::End => return closed.unwrap_or_else(|| "end".to_owned()),
            Said::Method(0, Method::ConnectionClose(close)) => {
                let code = ReplyCode::from_number(close.reply_code);
                assert!(code.is_some(), "{}: {close:?}", case.name);
                let head = code.map(ReplyCode::name).unwrap_or_default();
                assert!(close.reply_text.starts_with(head), "{}: {close:?}", case.name);
                client.send(0, &connection::CloseOk {});
                closed = Some(close.reply_code.to_string());
            }
            Said::Method(1, Method::ChannelClose(close)) => {
                assert!(soft.contains(&close.reply_code), "{}: {close:?}", case.name);
                closed = Some(close.reply_code.to_string());
            }
            Said::Method(PROBE, Method::ChannelOpenOk(_)) | Said::Method(0, _) => {
                return closed.unwrap_or_else(|| "legal".to_owned());
            }
            Said::Method(1, _) | Said::Content(1, _) => {}
            other => panic!("{}: {other:?}", case.name),
        }
    }
}

/// Where a method belongs.
fn stage(method: &Definition) -> (Stage, u16) {
    match method.name {
        "connection.start-ok" | "connection.secure-ok" => (Stage::Starting, 0),
        "connection.tune-ok" => (Stage::Tuning, 0),
        "connection.open" => (Stage::Opening, 0),
        name if name.starts_with("connection.") => (Stage::Open, 0),
        _ => (Stage::Open, 1),
    }
}

/// A method with each of its fields wrong in every way there is.
fn methods(method: &'static Definition, cases: &mut Vec<Case>) {
    let (at, channel) = stage(method);
    let whole = pieces(method, |argument| sensible(method.name, argument));
    let joined: Vec<u8> = whole.iter().flat_map(|(_, written)| written.clone()).collect();
    let mut add = |name: String, arguments: &[u8], codes| {
        let octets = frame(1, channel, &payload(method.id, arguments));
        cases.push(Case { name: format!("{} with {name}", method.name), at, octets, codes });
    };
    for end in 0..joined.len() {
        add(format!("{end} of {} octets", joined.len()), &joined[..end], FRAME_ERROR);
    }
    add("an octet too many".to_owned(), &[&joined[..], &[0]].concat(), FRAME_ERROR);
    for (index, (argument, _)) in whole.iter().enumerate() {
        for (name, value, codes) in values(argument) {
            let mut changed: Vec<Vec<u8>> = whole.iter().map(|(_, it)| it.clone()).collect();
            changed[index] = value;
            add(format!("{} {name}", argument.name), &changed.concat(), codes);
        }
    }
}

type Value = (String, Vec<u8>, &'static [u16]);

/// The values of a field at its bounds and beyond.
fn values(argument: &Argument) -> Vec<Value> {
    let number = |bytes: usize| {
        let top = [0x7f, 0x80, 0xff].map(|first| {
            let mut written = vec![if first == 0x80 { 0 } else { 0xff }; bytes];
            written[0] = first;
            written
        });
        let mut one = vec![0; bytes];
        one[bytes - 1] = 1;
        let mut all = vec![vec![0; bytes], one, vec![0xfe; bytes]];
        all.extend(top);
        all.into_iter().map(|it| (format!("of {it:?}"), it, ANYTHING)).collect()
    };
    match argument.kind {
        ArgumentKind::Bit => [0, 1, 2, 0x1f, 0xe0, 0xff]
            .map(|bits| (format!("and its neighbours of {bits:#x}"), vec![bits], ANYTHING))
            .into(),
        ArgumentKind::Octet => number(1),
        ArgumentKind::Short => number(2),
        ArgumentKind::Long => number(4),
        ArgumentKind::LongLong | ArgumentKind::Timestamp => number(8),
        ArgumentKind::ShortStr => short_strings(),
        ArgumentKind::LongStr => long_strings(),
        ArgumentKind::Table => tables(),
    }
}

fn short(octets: &[u8]) -> Vec<u8> {
    [&[octets.len() as u8][..], octets].concat()
}

fn long(octets: &[u8]) -> Vec<u8> {
    [&(octets.len() as u32).to_be_bytes()[..], octets].concat()
}

fn short_strings() -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for length in [0, 1, 254, 255] {
        all.push((format!("of {length} octets"), short(&vec![b'n'; length]), ANYTHING));
    }
    for (name, text) in [
        ("a NUL", "a\0b"),
        ("line breaks", "\r\n"),
        ("markup", "<script>"),
        ("an override", "a\u{202e}b"),
        ("a reserved prefix", "amq.x"),
        ("a pattern", "#.*.#"),
        ("the reply pseudo-queue", "amq.rabbitmq.reply-to"),
        ("somebody's reply queue", "amq.rabbitmq.reply-to.x"),
    ] {
        all.push((format!("of {name}"), short(text.as_bytes()), ANYTHING));
    }
    for octets in
        [&b"\xff"[..], b"\x80", b"ok\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"]
    {
        all.push((format!("of no UTF-8 {octets:?}"), short(octets), SYNTAX_ERROR));
    }
    // Whatever it takes from what follows, the sum cannot be right.
    all.push(("longer than the frame".to_owned(), vec![255, b'n'], FRAME_ERROR_OR_SYNTAX));
    all
}

fn long_strings() -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for octets in [&b""[..], b"\0", b"\0\0", b"\0\0\0", &[0xff; 1000], b"\0guest\0wrong"] {
        all.push((format!("of {} octets", octets.len()), long(octets), ANYTHING));
    }
    for length in [u32::MAX, 0x7fff_ffff, 0x8000_0000, 100_000] {
        let lie = [&length.to_be_bytes()[..], b"n"].concat();
        all.push((format!("that claims {length} octets"), lie, FRAME_ERROR));
    }
    all
}

fn tables() -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let field = |name: &[u8], value: &[u8]| [&short(name)[..], value].concat();
    for (tag, size) in SIZED_TAGS {
        let value = [&[*tag][..], &vec![0xff; *size]].concat();
        let name = char::from(*tag);
        all.push((format!("of a {name}"), long(&field(b"k", &value)), ANYTHING));
        if *size > 0 {
            let cut = &value[..value.len() - 1];
            all.push((format!("of a {name} cut short"), long(&field(b"k", cut)), FRAME_ERROR));
        }
    }
    for tag in *b"SxAF" {
        let name = char::from(tag);
        for (says, octets) in [(0, 0), (5, 4), (u32::MAX, 1), (0x7fff_ffff, 0)] {
            let value = [&[tag][..], &u32::to_be_bytes(says), &vec![b'V'; octets]].concat();
            let codes = if says == 0 { ANYTHING } else { FRAME_ERROR };
            let what = format!("of a {name} that claims {says} octets of {octets}");
            all.push((what, long(&field(b"k", &value)), codes));
        }
    }
    for tag in [0, b'?', b'N', b'n', b'U', 0x7f, 0xff] {
        let what = format!("of an unknown type {tag:#x}");
        all.push((what, long(&field(b"k", &[tag])), SYNTAX_ERROR));
    }
    for depth in [1, 31, 32, 33, 100, 1_000] {
        let codes = if depth > 32 { SYNTAX_ERROR } else { ANYTHING };
        for tag in *b"AF" {
            let what = format!("of {depth} {} in each other", char::from(tag));
            all.push((what, long(&field(b"k", &nested(tag, depth))), codes));
        }
    }
    all.push((
        "with a name that is no UTF-8".to_owned(),
        long(&field(b"\xff", b"V")),
        SYNTAX_ERROR,
    ));
    all.push(("with an empty name".to_owned(), long(&field(b"", b"V")), ANYTHING));
    all.push(("with a name alone".to_owned(), long(b"\x01k"), FRAME_ERROR));
    all.push(("of the same name twice".to_owned(), long(b"\x01kV\x01kt\x01"), ANYTHING));
    all.push(("of 1024 fields".to_owned(), long(&b"\x01kV".repeat(1024)), ANYTHING));
    all.push(("of 2048 fields".to_owned(), long(&b"\x01kV".repeat(2048)), ANYTHING));
    for says in [1, 100_000, u32::MAX] {
        let what = format!("that claims {says} octets of none");
        all.push((what, u32::to_be_bytes(says).to_vec(), FRAME_ERROR_OR_SYNTAX));
    }
    all
}

/// Values that lie in each other, `depth` of them.
fn nested(tag: u8, depth: usize) -> Vec<u8> {
    let mut value = vec![b'V'];
    for _ in 0..depth {
        let inner = if tag == b'F' { [b"\x01k", &value[..]].concat() } else { value };
        value = [&[tag][..], &long(&inner)].concat();
    }
    value
}

/// Frames out of shape.
fn frames(cases: &mut Vec<Case>) {
    let qos = definition("basic.qos");
    let method = payload(qos.id, &[0; 7]);
    let mut add = |name: String, octets: Vec<u8>, codes| {
        cases.push(Case { name, at: Stage::Open, octets, codes });
    };
    for end in [0, 1, 0xcd, 0xcf, 0xff] {
        let octets = sized_frame(1, 1, method.len() as u32, &method, end);
        add(format!("a frame that ends with {end:#x}"), octets, FRAME_ERROR);
    }
    for kind in (0..=255).filter(|kind| ![1, 2, 3, 8].contains(kind)) {
        add(format!("a frame of type {kind}"), frame(kind, 1, &method), FRAME_ERROR);
    }
    for size in [0, 1, 3, method.len() as u32 - 1] {
        let octets = sized_frame(1, 1, size, &method, 0xce);
        add(format!("a frame that says {size} octets"), octets, FRAME_ERROR);
    }
    for size in [131_073, 1 << 24, 0x7fff_ffff, u32::MAX] {
        for kind in [1, 2, 3, 8] {
            let octets = sized_frame(kind, 1, size, b"", 0xce);
            let codes = if kind == 8 { HEARTBEAT } else { FRAME_ERROR };
            add(format!("a frame of type {kind} that says {size} octets"), octets, codes);
        }
    }
    for channel in [1, 2, 0x7fff, 0xffff] {
        add(format!("a heartbeat on channel {channel}"), frame(8, channel, b""), UNEXPECTED);
    }
    for size in [1, 8, 100] {
        add(format!("a heartbeat of {size} octets"), frame(8, 0, &vec![0; size]), FRAME_ERROR);
    }
    for size in 0..4 {
        add(format!("a method of {size} octets"), frame(1, 1, &method[..size]), FRAME_ERROR);
    }
    for kind in [2, 3] {
        add(format!("type {kind} on channel 0"), frame(kind, 0, &method), UNEXPECTED);
        add(format!("type {kind} out of turn"), frame(kind, 1, &method), UNEXPECTED);
        add(format!("type {kind} on channel 5"), frame(kind, 5, &method), UNEXPECTED);
    }
    add("heartbeats, as many as you like".to_owned(), frame(8, 0, b"").repeat(1000), ANYTHING);
}

/// Content out of shape: headers, properties, bodies.
fn contents(cases: &mut Vec<Case>) {
    let publish = definition("basic.publish");
    let arguments: Vec<u8> = pieces(publish, |it| sensible(publish.name, it))
        .into_iter()
        .flat_map(|(_, written)| written)
        .collect();
    let begin = frame(1, 1, &payload(publish.id, &arguments));
    let mut add = |name: String, rest: &[Vec<u8>], codes| {
        let octets = [&begin[..], &rest.concat()].concat();
        cases.push(Case { name: format!("publish, then {name}"), at: Stage::Open, octets, codes });
    };
    let head = |payload: &[u8]| frame(2, 1, payload);
    for class in [0, 10, 50, 61, 90, 0xffff] {
        let octets = head(&header(class, 0, 0, &[0, 0]));
        add(format!("a header of class {class}"), &[octets], UNEXPECTED);
    }
    for weight in [1, 0x8000, 0xffff] {
        add(format!("weight {weight}"), &[head(&header(60, weight, 0, &[0, 0]))], UNEXPECTED);
    }
    for (size, codes) in [
        ((16 << 20) + 1, PRECONDITION),
        (512 << 20, PRECONDITION),
        ((512 << 20) + 1, FRAME_ERROR),
        (u64::MAX >> 1, FRAME_ERROR),
        (u64::MAX, FRAME_ERROR),
    ] {
        add(format!("a body of {size} octets"), &[head(&header(60, 0, size, &[0, 0]))], codes);
    }
    let whole = header(60, 0, 0, &[0, 0]);
    for end in 0..whole.len() {
        // A class cut in two is no class; anything later is a header cut short.
        add(format!("{end} octets of a header"), &[head(&whole[..end])], FRAME_ERROR);
    }
    for bit in 2..16 {
        let flags = (1_u16 << bit).to_be_bytes();
        let name = format!("property {bit}");
        add(format!("{name} without a value"), &[head(&header(60, 0, 0, &flags))], FRAME_ERROR);
        for value in [&b"\x01"[..], b"\x01\xff", b"\xff", &[0xff; 4], &[0; 8], &[0; 40]] {
            let list = [&flags[..], value].concat();
            add(format!("{name} of {value:?}"), &[head(&header(60, 0, 0, &list))], ANYTHING);
        }
    }
    for flags in [1_u16, 2, 3, 0xffff] {
        let octets = head(&header(60, 0, 0, &flags.to_be_bytes()));
        add(format!("flags {flags:#x}"), &[octets], SYNTAX_ERROR);
    }
    for (name, table, codes) in tables() {
        let list = [&0x2000_u16.to_be_bytes()[..], &table].concat();
        add(format!("headers {name}"), &[head(&header(60, 0, 0, &list))], codes);
    }
    let ten = || head(&header(60, 0, 10, &[0, 0]));
    let body = |size: usize| frame(3, 1, &vec![b'b'; size]);
    add("a body that is too long".to_owned(), &[ten(), body(11)], FRAME_ERROR);
    add("a body too long in pieces".to_owned(), &[ten(), body(9), body(2)], FRAME_ERROR);
    add("a body after no body".to_owned(), &[head(&whole), body(1)], UNEXPECTED);
    add("a body without a header".to_owned(), &[body(1)], UNEXPECTED);
    add("two headers".to_owned(), &[ten(), ten()], UNEXPECTED);
    add("half a body and a method".to_owned(), &[ten(), body(5), begin.clone()], UNEXPECTED);
    add("a method at once".to_owned(), std::slice::from_ref(&begin), UNEXPECTED);
    add("empty bodies".to_owned(), &[ten(), body(0).repeat(1000), body(10)], ANYTHING);
    add("a body by octets".to_owned(), &[ten(), body(1).repeat(10)], ANYTHING);
    add("nothing more".to_owned(), &[ten(), body(5)], ANYTHING);
}

/// Ids that name no method.
fn unknown_methods(cases: &mut Vec<Case>) {
    for class in [0, 1, 10, 20, 30, 40, 50, 60, 85, 90, 100, 0xffff] {
        for method in [0, 1, 9, 12, 32, 49, 69, 99, 121, 0x8000, 0xffff] {
            let id = amqp091::MethodId { class, method };
            if METHODS.iter().any(|known| known.id == id) {
                continue;
            }
            cases.push(Case {
                name: format!("method {class}.{method}"),
                at: Stage::Open,
                octets: frame(1, u16::from(class != 10), &payload(id, b"")),
                codes: &[540],
            });
        }
    }
}

/// Acknowledgements of what was never delivered.
fn tags_never_given(cases: &mut Vec<Case>) {
    for name in ["basic.ack", "basic.nack", "basic.reject"] {
        for tag in [1, 2, u64::from(u32::MAX), 1 << 63, u64::MAX] {
            for bits in [0, 1, 2, 3, 0xff] {
                let method = definition(name);
                let arguments = [&tag.to_be_bytes()[..], &[bits]].concat();
                cases.push(Case {
                    name: format!("{name} of {tag} with {bits:#x}"),
                    at: Stage::Open,
                    octets: frame(1, 1, &payload(method.id, &arguments)),
                    codes: PRECONDITION,
                });
            }
        }
    }
}

/// Types of fixed size, by their octet.
const SIZED_TAGS: &[(u8, usize)] = &[
    (b'V', 0),
    (b't', 1),
    (b'b', 1),
    (b'B', 1),
    (b's', 2),
    (b'u', 2),
    (b'I', 4),
    (b'i', 4),
    (b'f', 4),
    (b'D', 5),
    (b'l', 8),
    (b'L', 8),
    (b'd', 8),
    (b'T', 8),
];

const ANYTHING: &[u16] = &[];
const FRAME_ERROR: &[u16] = &[501];
const SYNTAX_ERROR: &[u16] = &[502];
const FRAME_ERROR_OR_SYNTAX: &[u16] = &[501, 502];
const UNEXPECTED: &[u16] = &[505];
const HEARTBEAT: &[u16] = &[501, 505];
const PRECONDITION: &[u16] = &[406];

/// The channel that shows whether the connection goes on.
const PROBE: u16 = 77;

const THREADS: usize = 4;
