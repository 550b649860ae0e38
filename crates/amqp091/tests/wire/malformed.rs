//! Whatever a peer sends, the answer is a value or an error with the right code, never a panic.

use amqp091::{
    Assembler, ContentHeader, Error, FieldTable, Frame, FrameDecoder, Method, PropertyList,
    ReplyCode, Secret, limits::FIELD_DEPTH_MAX, sasl,
};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};

use crate::generated::{basic_properties, methods};

/// Everything this crate can be made to read, on the same octets.
fn read_all(octets: &Bytes) {
    let _ = Method::decode(octets).map(|method| method.encode(&mut BytesMut::new()));
    let _ = ContentHeader::decode(octets).map(|header| header.properties().unwrap());
    let _ = FieldTable::decode(octets);
    let _ = sasl::amqplain(&Secret::new(octets.clone()));
    let mut decoder = FrameDecoder::new();
    let mut assembler = Assembler::new(1 << 20);
    let mut buffer = BytesMut::from(&octets[..]);
    while let Ok(Some(frame)) = decoder.decode(&mut buffer) {
        let _ = take(&mut assembler, frame);
    }
}

fn take(assembler: &mut Assembler, frame: Frame) -> Result<(), Error> {
    match frame {
        Frame::Method { payload, .. } => {
            assembler.begin(Method::decode(&payload)?)?;
        }
        Frame::Header { payload, .. } => {
            assembler.header(&payload)?;
        }
        Frame::Body { payload, .. } => {
            assembler.body(payload)?;
        }
        Frame::Heartbeat => {}
    }
    Ok(())
}

fn refused(payload: &[u8]) -> Error {
    Method::decode(&Bytes::copy_from_slice(payload)).unwrap_err()
}

/// `queue.declare` of `q` with this after its bits.
fn declare(table: &[u8]) -> Vec<u8> {
    [b"\0\x32\0\x0a\0\0\x01q\0", table].concat()
}

#[test]
fn a_length_that_lies_is_a_frame_error_and_names_method_and_field() {
    let cases: [(Vec<u8>, &str); 12] = [
        (b"".to_vec(), "class-id"),
        (b"\0\x32\0".to_vec(), "method-id"),
        (b"\0\x32\0\x0a\0".to_vec(), "ticket"),
        (b"\0\x32\0\x0a\0\0".to_vec(), "queue"),
        (b"\0\x32\0\x0a\0\0\x02q".to_vec(), "queue"),
        (b"\0\x32\0\x0a\0\0\xffq".to_vec(), "queue"),
        (b"\0\x32\0\x0a\0\0\0".to_vec(), "passive, durable, exclusive, auto-delete, nowait"),
        (declare(b"\0\0\0"), "arguments"),
        (declare(b"\0\0\0\x01"), "arguments"),
        (declare(b"\xff\xff\xff\xff\x01kV"), "arguments"),
        (declare(b"\0\0\0\x08\x01kS\0\0\0\x02v"), "arguments"),
        (declare(b"\0\0\0\x0b\x01kF\xff\xff\xff\xff\x01kV"), "arguments"),
    ];
    for (payload, field) in cases {
        let error = refused(&payload);
        assert_eq!(error.reply_code(), ReplyCode::FrameError, "{error}");
        assert!(error.text().contains(&format!("'{field}'")), "{error}");
        if payload.len() >= 4 {
            assert_eq!((error.class_id(), error.method_id()), (50, 10));
            assert!(error.text().starts_with("FRAME_ERROR - queue.declare: "), "{error}");
        }
    }
}

#[test]
fn octets_after_the_arguments_are_a_frame_error() {
    // The table's length says 0, so that its fields are left over.
    for payload in [&declare(b"\0\0\0\0\x01kV"), &b"\0\x14\0\x29\0"[..]] {
        let error = refused(payload);
        assert_eq!(error.reply_code(), ReplyCode::FrameError);
        assert!(error.to_string().contains("after the last field"), "{error}");
    }
}

#[test]
fn an_illegal_value_is_a_syntax_error() {
    let mut deep = Vec::new();
    for _ in 0..=FIELD_DEPTH_MAX {
        deep = [b"A".as_slice(), &u32::try_from(deep.len()).unwrap().to_be_bytes(), &deep].concat();
    }
    let field = [b"\x01k".as_slice(), &deep].concat();
    let deep = [&u32::try_from(field.len()).unwrap().to_be_bytes()[..], &field].concat();
    let cases = [
        (b"\0\x32\0\x0a\0\0\x02q\xc3\0\0\0\0\0".to_vec(), "'queue' is not UTF-8 from octet 1 on"),
        (declare(b"\0\0\0\x03\x01\xffV"), "'arguments' is not UTF-8 from octet 0 on"),
        (declare(b"\0\0\0\x03\x01k?"), "unknown type 63"),
        (declare(&deep), "deeper than 32"),
    ];
    for (payload, words) in cases {
        let error = refused(&payload);
        assert_eq!(error.reply_code(), ReplyCode::SyntaxError, "{error}");
        assert!(error.text().contains(words), "{error}");
        assert_eq!((error.class_id(), error.method_id()), (50, 10));
    }
}

#[test]
fn an_unknown_method_is_refused_by_its_numbers() {
    for (payload, text) in [
        (b"\0\x3c\0\x63", "NOT_IMPLEMENTED - method 60.99: unknown to this server"),
        (b"\xff\xff\0\x0a", "NOT_IMPLEMENTED - method 65535.10: unknown to this server"),
    ] {
        assert_eq!(refused(payload).text(), text);
    }
}

#[test]
fn every_method_cut_anywhere_is_refused_with_its_name() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for strategy in methods() {
        let method = strategy.new_tree(&mut runner).unwrap().current();
        let mut out = BytesMut::new();
        method.encode(&mut out);
        let payload = out.freeze();
        for end in 0..payload.len() {
            let error = Method::decode(&payload.slice(..end)).unwrap_err();
            assert_eq!(error.reply_code(), ReplyCode::FrameError, "{} at {end}", method.name());
            assert_eq!(error.method(), (end >= 4).then_some(method.ids()));
        }
        let longer = Bytes::from([&payload[..], b"\0"].concat());
        assert!(Method::decode(&longer).is_err(), "{}", method.name());
    }
}

#[test]
fn every_octet_of_every_method_may_be_anything() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for strategy in methods() {
        let method = strategy.new_tree(&mut runner).unwrap().current();
        let mut payload = BytesMut::new();
        method.encode(&mut payload);
        for position in 0..payload.len() {
            for octet in [0, 1, 0x7f, 0x80, 0xfe, 0xff] {
                let mut damaged = payload.to_vec();
                damaged[position] = octet;
                read_all(&damaged.into());
            }
        }
    }
}

proptest! {
    #[test]
    fn any_octets_at_all_are_read_or_refused(octets in vec(any::<u8>(), 0..200)) {
        read_all(&octets.into());
    }

    #[test]
    fn any_octets_in_good_frames_are_read_or_refused(
        frames in vec((prop::sample::select(vec![1_u8, 2, 3]), vec(any::<u8>(), 0..40)), 0..8),
    ) {
        let mut stream = Vec::new();
        for (kind, payload) in frames {
            stream.extend([kind, 0, 1, 0, 0, 0, payload.len() as u8]);
            stream.extend(payload);
            stream.push(0xce);
        }
        read_all(&stream.into());
    }

    #[test]
    fn damaged_properties_are_read_or_refused(
        properties in basic_properties(),
        at: prop::sample::Index,
        octet: u8,
    ) {
        let mut list = PropertyList::from(&properties).as_bytes().to_vec();
        let position = at.index(list.len());
        list[position] = octet;
        if let Ok(list) = PropertyList::parse(list.into()) {
            let _ = list.decode().unwrap();
            let _ = (list.headers(), list.expiration(), list.user_id(), list.delivery_mode());
        }
    }
}
