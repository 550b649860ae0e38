//! What stands on one line of the NATS protocol, looked at where it lies.

use std::borrow::Cow;

use crate::Error;

/// One line of the server's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// `MSG` or `HMSG`; a payload follows.
    Message(Arriving<'a>),
    Ping,
    Pong,
    /// What the server is: JSON.
    Info(&'a [u8]),
    /// `-ERR` and its words.
    Refusal(Cow<'a, str>),
    Other,
}

/// What is said of a message before it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arriving<'a> {
    /// What the subscription was called when it was made.
    pub(super) subscription: &'a [u8],
    /// Where an answer goes to.
    pub(super) reply: Option<&'a [u8]>,
    /// Octets of headers at the payload's front.
    pub(super) header_bytes: usize,
    /// Octets of headers and body.
    pub(super) payload_bytes: usize,
}

impl<'a> Line<'a> {
    /// The first line, when it is complete, and its octets with its end.
    ///
    /// # Errors
    /// It is longer than any, or says nothing that is known.
    #[inline]
    pub(super) fn first(input: &'a [u8]) -> Result<Option<(Line<'a>, usize)>, Error> {
        let Some(end) = input.iter().position(|octet| *octet == b'\n') else {
            return match input.len() > LINE_BYTES_MAX {
                true => Err(Error::broken(READING, "a line without an end")),
                false => Ok(None),
            };
        };
        let line = input.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let read = match line.strip_prefix(b"MSG ") {
            Some(words) => message(words, false),
            None => other(line),
        };
        match read {
            Some(read) => Ok(Some((read, end + 1))),
            None => Err(Error::broken(READING, String::from_utf8_lossy(line))),
        }
    }
}

fn other(line: &[u8]) -> Option<Line<'_>> {
    let (verb, words) = match line.iter().position(|octet| *octet == b' ') {
        Some(at) => (line.get(..at)?, line.get(at + 1..)?),
        None => (line, &[][..]),
    };
    match verb {
        b"HMSG" => message(words, true),
        b"PING" => Some(Line::Ping),
        b"PONG" => Some(Line::Pong),
        b"INFO" => Some(Line::Info(words)),
        b"-ERR" => Some(Line::Refusal(String::from_utf8_lossy(words))),
        b"+OK" => Some(Line::Other),
        _ => None,
    }
}

/// `subject subscription [reply] [octets of headers] octets`, with one space or more between.
#[inline]
fn message(words: &[u8], has_headers: bool) -> Option<Line<'_>> {
    let mut words = words.split(|octet| *octet == b' ').filter(|word| !word.is_empty());
    let (_subject, subscription) = (words.next()?, words.next()?);
    let (first, second, third) = (words.next()?, words.next(), words.next());
    let (reply, header, payload) = match (has_headers, second, third) {
        (false, None, None) => (None, None, first),
        (false, Some(payload), None) => (Some(first), None, payload),
        (true, Some(payload), None) => (None, Some(first), payload),
        (true, Some(header), Some(payload)) => (Some(first), Some(header), payload),
        _ => return None,
    };
    let header_bytes = header.map_or(Some(0), number)?;
    let payload_bytes = number(payload)?;
    (header_bytes <= payload_bytes).then_some(Line::Message(Arriving {
        subscription,
        reply,
        header_bytes,
        payload_bytes,
    }))
}

/// A decimal number of at most nine digits: no payload is larger.
#[inline]
pub(super) fn number(digits: &[u8]) -> Option<usize> {
    let add = |sum: usize, octet: &u8| {
        octet.is_ascii_digit().then(|| sum * 10 + usize::from(octet - b'0'))
    };
    (1..=9).contains(&digits.len()).then(|| digits.iter().try_fold(0, add))?
}

const READING: &str = "reading";

/// `INFO` is the longest, with the addresses of a cluster.
const LINE_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(Line<'_>, usize)>, Error> {
        Line::first(text.as_bytes())
    }

    #[test]
    fn every_line_of_a_server_is_known() {
        let arriving = |reply: Option<&'static str>, header_bytes, payload_bytes| {
            let reply = reply.map(str::as_bytes);
            Line::Message(Arriving { subscription: b"7p1", reply, header_bytes, payload_bytes })
        };
        for (text, line) in [
            ("MSG a.b 7p1 16\r\nrest", arriving(None, 0, 16)),
            ("MSG a.b 7p1 r.s 16\r\n", arriving(Some("r.s"), 0, 16)),
            ("HMSG a.b 7p1 12 30\r\n", arriving(None, 12, 30)),
            ("HMSG a.b 7p1 r.s 12 30\r\n", arriving(Some("r.s"), 12, 30)),
            ("PING\r\n", Line::Ping),
            ("PONG\r\n", Line::Pong),
            ("+OK\r\n", Line::Other),
            ("INFO {\"a\":1} \r\n", Line::Info(b"{\"a\":1} ")),
            ("-ERR 'Slow Consumer'\r\n", Line::Refusal("'Slow Consumer'".into())),
        ] {
            let (read, used) = read(text).unwrap().unwrap();
            assert_eq!((read, used), (line, text.find('\n').unwrap() + 1), "{text}");
        }
    }

    #[test]
    fn what_no_server_says_is_refused() {
        for text in [
            "MSG a 1\r\n",
            "MSG a 1 b c 16\r\n",
            "MSG a 1 1234567890\r\n",
            "MSG a 1 -1\r\n",
            "HMSG a 1 31 30\r\n",
            "HELLO\r\n",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"x".repeat(LINE_BYTES_MAX)).unwrap().is_none());
        assert!(read(&"x".repeat(LINE_BYTES_MAX + 1)).is_err());
    }
}
