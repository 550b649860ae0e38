//! Frames written by hand from the table of methods, right or wrong.

use amqp091::{Argument, ArgumentKind, Definition, METHODS, MethodId};

/// A frame, with the size and the end that belong to it.
pub(crate) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    sized_frame(kind, channel, payload.len() as u32, payload, 0xce)
}

/// A frame that claims any size and ends as it likes.
pub(crate) fn sized_frame(kind: u8, channel: u16, size: u32, payload: &[u8], end: u8) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(channel.to_be_bytes());
    out.extend(size.to_be_bytes());
    out.extend(payload);
    out.push(end);
    out
}

/// A method's payload: ids, and the arguments as written.
pub(crate) fn payload(id: MethodId, arguments: &[u8]) -> Vec<u8> {
    [&id.class.to_be_bytes()[..], &id.method.to_be_bytes(), arguments].concat()
}

/// A header frame's payload.
pub(crate) fn header(class: u16, weight: u16, size: u64, properties: &[u8]) -> Vec<u8> {
    let ids = [class.to_be_bytes(), weight.to_be_bytes()].concat();
    [&ids[..], &size.to_be_bytes(), properties].concat()
}

/// A method by its name.
pub(crate) fn definition(name: &str) -> &'static Definition {
    METHODS.iter().find(|method| method.name == name).unwrap()
}

/// The written arguments, each as `value` says or else the one that does least; neighbouring bits
/// share an octet. Each piece comes with the argument it begins with.
pub(crate) fn pieces(
    method: &Definition,
    value: impl Fn(&Argument) -> Option<Vec<u8>>,
) -> Vec<(Argument, Vec<u8>)> {
    let mut pieces: Vec<(Argument, Vec<u8>)> = Vec::new();
    let mut bit = 0;
    for argument in method.arguments {
        let written = value(argument);
        if argument.kind != ArgumentKind::Bit {
            bit = 0;
            let written = written.unwrap_or_else(|| least(argument.kind));
            pieces.push((*argument, written));
            continue;
        }
        if bit % 8 == 0 {
            pieces.push((*argument, vec![0]));
        }
        if written.is_some_and(|it| it != [0])
            && let Some((_, octet)) = pieces.last_mut()
        {
            octet[0] |= 1 << (bit % 8);
        }
        bit += 1;
    }
    pieces
}

/// The value that asks for nothing.
pub(crate) fn least(kind: ArgumentKind) -> Vec<u8> {
    match kind {
        ArgumentKind::Bit | ArgumentKind::Octet | ArgumentKind::ShortStr => vec![0],
        ArgumentKind::Short => vec![0; 2],
        ArgumentKind::Long | ArgumentKind::LongStr | ArgumentKind::Table => vec![0; 4],
        ArgumentKind::LongLong | ArgumentKind::Timestamp => vec![0; 8],
    }
}

/// The value that makes a method do something that can be done: on the things that
/// [`declare_things`](crate::state_matrix::declare_things) declares.
pub(crate) fn sensible(method: &str, argument: &Argument) -> Option<Vec<u8>> {
    let short = |text: &str| Some([&[text.len() as u8][..], text.as_bytes()].concat());
    let long = |octets: &[u8]| Some([&(octets.len() as u32).to_be_bytes()[..], octets].concat());
    match (method, argument.name) {
        ("queue.delete", "queue") | ("exchange.delete", "exchange") => short("matrix.none"),
        ("basic.publish", "exchange") => short(""),
        (_, "queue" | "exchange" | "source") => short("matrix"),
        (_, "destination") => short("matrix2"),
        (_, "type") => short("direct"),
        (_, "mechanism") => short("PLAIN"),
        ("connection.start-ok", "client-properties") => {
            long(b"\x0ccapabilitiesF\0\0\0\x1f\x1cauthentication_failure_closet\x01")
        }
        ("connection.start-ok", "response") => long(b"\0guest\0guest"),
        (_, "locale") => short("en_US"),
        ("connection.tune-ok", "channel-max") => Some(2047_u16.to_be_bytes().to_vec()),
        ("connection.tune-ok", "frame-max") => Some(131_072_u32.to_be_bytes().to_vec()),
        (_, "virtual-host") => short("/"),
        (_, "new-secret") => long(b"secret"),
        ("basic.ack" | "basic.nack", "multiple") => Some(vec![1]),
        ("basic.recover" | "basic.recover-async", "requeue") => Some(vec![1]),
        ("channel.flow", "active") => Some(vec![1]),
        ("basic.consume", "no-ack") => Some(vec![1]),
        _ => None,
    }
}

/// A method frame with sensible arguments.
pub(crate) fn sensible_method(channel: u16, method: &Definition) -> Vec<u8> {
    let pieces = pieces(method, |argument| sensible(method.name, argument));
    let arguments: Vec<u8> = pieces.into_iter().flat_map(|(_, written)| written).collect();
    frame(1, channel, &payload(method.id, &arguments))
}

/// The same, with an empty content behind it if it is to have one.
pub(crate) fn sensible_whole(channel: u16, method: &Definition) -> Vec<u8> {
    let mut out = sensible_method(channel, method);
    if method.has_content {
        out.extend(frame(2, channel, &header(60, 0, 0, &[0, 0])));
    }
    out
}
