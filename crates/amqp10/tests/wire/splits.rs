//! However a stream is cut into reads, the same frames come out; however a message is cut into
//! transfers, the same sections.

use amqp10::{
    ChannelId, Encode as _, Frame, FrameDecoder, Message, SectionKind,
    definition::Handle,
    encode_frame, encode_heartbeat, encode_transfer_head,
    messaging::{Header, Properties},
    performative::Transfer,
    section::{BodyKind, Pieces, encode_data, encode_map_section, encode_sequence, encode_value},
    types::{MessageId, Symbol, Value},
};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};

use crate::generated::performative;

fn decode_all(reads: &[&[u8]]) -> Vec<Frame> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_size(1 << 20);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            let missing = decoder.missing(&buffer);
            let Some(frame) = decoder.decode(&mut buffer).unwrap() else {
                assert!(missing > 0);
                break;
            };
            assert_eq!(missing, 0);
            frames.push(frame);
        }
    }
    assert!(buffer.is_empty(), "{} octets left", buffer.len());
    frames
}

fn stream() -> Vec<u8> {
    let mut out = BytesMut::new();
    let transfer = Transfer { handle: Handle(3), more: true, ..Transfer::default() };
    for payload in [&b"hello"[..], b"", b"\0\0\0\x08\x02\0\0\0"] {
        encode_transfer_head(ChannelId(3), &transfer, payload.len(), &mut out);
        out.extend_from_slice(payload);
    }
    encode_heartbeat(&mut out);
    encode_frame(ChannelId(3), &amqp10::performative::End::default(), &mut out);
    out.to_vec()
}

#[test]
fn every_cut_of_a_stream_in_two_gives_the_same_frames() {
    let stream = stream();
    let whole = decode_all(&[&stream]);
    assert_eq!(whole.len(), 5);
    for cut in 0..=stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(decode_all(&[first, second]), whole, "cut at {cut}");
    }
    let reads: Vec<_> = stream.chunks(1).collect();
    assert_eq!(decode_all(&reads), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_performatives_in_any_reads_give_the_same_frames(
        performatives in vec(performative(), 1..8),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut out = BytesMut::new();
        for (number, performative) in performatives.iter().enumerate() {
            encode_frame(ChannelId(number as u16), performative, &mut out);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(out.len())).collect();
        cuts.extend([0, out.len()]);
        cuts.sort_unstable();
        let reads: Vec<_> = cuts.windows(2).map(|pair| &out[pair[0]..pair[1]]).collect();
        let frames = decode_all(&reads);
        prop_assert_eq!(frames.len(), performatives.len());
        prop_assert_eq!(frames, decode_all(&[&out]));
    }
}

fn annotations(kind: SectionKind, out: &mut BytesMut) {
    encode_map_section(kind, out, |map| {
        map.entry(&Symbol::from_static("x-opt-a"), &1_u32);
        map.entry(&7_u64, "number");
        map.entry(&Symbol::from_static("x-opt-b"), "b");
    });
}

/// A message of all sections, with this body.
fn whole(body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    Header { durable: Some(true), ..Header::default() }.encode(&mut out);
    annotations(SectionKind::DeliveryAnnotations, &mut out);
    annotations(SectionKind::MessageAnnotations, &mut out);
    let id = Some(MessageId::Ulong(5));
    Properties { message_id: id, ..Properties::default() }.encode(&mut out);
    annotations(SectionKind::ApplicationProperties, &mut out);
    out.extend_from_slice(body);
    annotations(SectionKind::Footer, &mut out);
    out.freeze()
}

fn section(encode: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(&mut out);
    out.to_vec()
}

#[test]
fn every_cut_of_a_message_gives_the_same_sections() {
    let data = |octets: &'static [u8]| section(|out| encode_data(&Bytes::from_static(octets), out));
    let sequence = section(|out| encode_sequence(&[Value::Null, 300_u32.into()], out));
    let bodies = [
        (data(b"hello"), BodyKind::Data),
        ([data(b"a"), data(b""), data(&[7; 300])].concat(), BodyKind::Data),
        ([&sequence[..], &sequence].concat(), BodyKind::Sequence),
        (section(|out| encode_value("text", out)), BodyKind::Value),
        (Vec::new(), BodyKind::Absent),
    ];
    for (body, kind) in bodies {
        let octets = whole(&body);
        let one = Message::parse([octets.clone()].into_iter().collect()).unwrap();
        assert_eq!(one.value().unwrap().is_some(), kind == BodyKind::Value);
        for cut in 0..=octets.len() {
            let pieces = [octets.slice(..cut), Bytes::new(), octets.slice(cut..)];
            let message = Message::parse(Pieces::from_iter(pieces)).unwrap();
            assert_eq!((message.body_kind(), message.size()), (kind, octets.len()));
            assert_eq!(message.header(), one.header());
            assert_eq!(message.properties(), one.properties());
            assert_eq!(message.value(), one.value());
            let joined = |slices: Vec<Bytes>| slices.concat();
            assert_eq!(joined(message.body().collect()), body);
            let bare = joined(message.bare().collect());
            assert_eq!(bare, joined(one.bare().collect()));
            assert_eq!(bare.len(), message.bare_size());
            let contents =
                |it: &Message| it.data().map(|pieces| pieces.concat()).collect::<Vec<_>>();
            assert_eq!(contents(&message), contents(&one));
            for (map, same) in [
                (message.delivery_annotations(), one.delivery_annotations()),
                (message.message_annotations(), one.message_annotations()),
                (message.application_properties(), one.application_properties()),
                (message.footer(), one.footer()),
            ] {
                assert_eq!(map, same);
                let map = map.unwrap();
                assert_eq!(map.get("x-opt-b"), Ok(Some("b".into())));
                assert_eq!(map.get("x-opt-c"), Ok(None));
            }
        }
        let octet_by_octet: Pieces = octets.chunks(1).map(Bytes::copy_from_slice).collect();
        let message = Message::parse(octet_by_octet).unwrap();
        assert_eq!(message.properties(), one.properties());
    }
}
