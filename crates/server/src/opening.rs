//! The first eight octets of a connection: which protocol the peer means, and what to tell an
//! operator when it is none of those that are spoken here (AMQP 0-9-1 §4.2.2, AMQP 1.0 §2.2;
//! RabbitMQ: `version_negotiation`).

use std::fmt;

use amqp091::PROTOCOL_HEADER;

/// What a peer opened the connection with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// `AMQP 0 0 9 1`, and `AMQP 1 1 0 9` of AMQP 0-9, which is the same in all that matters.
    Amqp091,
    /// `AMQP 3 1 0 0`: AMQP 1.0 that will log in by SASL.
    Amqp10Sasl,
    /// `AMQP 0 1 0 0`: AMQP 1.0 without login.
    Amqp10,
    /// `AMQP 2 1 0 0`: AMQP 1.0 that will start TLS.
    Amqp10Tls,
    /// `AMQP 1 1 0 10`: AMQP 0-10, as old Qpid clients speak it.
    Amqp010,
    /// `AMQP` with any other version.
    AmqpOther([u8; 4]),
    /// A request of HTTP.
    Http,
    /// A TLS ClientHello.
    Tls,
    /// MQTT's CONNECT.
    Mqtt,
    /// STOMP's CONNECT or STOMP frame.
    Stomp,
    /// The PROXY protocol, version 1 or 2, which load balancers put before a connection.
    Proxy,
    /// An SSH client.
    Ssh,
    /// Anything else.
    Other([u8; 8]),
}

impl Opening {
    /// What these first octets mean.
    pub(crate) fn of(first: [u8; 8]) -> Self {
        match &first {
            b"AMQP\0\0\x09\x01" | b"AMQP\x01\x01\0\x09" => Self::Amqp091,
            b"AMQP\x03\x01\0\0" => Self::Amqp10Sasl,
            b"AMQP\0\x01\0\0" => Self::Amqp10,
            b"AMQP\x02\x01\0\0" => Self::Amqp10Tls,
            b"AMQP\x01\x01\0\x0a" => Self::Amqp010,
            [b'A', b'M', b'Q', b'P', version @ ..] => Self::AmqpOther(*version),
            // Record type 22 of any version, then handshake type 1 (RFC 8446 §5.1, §4).
            [0x16, 0x03, _, _, _, 0x01, _, _] => Self::Tls,
            // Packet type, one or two octets of length, then the protocol's name (MQTT 3.1.1 §3.1).
            [0x10, _, 0, 4, b'M', b'Q', b'T', b'T'] | [0x10, _, _, 0, 4, b'M', b'Q', b'T'] => {
                Self::Mqtt
            }
            b"CONNECT\n" | b"CONNECT\r" | [b'S', b'T', b'O', b'M', b'P', b'\n' | b'\r', ..] => {
                Self::Stomp
            }
            b"PROXY TC" | b"PROXY UN" | b"\r\n\r\n\0\r\nQ" => Self::Proxy,
            [b'S', b'S', b'H', b'-', ..] => Self::Ssh,
            octets if is_http(octets) => Self::Http,
            _ => Self::Other(first),
        }
    }

    /// What to answer with before closing, when the protocol is none that is spoken here: the
    /// header of one that is, so that a peer that also speaks it may come back; and an answer that
    /// people can read to a request of HTTP.
    pub(crate) fn answer(self) -> &'static [u8] {
        match self {
            Self::Http => HTTP_ANSWER.as_bytes(),
            // AMQP 1.0 §5.3.2: SASL first. Who speaks 0-10 may know 1.0, which Qpid's users have.
            Self::Amqp10 | Self::Amqp10Tls | Self::Amqp010 => AMQP10_SASL_HEADER,
            _ => &PROTOCOL_HEADER,
        }
    }
}

/// AMQP 1.0 that will log in by SASL.
const AMQP10_SASL_HEADER: &[u8] = b"AMQP\x03\x01\0\0";

/// For the browser of somebody who took the wrong port.
const HTTP_ANSWER: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 118\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks AMQP, not HTTP: it is for message clients (amqp://).\n\
    The pages and the HTTP API are on another port.\n";

fn is_http(octets: &[u8]) -> bool {
    const STARTS: [&[u8]; 10] = [
        b"GET ",
        b"HEAD ",
        b"POST ",
        b"PUT ",
        b"PATCH ",
        b"DELETE ",
        b"OPTIONS ",
        b"CONNECT ",
        b"TRACE ",
        b"PRI * HT",
    ];
    STARTS.iter().any(|start| octets.starts_with(start))
}

impl fmt::Display for Opening {
    /// A sentence for the log: what it is and the mend.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amqp091 => f.write_str("AMQP 0-9-1"),
            Self::Amqp10Sasl => f.write_str("AMQP 1.0"),
            Self::Amqp10 => f.write_str(
                "the client speaks AMQP 1.0 without a login; turn SASL on in it \
                 (ANONYMOUS is enough where auth.anonymous_user is set)",
            ),
            Self::Amqp10Tls => f.write_str(
                "the client asks for TLS within AMQP 1.0; use an amqps:// URL and the port that has TLS",
            ),
            Self::Amqp010 => f.write_str(
                "the client speaks AMQP 0-10 (an old Qpid client), this listener speaks \
                 AMQP 1.0 and 0-9-1; set the client to 1.0 (Qpid: protocol: amqp1.0)",
            ),
            Self::AmqpOther([a, b, c, d]) => write!(
                f,
                "the client asks for AMQP version {a}.{b}.{c}.{d}, this listener speaks AMQP 0-9-1 and 1.0",
            ),
            Self::Http => f.write_str(
                "the peer sent an HTTP request to the AMQP port; \
                 the pages and the HTTP API are on another port",
            ),
            Self::Tls => f.write_str(
                "the client starts TLS on a port without TLS; \
                 use an amqp:// URL, or the port that has TLS",
            ),
            Self::Mqtt => f.write_str("the client speaks MQTT, this listener speaks AMQP 0-9-1 and 1.0"),
            Self::Stomp => f.write_str("the client speaks STOMP, this listener speaks AMQP 0-9-1 and 1.0"),
            Self::Proxy => f.write_str(
                "a load balancer sent a PROXY protocol header, which this listener does not read; \
                 turn the PROXY protocol off in the load balancer",
            ),
            Self::Ssh => f.write_str("an SSH client connected to the AMQP port"),
            Self::Other(octets) => write!(
                f,
                "the peer sent \"{}\", which opens no protocol known here; \
                 expected \"AMQP\" and a version",
                octets.escape_ascii(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_0_9_1_are_taken_and_nothing_else() {
        for first in [*b"AMQP\0\0\x09\x01", *b"AMQP\x01\x01\0\x09"] {
            assert_eq!(Opening::of(first), Opening::Amqp091);
        }
        for first in
            [*b"AMQP\0\0\x09\0", *b"AMQP\0\0\x08\0", *b"amqp\0\0\x09\x01", [0; 8], [255; 8]]
        {
            assert_ne!(Opening::of(first), Opening::Amqp091, "{first:?}");
            assert_eq!(Opening::of(first).answer(), b"AMQP\0\0\x09\x01");
        }
    }

    #[test]
    fn who_may_know_1_0_is_answered_with_it() {
        for first in [*b"AMQP\x01\x01\0\x0a", *b"AMQP\0\x01\0\0", *b"AMQP\x02\x01\0\0"] {
            assert_eq!(Opening::of(first).answer(), b"AMQP\x03\x01\0\0");
        }
    }

    #[test]
    fn a_request_of_http_gets_an_answer_of_the_length_it_says() {
        let answer = str::from_utf8(Opening::of(*b"GET / HT").answer()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(body.contains("AMQP"), "{body}");
    }

    #[test]
    fn usual_mistakes_are_told_apart() {
        let cases: [([u8; 8], Opening); 15] = [
            (*b"AMQP\x03\x01\0\0", Opening::Amqp10Sasl),
            (*b"AMQP\0\x01\0\0", Opening::Amqp10),
            (*b"AMQP\x02\x01\0\0", Opening::Amqp10Tls),
            (*b"AMQP\x01\x01\0\x0a", Opening::Amqp010),
            (*b"AMQP\x01\x01\x08\0", Opening::AmqpOther([1, 1, 8, 0])),
            (*b"GET / HT", Opening::Http),
            (*b"PRI * HT", Opening::Http),
            (*b"OPTIONS ", Opening::Http),
            (*b"CONNECT ", Opening::Http),
            (*b"CONNECT\n", Opening::Stomp),
            (*b"\x16\x03\x01\x02\0\x01\0\x01", Opening::Tls),
            (*b"\x10\x25\0\x04MQTT", Opening::Mqtt),
            (*b"PROXY TC", Opening::Proxy),
            (*b"SSH-2.0-", Opening::Ssh),
            (*b"\r\nhello\n", Opening::Other(*b"\r\nhello\n")),
        ];
        for (first, opening) in cases {
            assert_eq!(Opening::of(first), opening);
        }
    }

    #[test]
    fn what_is_no_protocol_is_shown_escaped() {
        let text = Opening::of(*b"\x1b[2J\0\n\"x").to_string();
        assert!(text.contains(r#"\x1b[2J\x00\n\"x"#), "{text}");
    }
}
