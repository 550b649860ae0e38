//! Messages and the acknowledgements of JetStream, found in what was read.

use super::line::{Arriving, Line, number};
use crate::{
    Error,
    protocol::{Confirm, Delivery},
    stamp::{STAMP_BYTES, Stamp},
};

/// Where in a message the last read ended.
#[derive(Debug, Default)]
pub(super) struct Scan {
    open: Option<Open>,
}

/// A message whose line was read.
#[derive(Debug)]
struct Open {
    delivery: Delivery,
    /// Of headers alone: nothing that was published.
    is_told: bool,
    /// Its stamp is still to be looked at.
    is_unstamped: bool,
    /// Octets of payload and its line's end to come.
    remaining: usize,
}

/// What a message is of, besides its body.
pub(super) struct Origin {
    /// Its queue's place among those of this connection.
    pub(super) place: usize,
    pub(super) is_redelivered: bool,
}

impl Scan {
    /// Looks at messages; `queues` are those of this connection, by place, and `answers` gets what
    /// each message is to be acknowledged with.
    pub(super) fn deliveries(
        &mut self,
        input: &[u8],
        queues: &[u32],
        answers: &mut dyn FnMut(usize, &[u8]),
        each: &mut dyn FnMut(Delivery),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            if let Some(open) = &mut self.open {
                let Some(used) = open.go_on(rest) else { return Ok(at) };
                at += used;
                if open.remaining > 0 {
                    return Ok(at);
                }
                if open.is_told {
                    each(open.delivery);
                }
                self.open = None;
                continue;
            }
            let Some((line, used)) = Line::first(rest)? else { return Ok(at) };
            at += used;
            match line {
                Line::Message(arriving) => {
                    let origin = origin(&arriving);
                    let queue = queues.get(origin.place).copied().unwrap_or(u32::MAX);
                    if let Some(reply) = arriving.reply {
                        answers(origin.place, reply);
                    }
                    let body_bytes = arriving.payload_bytes;
                    let Origin { is_redelivered, .. } = origin;
                    let delivery = Delivery { queue, is_redelivered, body_bytes, stamp: None };
                    self.open = Some(Open {
                        delivery,
                        is_told: arriving.header_bytes == 0,
                        is_unstamped: body_bytes >= STAMP_BYTES,
                        remaining: body_bytes + LINE_END.len(),
                    });
                }
                line => other(&line, CONSUMING, answer)?,
            }
        }
    }
}

impl Open {
    /// Takes what is there of it; none when that is too little to begin with.
    #[inline]
    fn go_on(&mut self, input: &[u8]) -> Option<usize> {
        if self.is_unstamped {
            self.delivery.stamp = Stamp::decode(input.get(..STAMP_BYTES)?);
            self.is_unstamped = false;
        }
        let used = self.remaining.min(input.len());
        self.remaining -= used;
        Some(used)
    }
}

/// A subscription is called after its place: digits, then anything.
#[inline]
fn origin(arriving: &Arriving<'_>) -> Origin {
    let digits = arriving.subscription.iter().take_while(|octet| octet.is_ascii_digit());
    let place = digits.fold(0, |sum: usize, octet| {
        sum.saturating_mul(10).saturating_add(usize::from(octet - b'0'))
    });
    Origin { place, is_redelivered: arriving.reply.is_some_and(is_redelivered) }
}

/// JetStream's reply subjects: `$JS.ACK.<stream>.<consumer>.<how often delivered>.…`, with two more
/// words behind ACK where there are domains (NATS ADR-15).
fn is_redelivered(reply: &[u8]) -> bool {
    let Some(words) = reply.strip_prefix(b"$JS.ACK.") else { return false };
    let dots = words.iter().filter(|octet| **octet == b'.').count();
    let before = if dots > 6 { 4 } else { 2 };
    let mut words = words.split(|octet| *octet == b'.');
    words.nth(before).and_then(number).is_some_and(|times| times > 1)
}

/// Looks at the answers to what was published to JetStream; `count` is how many came.
///
/// All of a connection have one inbox, so that a message is encoded once for all its sendings: the
/// n-th answer is taken for the n-th message. One stream answers in that order; several may not,
/// which then only mixes up their times.
pub(super) fn confirms(
    input: &[u8],
    count: &mut u64,
    each: &mut dyn FnMut(Confirm),
    answer: &mut Vec<u8>,
) -> Result<usize, Error> {
    let (mut at, mut untold) = (0, false);
    // They come in order: a confirm is of all before it, a refusal of one.
    let confirm = |number: u64, is_refused: bool| {
        let first = if is_refused { number } else { 1 };
        Confirm { first, last: number, is_refused }
    };
    while let Some((line, used)) = Line::first(input.get(at..).unwrap_or_default())? {
        let Line::Message(arriving) = line else {
            other(&line, PUBLISHING, answer)?;
            at += used;
            continue;
        };
        let end = at + used + arriving.payload_bytes + LINE_END.len();
        let Some(payload) = input.get(at + used..end) else { break };
        at = end;
        if arriving.header_bytes > 0 {
            return Err(nobody(PUBLISHING));
        }
        if !payload.starts_with(REFUSED) {
            *count += 1;
            untold = true;
            continue;
        }
        if std::mem::take(&mut untold) {
            each(confirm(*count, false));
        }
        *count += 1;
        each(confirm(*count, true));
    }
    if untold {
        each(confirm(*count, false));
    }
    Ok(at)
}

/// What else a server says while it works.
pub(super) fn other(line: &Line<'_>, doing: &str, answer: &mut Vec<u8>) -> Result<(), Error> {
    match line {
        Line::Ping => answer.extend_from_slice(b"PONG\r\n"),
        Line::Refusal(text) => {
            return Err(Error::Refused { doing: doing.to_owned(), text: text.to_string() });
        }
        _ => {}
    }
    Ok(())
}

/// A request came back with headers alone: 503, nobody is subscribed to it.
pub(super) fn nobody(doing: &str) -> Error {
    let text = "nobody answers there: JetStream, or the stream, is not there".to_owned();
    Error::Refused { doing: doing.to_owned(), text }
}

const LINE_END: &[u8] = b"\r\n";

/// How JetStream's answer begins when it did not take the message.
const REFUSED: &[u8] = b"{\"error\"";

const CONSUMING: &str = "consuming";
const PUBLISHING: &str = "publishing";

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subscription: &str, reply: &str, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(
            format!("MSG a.b {subscription} {reply}{}\r\n", body.len()).as_bytes(),
        );
        out.extend_from_slice(body);
        out.extend_from_slice(LINE_END);
    }

    #[test]
    fn deliveries_are_found_however_the_reads_cut_them() {
        // Its octets look like lines' ends.
        let stamp = Stamp { producer: 0x0a0d, sequence: 0x0a0d, due: 0x0a0d_0a0d };
        let mut octets = b"PING\r\n".to_vec();
        message("0p7", "", &stamp.encode(), &mut octets);
        let more = [&stamp.encode()[..], b"\r\nMSG a 0 0\r\n\r\n"].concat();
        message("1p0", "$JS.ACK.s.c.2.9.9.1700000000000000000.0 ", &more, &mut octets);
        octets.extend_from_slice(b"HMSG a.b 0p7 12 12\r\nNATS/1.0\r\n\r\n\r\n");
        message("0p7", "", b"", &mut octets);
        for cut in 0..octets.len() {
            let (mut scan, mut found, mut acks) = (Scan::default(), Vec::new(), Vec::new());
            let mut answer = Vec::new();
            let mut each = |delivery: Delivery| found.push(delivery);
            let mut answers = |place: usize, reply: &[u8]| acks.push((place, reply.to_vec()));
            let mut look = |octets: &[u8]| {
                scan.deliveries(octets, &[12, 7], &mut answers, &mut each, &mut answer).unwrap()
            };
            let used = look(octets.get(..cut).unwrap());
            let used_then = look(octets.get(used..).unwrap());
            assert_eq!(used + used_then, octets.len());
            assert_eq!(answer, b"PONG\r\n");
            let facts: Vec<_> = found
                .iter()
                .map(|it| (it.queue, it.is_redelivered, it.body_bytes, it.stamp))
                .collect();
            let expected =
                [(12, false, 16, Some(stamp)), (7, true, 31, Some(stamp)), (12, false, 0, None)];
            assert_eq!(facts, expected, "cut at {cut}");
            let reply = b"$JS.ACK.s.c.2.9.9.1700000000000000000.0".to_vec();
            assert_eq!(acks, [(1, reply)], "cut at {cut}");
        }
    }

    #[test]
    fn redelivered_is_what_was_delivered_before() {
        for (reply, is_it) in [
            ("$JS.ACK.s.c.1.9.9.17.0", false),
            ("$JS.ACK.s.c.2.9.9.17.0", true),
            ("$JS.ACK.hub.hash.s.c.1.9.9.17.0.token", false),
            ("$JS.ACK.hub.hash.s.c.3.9.9.17.0.token", true),
            ("_INBOX.2.2.2.2.2", false),
        ] {
            assert_eq!(is_redelivered(reply.as_bytes()), is_it, "{reply}");
        }
    }

    #[test]
    fn answers_are_counted_however_the_reads_cut_them_and_a_refusal_is_one() {
        let mut octets = Vec::new();
        message("a", "", br#"{"stream":"s", "seq":1}"#, &mut octets);
        message("a", "", br#"{"stream":"s", "seq":2}"#, &mut octets);
        message("a", "", br#"{"error":{"code":503},"stream":"s","seq":0}"#, &mut octets);
        octets.extend_from_slice(b"PING\r\n");
        message("a", "", br#"{"stream":"s", "seq":3}"#, &mut octets);
        for cut in 0..octets.len() {
            let (mut count, mut found, mut answer) = (0, Vec::new(), Vec::new());
            let mut each = |confirm: Confirm| found.push(confirm);
            let first = octets.get(..cut).unwrap();
            let used = confirms(first, &mut count, &mut each, &mut answer).unwrap();
            let rest = octets.get(used..).unwrap();
            let used_then = confirms(rest, &mut count, &mut each, &mut answer).unwrap();
            assert_eq!((used + used_then, count), (octets.len(), 4));
            assert_eq!(answer, b"PONG\r\n");
            let confirm = |first, last| Confirm { first, last, is_refused: first == last };
            // The first may have been told alone.
            let from = found.len() - 3;
            assert_eq!(found.get(from..).unwrap(), [confirm(1, 2), confirm(3, 3), confirm(1, 4)]);
        }
    }

    #[test]
    fn a_message_that_no_stream_takes_ends_the_run() {
        let octets = b"HMSG _INBOX.1 a 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
        let error = confirms(octets, &mut 0, &mut |_| (), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("the stream"), "{error}");
        let octets = b"-ERR 'Permissions Violation'\r\n";
        let error = confirms(octets, &mut 0, &mut |_| (), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("Permissions"), "{error}");
    }
}
