//! The parts of a message's way, each alone: `tubepost-benches PART MESSAGES` does one so many
//! times and says nothing. Without words it lists them: name, messages worth counting, what it
//! does. `cargo xtask bench --instructions` runs it under valgrind. `tubepost-benches bodies`
//! prints the table of docs/events.md.

#![allow(clippy::print_stdout, reason = "it is a command")]

mod append;
mod bodies;
mod decode;
mod encode;
mod endpoint;
mod route;
mod select;
mod transfer;

use std::process::ExitCode;

/// One part: prepared once, then done so many times.
struct Part {
    name: &'static str,
    what: &'static str,
    /// Enough that a count is steady, under valgrind.
    messages: u64,
    run: fn(u64),
}

const PARTS: [Part; 22] = [
    Part {
        name: "decode-whole",
        what: "a publish of 16 B whose three frames are side by side, found at once",
        messages: 200_000,
        run: decode::whole,
    },
    Part {
        name: "decode-frames",
        what: "the same, frame by frame: method, header and body decoded and put together",
        messages: 50_000,
        run: decode::frames,
    },
    Part {
        name: "route-known",
        what: "a key that this publisher has used before",
        messages: 200_000,
        run: route::known,
    },
    Part {
        name: "route-direct",
        what: "the default exchange, 10,000 queues, each key for the first time",
        messages: 10_000,
        run: route::direct,
    },
    Part {
        name: "route-topic",
        what: "a topic exchange with 10,000 patterns, each key for the first time",
        messages: 10_000,
        run: route::topic,
    },
    Part {
        name: "select-one",
        what: "a selector of one comparison, asked of a message with four properties",
        messages: 200_000,
        run: select::one,
    },
    Part {
        name: "select-many",
        what: "a selector of ten operators, with IN, BETWEEN and LIKE, all of them looked at",
        messages: 100_000,
        run: select::many,
    },
    Part {
        name: "encode-deliver",
        what: "basic.deliver, header and body of 16 B, without a stencil",
        messages: 100_000,
        run: encode::deliver,
    },
    Part {
        name: "transfer-in",
        what: "AMQP 1.0: a transfer frame of 16 B decoded, its message's sections found",
        messages: 50_000,
        run: transfer::read_transfers,
    },
    Part {
        name: "transfer-stencil",
        what: "AMQP 1.0: a transfer's frame head by stencil, and 16 B behind it",
        messages: 200_000,
        run: transfer::write_by_stencil,
    },
    Part {
        name: "transfer-out",
        what: "AMQP 1.0: the same field by field, without a stencil",
        messages: 50_000,
        run: transfer::write_by_field,
    },
    Part {
        name: "disposition-in",
        what: "AMQP 1.0: a disposition frame (accepted, one delivery) decoded",
        messages: 50_000,
        run: transfer::read_dispositions,
    },
    Part {
        name: "endpoint-in",
        what: "AMQP 1.0: a transfer frame of 16 B decoded and taken by the endpoint, settled by 64",
        messages: 50_000,
        run: endpoint::receive,
    },
    Part {
        name: "endpoint-whole",
        what: "AMQP 1.0: the same, taken where it lies",
        messages: 200_000,
        run: endpoint::receive_whole,
    },
    Part {
        name: "endpoint-out",
        what: "AMQP 1.0: a message of 16 B sent by the endpoint, unsettled, settled by 64",
        messages: 100_000,
        run: endpoint::send,
    },
    Part {
        name: "endpoint-settled",
        what: "AMQP 1.0: the same, sent settled",
        messages: 100_000,
        run: endpoint::send_settled,
    },
    Part {
        name: "append",
        what: "a record of 1 KiB into the journal, on a disk that does nothing, 64 a commit",
        messages: 50_000,
        run: append::records,
    },
    Part {
        name: "body-json",
        what: "an event's body of 743 B, read: JSON",
        messages: 20_000,
        run: bodies::read_json,
    },
    Part { name: "body-cbor", what: "the same in CBOR", messages: 20_000, run: bodies::read_cbor },
    Part {
        name: "body-protobuf",
        what: "the same as a google.protobuf.Struct",
        messages: 20_000,
        run: bodies::read_protobuf,
    },
    Part { name: "event-sign", what: "the event signed", messages: 5_000, run: bodies::sign },
    Part {
        name: "event-verify",
        what: "its signature verified",
        messages: 5_000,
        run: bodies::verify,
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.is_empty() {
        PARTS.iter().for_each(|it| println!("{}\t{}\t{}", it.name, it.messages, it.what));
        return ExitCode::SUCCESS;
    }
    if words == ["bodies"] {
        bodies::table();
        return ExitCode::SUCCESS;
    }
    let part = words.first().and_then(|name| PARTS.iter().find(|it| it.name == name));
    let messages = words.get(1).and_then(|number| number.parse().ok());
    let (Some(part), Some(messages)) = (part, messages) else { return ExitCode::from(2) };
    (part.run)(messages);
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_can_be_done() {
        PARTS.iter().for_each(|part| (part.run)(200));
    }
}
