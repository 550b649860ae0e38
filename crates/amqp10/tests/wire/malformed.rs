//! Whatever a peer sends, the answer is a value or an error with the right condition, never a
//! panic, and at a cost that follows what it sent.

use amqp10::{
    Decode, Encode, Error, ErrorCondition, Fault, FrameDecoder, Message, Performative, Reach,
    Reader, SaslFrame,
    limits::VALUE_DEPTH_MAX,
    messaging::{Header, Properties},
    section::Pieces,
    types::{Value, skip},
};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use crate::generated::*;

/// Everything this crate can be made to read, on the same octets.
fn read_all(octets: &Bytes) {
    let value = Value::decode(&mut Reader::new(octets));
    assert_eq!(skip(&mut Reader::new(octets)), value.map(drop));
    let _ = Performative::decode(&mut Reader::new(octets));
    let _ = SaslFrame::decode(&mut Reader::new(octets));
    let _ = Header::decode(&mut Reader::new(octets));
    let _ = Properties::decode(&mut Reader::new(octets));
    let middle = octets.len() / 2;
    read_message([octets.clone()].into_iter().collect());
    read_message([octets.slice(..middle), octets.slice(middle..)].into_iter().collect());
    let mut decoder = FrameDecoder::new();
    let mut buffer = BytesMut::from(&octets[..]);
    while let Ok(Some(_)) = decoder.decode(&mut buffer) {}
}

fn read_message(pieces: Pieces) {
    let Ok(message) = Message::parse(pieces) else { return };
    let _ = (message.header(), message.properties(), message.value());
    let maps = [
        message.delivery_annotations(),
        message.message_annotations(),
        message.application_properties(),
        message.footer(),
    ];
    for map in maps.into_iter().flatten() {
        let _ = (map.get("key"), map.to_map());
    }
    let data: usize = message.data().flatten().map(|it| it.len()).sum();
    assert!(data <= message.size());
}

fn written(value: &impl Encode) -> Vec<u8> {
    let mut out = BytesMut::new();
    value.encode(&mut out);
    out.to_vec()
}

/// As a performative, or as a SASL frame body where it is none but for its fields.
fn refused(octets: &[u8]) -> Error {
    let octets = Bytes::copy_from_slice(octets);
    let login = SaslFrame::decode(&mut Reader::new(&octets)).unwrap_err();
    match login.fault() {
        Fault::Mandatory => login,
        _ => Performative::decode(&mut Reader::new(&octets)).unwrap_err(),
    }
}

/// A value of every composite type, some of each.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let mut octets = Vec::new();
    macro_rules! add {
        ($strategies:expr) => {
            for strategy in $strategies {
                for _ in 0..3 {
                    let value = strategy.new_tree(&mut runner).unwrap().current();
                    octets.push(written(&value));
                }
            }
        };
    }
    add!(each_performative());
    add!(each_sasl_frame());
    add!(each_delivery_state());
    add!([header()]);
    add!([properties()]);
    octets
}

#[test]
fn every_type_cut_anywhere_is_refused() {
    let mut cases = 0;
    for octets in samples() {
        for end in 0..octets.len() {
            let cut = Bytes::copy_from_slice(&octets[..end]);
            let error = Value::decode(&mut Reader::new(&cut)).unwrap_err();
            assert!(matches!(error.fault(), Fault::Truncated { .. }), "{error}");
            assert_eq!(error.condition(), ErrorCondition::DecodeError);
            assert!(error.at() <= end);
            read_all(&cut);
            cases += 1;
        }
    }
    assert!(cases > 2000, "{cases}");
}

#[test]
fn every_octet_of_every_type_may_be_anything() {
    let mut cases = 0;
    for octets in samples() {
        for position in 0..octets.len() {
            for octet in [0, 1, 0x40, 0x45, 0x7f, 0x80, 0xa1, 0xc0, 0xd0, 0xf0, 0xff] {
                let mut damaged = octets.clone();
                damaged[position] = octet;
                read_all(&damaged.into());
                cases += 1;
            }
        }
    }
    assert!(cases > 20_000, "{cases}");
}

#[test]
fn each_fault_of_a_performative_names_field_and_place() {
    for (octets, words, condition) in [
        (
            &b"\0\x53\x10\xc0\x04\x01\x53\x01."[..],
            "open.container-id: ulong (format code 0x53) where string is expected, at octet 6",
            "amqp:decode-error",
        ),
        (
            b"\0\x53\x10\x45",
            "open.container-id: mandatory field without a value, at octet 4",
            "amqp:invalid-field",
        ),
        (
            b"\0\x53\x10\xc0\x02\x01\x40",
            "open.container-id: mandatory field without a value, at octet 7",
            "amqp:invalid-field",
        ),
        (
            b"\0\x53\x18\xc0\x03\x02\x40\x40",
            "close with 2 fields, expected at most 1, at octet 6",
            "amqp:decode-error",
        ),
        (
            b"\0\x53\x18\xc0\x03\x01\x40\x40",
            "1 octets after the last value, expected none, at octet 7",
            "amqp:decode-error",
        ),
        (
            b"\0\x53\x15\xc0\x04\x02\x41\x50\x01",
            "disposition.first: ubyte (format code 0x50) where uint is expected, at octet 7",
            "amqp:decode-error",
        ),
        (
            b"\0\x53\x12\xc0\x07\x04\xa1\0\x43\x42\x50\x03",
            "attach.snd-settle-mode: 3 is no sender-settle-mode, at octet 12",
            "amqp:invalid-field",
        ),
        (
            b"\0\x53\x14\xc0\x0b\x08\x43\x40\x40\x40\x40\x40\x40\0\x53\x10\x45",
            "transfer.state: described type open where a delivery state is expected, at octet 16",
            "amqp:decode-error",
        ),
        (
            b"\0\x53\x99\x45",
            "described type 0x99 where a performative is expected, at octet 3",
            "amqp:decode-error",
        ),
        (
            b"\0\xa3\x03a:b\x45",
            "described type a:b where a performative is expected, at octet 1",
            "amqp:decode-error",
        ),
        (
            b"\0\x53\x40\xc0\x05\x01\xe0\x02\0\xa3",
            "sasl-mechanisms.sasl-server-mechanisms: mandatory field without a value, at octet 10",
            "amqp:invalid-field",
        ),
        (
            b"\x43",
            "uint (format code 0x43) where a performative is expected, at octet 0",
            "amqp:decode-error",
        ),
        (
            b"\0\x53\x14\xc0\x26\x03\x43\x43\xa0\x21012345678901234567890123456789012",
            "transfer.delivery-tag: delivery tag of 33 octets, the limit is 32, at octet 10",
            "amqp:invalid-field",
        ),
    ] {
        let error = refused(octets);
        assert_eq!(error.condition().as_str(), condition, "{error}");
        assert_eq!(error.reach(), Reach::Connection);
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn values_too_deep_are_refused() {
    let value = |octets: &[u8]| {
        let octets = Bytes::copy_from_slice(octets);
        let value = Value::decode(&mut Reader::new(&octets));
        assert_eq!(skip(&mut Reader::new(&octets)), value.clone().map(drop));
        value
    };
    // Descriptors of descriptors, arrays of described values, and lists in lists.
    let described = |depth: usize| [&vec![0; depth][..], &vec![0x40; depth + 1]].concat();
    let array = |depth: usize| {
        [&[0xf0, 0, 0, 0x40, 0, 0, 0, 0, 0], &b"\0\x40".repeat(depth)[..], &[0x40]].concat()
    };
    let lists = |depth: usize| {
        let mut octets = vec![0x40];
        for _ in 0..depth {
            let size = u32::try_from(octets.len() + 4).unwrap().to_be_bytes();
            octets = [&[0xd0], &size[..], &[0, 0, 0, 1], &octets].concat();
        }
        octets
    };
    assert!(value(&described(VALUE_DEPTH_MAX)).is_ok());
    assert!(value(&lists(VALUE_DEPTH_MAX)).is_ok());
    for octets in [
        described(VALUE_DEPTH_MAX + 1),
        described(100_000),
        lists(VALUE_DEPTH_MAX + 1),
        lists(1000),
    ] {
        assert_eq!(value(&octets).unwrap_err().fault(), &Fault::Depth);
    }
    let mut bomb = array(10_000);
    let size = u32::try_from(bomb.len() - 5).unwrap().to_be_bytes();
    bomb[1..5].copy_from_slice(&size);
    assert_eq!(value(&bomb).unwrap_err().fault(), &Fault::Depth);
}

#[test]
fn sections_out_of_order_are_refused_and_reach_the_link() {
    let (header, properties) = (&b"\0\x53\x70\x45"[..], &b"\0\x53\x73\x45"[..]);
    let (data, value) = (&b"\0\x53\x75\xa0\0"[..], &b"\0\x53\x77\x40"[..]);
    let (sequence, footer) = (&b"\0\x53\x76\x45"[..], &b"\0\x53\x78\xc1\x01\0"[..]);
    for (sections, words) in [
        (&[properties, header][..], "section header after properties, at octet 4"),
        (&[header, header], "section header after header, at octet 4"),
        (&[data, value], "section amqp-value after data, at octet 5"),
        (&[data, sequence], "section amqp-sequence after data, at octet 5"),
        (&[value, value], "section amqp-value after amqp-value, at octet 4"),
        (&[value, footer, footer], "section footer after footer, at octet 10"),
        (&[footer, data], "section data after footer, at octet 6"),
        (
            &[b"\0\x53\x10\x45"],
            "described type 0x10 where a section of a message is expected, at octet 0",
        ),
        (&[b"\x40"], "null (format code 0x40) where a described value is expected, at octet 0"),
        (&[b"\0\x53\x75\x45"], "list (format code 0x45) where binary is expected, at octet 3"),
        (&[data, b"\0\x53\x75\xa0\x02a"], "2 octets are needed, 1 are left, at octet 10"),
        (&[b"\0\x53\x77\x3f"], "format code 0x3f is of no type, at octet 3"),
    ] {
        let octets = Bytes::from(sections.concat());
        let error = Message::parse([octets].into_iter().collect()).unwrap_err();
        assert_eq!(error.to_string(), words);
        assert_eq!((error.reach(), error.condition()), (Reach::Link, ErrorCondition::DecodeError));
    }
    let fine = [header, properties, data, data, footer].concat();
    assert!(Message::parse([Bytes::from(fine)].into_iter().collect()).is_ok());
}

#[test]
fn a_section_that_cannot_be_read_tells_where_in_the_message() {
    let octets = Bytes::from_static(b"\0\x53\x70\x45\0\x53\x73\xc0\x03\x01\x50\x01");
    let message = Message::parse([octets].into_iter().collect()).unwrap();
    let error = message.properties().unwrap_err();
    assert_eq!(
        error.to_string(),
        "properties.message-id: ubyte (format code 0x50) where ulong, uuid, binary or string is \
         expected, at octet 10"
    );
    assert_eq!(error.reach(), Reach::Link);
    let octets = Bytes::from_static(b"\0\x53\x70\x45\0\x53\x74\xc1\x05\x02\xa1\x01a\x3f");
    let message = Message::parse([octets].into_iter().collect()).unwrap();
    let properties = message.application_properties().unwrap();
    for error in [properties.get("b").unwrap_err(), properties.to_map().unwrap_err()] {
        assert_eq!(error.to_string(), "format code 0x3f is of no type, at octet 13");
        assert_eq!(error.reach(), Reach::Link);
    }
}

#[test]
fn an_error_quotes_no_more_than_fits_a_frame() {
    let symbol = [b"\0\xb3\0\0\x10\0".as_slice(), &[b's'; 4096], b"\x45"].concat();
    assert!(refused(&symbol).to_amqp().description.unwrap().len() < 200);
}

proptest! {
    #[test]
    fn any_octets_at_all_are_read_or_refused(octets in vec(any::<u8>(), 0..200)) {
        read_all(&octets.into());
    }

    #[test]
    fn any_octets_behind_a_descriptor_are_read_or_refused(
        descriptor in prop_oneof![0x10..0x19_u8, 0x23..0x35_u8, 0x40..0x45_u8, 0x70..0x79_u8],
        octets in vec(any::<u8>(), 0..100),
    ) {
        read_all(&[&[0, 0x53, descriptor][..], &octets].concat().into());
    }

    #[test]
    fn any_octets_in_good_frames_are_read_or_refused(
        frames in vec((0..2_u8, vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let mut stream = Vec::new();
        for (kind, body) in frames {
            stream.extend([0, 0, 0, 8 + body.len() as u8, 2, kind, 0, 1]);
            stream.extend(body);
        }
        read_all(&stream.into());
    }
}
