//! Malformed input by table: every field with every format code, every frame header that is none,
//! every descriptor that is none, sizes and counts that are one off.

use amqp10::{
    Decode as _, Error, ErrorCondition, FrameDecoder, Performative, Reach, Reader, SaslFrame,
    messaging::{Header, Properties},
};
use bytes::{Bytes, BytesMut};

use crate::malformed::samples;

/// A composite type: name, descriptor, fields.
type Row = (&'static str, u8, &'static [(&'static str, Field)]);

/// What a field may be.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    /// One of these format codes, or null.
    Of(&'static [u8]),
    /// The same, and never null.
    Mandatory(&'static [u8]),
    /// A described value, or null.
    Described,
}

use Field::{Described, Mandatory, Of};

const BOOLEAN: &[u8] = &[0x41, 0x42, 0x56];
const UBYTE: &[u8] = &[0x50];
const USHORT: &[u8] = &[0x60];
const UINT: &[u8] = &[0x43, 0x52, 0x70];
const ULONG: &[u8] = &[0x44, 0x53, 0x80];
const TIMESTAMP: &[u8] = &[0x83];
const BINARY: &[u8] = &[0xa0, 0xb0];
const STRING: &[u8] = &[0xa1, 0xb1];
const SYMBOL: &[u8] = &[0xa3, 0xb3];
/// One, or an array of them.
const SYMBOLS: &[u8] = &[0xa3, 0xb3, 0xe0, 0xf0];
const MAP: &[u8] = &[0xc1, 0xd1];
const MESSAGE_ID: &[u8] = &[0x44, 0x53, 0x80, 0x98, 0xa0, 0xb0, 0xa1, 0xb1];

const PERFORMATIVES: &[Row] = &[
    (
        "open",
        0x10,
        &[
            ("container-id", Mandatory(STRING)),
            ("hostname", Of(STRING)),
            ("max-frame-size", Of(UINT)),
            ("channel-max", Of(USHORT)),
            ("idle-time-out", Of(UINT)),
            ("outgoing-locales", Of(SYMBOLS)),
            ("incoming-locales", Of(SYMBOLS)),
            ("offered-capabilities", Of(SYMBOLS)),
            ("desired-capabilities", Of(SYMBOLS)),
            ("properties", Of(MAP)),
        ],
    ),
    (
        "begin",
        0x11,
        &[
            ("remote-channel", Of(USHORT)),
            ("next-outgoing-id", Mandatory(UINT)),
            ("incoming-window", Mandatory(UINT)),
            ("outgoing-window", Mandatory(UINT)),
            ("handle-max", Of(UINT)),
            ("offered-capabilities", Of(SYMBOLS)),
            ("desired-capabilities", Of(SYMBOLS)),
            ("properties", Of(MAP)),
        ],
    ),
    (
        "attach",
        0x12,
        &[
            ("name", Mandatory(STRING)),
            ("handle", Mandatory(UINT)),
            ("role", Mandatory(BOOLEAN)),
            ("snd-settle-mode", Of(UBYTE)),
            ("rcv-settle-mode", Of(UBYTE)),
            ("source", Described),
            ("target", Described),
            ("unsettled", Of(MAP)),
            ("incomplete-unsettled", Of(BOOLEAN)),
            ("initial-delivery-count", Of(UINT)),
            ("max-message-size", Of(ULONG)),
            ("offered-capabilities", Of(SYMBOLS)),
            ("desired-capabilities", Of(SYMBOLS)),
            ("properties", Of(MAP)),
        ],
    ),
    (
        "flow",
        0x13,
        &[
            ("next-incoming-id", Of(UINT)),
            ("incoming-window", Mandatory(UINT)),
            ("next-outgoing-id", Mandatory(UINT)),
            ("outgoing-window", Mandatory(UINT)),
            ("handle", Of(UINT)),
            ("delivery-count", Of(UINT)),
            ("link-credit", Of(UINT)),
            ("available", Of(UINT)),
            ("drain", Of(BOOLEAN)),
            ("echo", Of(BOOLEAN)),
            ("properties", Of(MAP)),
        ],
    ),
    (
        "transfer",
        0x14,
        &[
            ("handle", Mandatory(UINT)),
            ("delivery-id", Of(UINT)),
            ("delivery-tag", Of(BINARY)),
            ("message-format", Of(UINT)),
            ("settled", Of(BOOLEAN)),
            ("more", Of(BOOLEAN)),
            ("rcv-settle-mode", Of(UBYTE)),
            ("state", Described),
            ("resume", Of(BOOLEAN)),
            ("aborted", Of(BOOLEAN)),
            ("batchable", Of(BOOLEAN)),
        ],
    ),
    (
        "disposition",
        0x15,
        &[
            ("role", Mandatory(BOOLEAN)),
            ("first", Mandatory(UINT)),
            ("last", Of(UINT)),
            ("settled", Of(BOOLEAN)),
            ("state", Described),
            ("batchable", Of(BOOLEAN)),
        ],
    ),
    ("detach", 0x16, &[("handle", Mandatory(UINT)), ("closed", Of(BOOLEAN)), ("error", Described)]),
    ("end", 0x17, &[("error", Described)]),
    ("close", 0x18, &[("error", Described)]),
];

const LOGINS: &[Row] = &[
    ("sasl-mechanisms", 0x40, &[("sasl-server-mechanisms", Mandatory(SYMBOLS))]),
    (
        "sasl-init",
        0x41,
        &[
            ("mechanism", Mandatory(SYMBOL)),
            ("initial-response", Of(BINARY)),
            ("hostname", Of(STRING)),
        ],
    ),
    ("sasl-challenge", 0x42, &[("challenge", Mandatory(BINARY))]),
    ("sasl-response", 0x43, &[("response", Mandatory(BINARY))]),
    ("sasl-outcome", 0x44, &[("code", Mandatory(UBYTE)), ("additional-data", Of(BINARY))]),
];

const SECTIONS: &[Row] = &[
    (
        "header",
        0x70,
        &[
            ("durable", Of(BOOLEAN)),
            ("priority", Of(UBYTE)),
            ("ttl", Of(UINT)),
            ("first-acquirer", Of(BOOLEAN)),
            ("delivery-count", Of(UINT)),
        ],
    ),
    (
        "properties",
        0x73,
        &[
            ("message-id", Of(MESSAGE_ID)),
            ("user-id", Of(BINARY)),
            ("to", Of(STRING)),
            ("subject", Of(STRING)),
            ("reply-to", Of(STRING)),
            ("correlation-id", Of(MESSAGE_ID)),
            ("content-type", Of(SYMBOL)),
            ("content-encoding", Of(SYMBOL)),
            ("absolute-expiry-time", Of(TIMESTAMP)),
            ("creation-time", Of(TIMESTAMP)),
            ("group-id", Of(STRING)),
            ("group-sequence", Of(UINT)),
            ("reply-to-group-id", Of(STRING)),
        ],
    ),
];

/// A value that is well-formed under this format code, as far as the code is one.
fn value(code: u8) -> Vec<u8> {
    let data: &[u8] = match code >> 4 {
        _ if code == 0 => b"\x53\x10\x45",
        0x5 => &[0],
        0x6 => &[0; 2],
        0x7 => &[0; 4],
        0x8 => &[0; 8],
        0x9 => &[0; 16],
        0xa => b"\x01a",
        0xb => b"\0\0\0\x01a",
        0xc => b"\x01\0",
        0xd => b"\0\0\0\x04\0\0\0\0",
        // An array of one symbol.
        0xe => b"\x04\x01\xa3\x01a",
        0xf => b"\0\0\0\x07\0\0\0\x01\xa3\x01a",
        _ => &[],
    };
    [&[code], data].concat()
}

/// A composite whose fields up to `place` are as they should be; there it has a value of this code.
fn composite(row: &Row, place: usize, code: u8) -> Vec<u8> {
    let (_, descriptor, fields) = row;
    let mut octets = Vec::new();
    for (_, field) in &fields[..place] {
        match field {
            Mandatory(codes) => octets.extend(value(codes[0])),
            _ => octets.push(0x40),
        }
    }
    octets.extend(value(code));
    // Those behind it are mandatory in a few types.
    for (_, field) in &fields[place + 1..] {
        match field {
            Mandatory(codes) => octets.extend(value(codes[0])),
            _ => octets.push(0x40),
        }
    }
    let size = u32::try_from(octets.len() + 4).unwrap().to_be_bytes();
    let count = u32::try_from(fields.len()).unwrap().to_be_bytes();
    [&[0, 0x53, *descriptor, 0xd0], &size[..], &count, &octets].concat()
}

fn read(row: &Row, octets: Vec<u8>) -> Result<(), Error> {
    let octets = Bytes::from(octets);
    let mut reader = Reader::new(&octets);
    match row.1 {
        0x10..=0x18 => Performative::decode(&mut reader).map(drop),
        0x40..=0x44 => SaslFrame::decode(&mut reader).map(drop),
        0x70 => Header::decode(&mut reader).map(drop),
        _ => Properties::decode(&mut reader).map(drop),
    }
}

#[test]
fn every_field_refuses_every_format_code_that_is_not_its_own() {
    let (mut refused, mut taken) = (0, 0);
    for row in [PERFORMATIVES, LOGINS, SECTIONS].concat() {
        for (place, (name, field)) in row.2.iter().enumerate() {
            for code in 0..=255 {
                let found = read(&row, composite(&row, place, code));
                let (is_fine, is_invalid) = match field {
                    Of(codes) => (code == 0x40 || codes.contains(&code), false),
                    Mandatory(codes) => (codes.contains(&code), code == 0x40),
                    Described if code == 0 => continue,
                    Described => (code == 0x40, false),
                };
                let words = format!("{}.{name} of format code {code:#04x}", row.0);
                match found {
                    Ok(()) => {
                        assert!(is_fine, "{words} was taken");
                        taken += 1;
                    }
                    Err(error) => {
                        assert!(!is_fine, "{words}: {error}");
                        let begin = format!("{}.{name}: ", row.0);
                        assert!(error.to_string().starts_with(&begin), "{words}: {error}");
                        let condition = match is_invalid {
                            true => ErrorCondition::InvalidField,
                            false => ErrorCondition::DecodeError,
                        };
                        assert_eq!(error.condition(), condition, "{words}: {error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    // 65 fields of performatives, 8 of logins, 18 of sections.
    assert_eq!(refused + taken, 91 * 256 - 7);
    assert_eq!(taken, 302, "fields with each format code that they may have");
}

#[test]
fn every_frame_header_that_is_none_is_refused() {
    let framing = |octets: [u8; 8]| {
        let error = FrameDecoder::new().decode(&mut BytesMut::from(&octets[..])).unwrap_err();
        assert_eq!(error.condition(), ErrorCondition::ConnectionFramingError, "{octets:?}");
        assert_eq!(error.reach(), Reach::Connection);
    };
    let mut cases = 0;
    for kind in [0, 1] {
        for size in 0..8 {
            for offset in 0..=255 {
                framing([0, 0, 0, size, offset, kind, 0, 0]);
                cases += 1;
            }
        }
        for size in [8_u8, 9, 12, 40, 255] {
            for offset in (0..=255).filter(|it| *it < 2 || u16::from(*it) * 4 > u16::from(size)) {
                framing([0, 0, 0, size, offset, kind, 0, 0]);
                cases += 1;
            }
        }
        for shift in 0..18 {
            let [a, b, c, d] = (8193 + (1_u32 << shift << 13) - 8192).to_be_bytes();
            framing([a, b, c, d, 2, kind, 0, 0]);
            cases += 1;
        }
    }
    for kind in 2..=255 {
        framing([0, 0, 0, 8, 2, kind, 0, 0]);
        cases += 1;
    }
    assert!(cases > 6000, "{cases}");
}

#[test]
fn every_descriptor_that_is_none_is_refused() {
    let mut cases = 0;
    for descriptor in 0..=255_u8 {
        for octets in [
            vec![0, 0x53, descriptor, 0x45],
            [&[0, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &[descriptor, 0x45]].concat(),
            // Of other domains, that end alike.
            [&[0, 0x80, 0, 0, 0x46, 0x8c, 0, 0, 0][..], &[descriptor, 0x45]].concat(),
        ] {
            let is_domain = octets.get(4) == Some(&0x46);
            let octets = Bytes::from(octets);
            let performative = Performative::decode(&mut Reader::new(&octets));
            let login = SaslFrame::decode(&mut Reader::new(&octets));
            for (is_known, found) in [
                ((0x10..=0x18).contains(&descriptor), performative.map(drop)),
                ((0x40..=0x44).contains(&descriptor), login.map(drop)),
            ] {
                // Those without a mandatory field are well-formed.
                let Err(error) = found else {
                    assert!(is_known && !is_domain, "{octets:?}");
                    continue;
                };
                let condition = match is_known && !is_domain {
                    true => ErrorCondition::InvalidField,
                    false => ErrorCondition::DecodeError,
                };
                assert_eq!(error.condition(), condition, "{octets:?}: {error}");
                cases += 1;
            }
        }
    }
    assert!(cases > 1500, "{cases}");
}

#[test]
fn a_size_or_a_count_that_is_off_is_refused() {
    let mut cases = 0;
    for octets in samples() {
        // The last octets of size and count.
        let (size, count) = match octets[3] {
            0xc0 => (4, 5),
            0xd0 => (7, 11),
            _ => continue,
        };
        for (at, by) in [(size, 1), (size, u8::MAX), (count, 1), (count, u8::MAX), (size, 128)] {
            let mut damaged = octets.clone();
            damaged[at] = damaged[at].wrapping_add(by);
            let damaged = Bytes::from(damaged);
            // One field less may be one that has to be there.
            let any = |error: Error| {
                let condition = error.condition();
                let is_missing = at == count && condition == ErrorCondition::InvalidField;
                assert!(is_missing || condition == ErrorCondition::DecodeError, "{error}");
            };
            match octets[2] {
                0x10..=0x18 => any(Performative::decode(&mut Reader::new(&damaged)).unwrap_err()),
                0x40..=0x44 => any(SaslFrame::decode(&mut Reader::new(&damaged)).unwrap_err()),
                0x70 => any(Header::decode(&mut Reader::new(&damaged)).unwrap_err()),
                0x73 => any(Properties::decode(&mut Reader::new(&damaged)).unwrap_err()),
                _ => continue,
            }
            cases += 1;
        }
    }
    assert!(cases > 150, "{cases}");
}
