//! What fuzzing has found (`fuzz/corpus`), run once each as the fuzz targets run it: every input is
//! read or refused, and what was read is written as the same.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::{fs, path::Path};

use amqp10::{
    ChannelId, Decode as _, Encode as _, Frame, FrameDecoder, Message, Performative, Reader,
    encode_frame, encode_transfer_head,
    section::Pieces,
    types::{Value, skip},
};
use bytes::{Bytes, BytesMut};

fn each(target: &str, run: impl Fn(Bytes)) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut replayed = 0;
    for file in fs::read_dir(&corpus).unwrap() {
        run(fs::read(file.unwrap().path()).unwrap().into());
        replayed += 1;
    }
    assert!(replayed >= 30, "{replayed} files in {}", corpus.display());
}

#[test]
fn values() {
    each("amqp10_value", |octets| {
        let mut reader = Reader::new(&octets);
        let value = Value::decode(&mut reader);
        assert_eq!(skip(&mut Reader::new(&octets)), value.clone().map(drop));
        let Ok(value) = value else { return };
        let mut written = BytesMut::new();
        value.encode(&mut written);
        let written = written.freeze();
        assert_eq!(Value::decode(&mut Reader::new(&written)), Ok(value));
    });
}

#[test]
fn frames() {
    each("amqp10_frame", |octets| {
        let mut decoder = FrameDecoder::new();
        let mut inbox = BytesMut::from(&octets[..]);
        while let Ok(Some(frame)) = decoder.decode(&mut inbox) {
            let mut written = BytesMut::new();
            match &frame {
                Frame::Amqp { channel, performative: Performative::Transfer(it), payload } => {
                    encode_transfer_head(*channel, it, payload.len(), &mut written);
                    written.extend_from_slice(payload);
                }
                Frame::Amqp { channel, performative, .. } => {
                    encode_frame(*channel, performative, &mut written);
                }
                Frame::Sasl(body) => {
                    encode_frame(ChannelId::default(), body, &mut written);
                }
                Frame::Heartbeat => continue,
            }
            let mut again = FrameDecoder::new();
            again.set_max_size(u32::MAX);
            assert_eq!(again.decode(&mut written), Ok(Some(frame)));
        }
    });
}

#[test]
fn messages() {
    each("amqp10_message", |octets| {
        let Some((&cut, message)) = octets.split_first() else { return };
        let whole = octets.slice(1..);
        let (first, second) = whole.split_at(usize::from(cut).min(message.len()));
        let pieces = [first, second].map(Bytes::copy_from_slice);
        let one = Message::parse(Pieces::from_buf([whole.clone()]));
        let two = Message::parse(Pieces::from_iter(pieces));
        assert_eq!(one.clone().map(drop), two.clone().map(drop), "pieces make no difference");
        let (Ok(one), Ok(two)) = (one, two) else { return };
        assert_eq!(one.header(), two.header());
        assert_eq!(one.properties(), two.properties());
        assert_eq!(one.value(), two.value());
        let data = |it: &Message| it.data().flatten().flatten().collect::<Vec<u8>>();
        assert_eq!(data(&one), data(&two));
        for map in [one.message_annotations(), one.application_properties()].into_iter().flatten() {
            let Ok(whole) = map.to_map() else { continue };
            assert_eq!(map.get("key"), Ok(whole.get("key").cloned()));
        }
    });
}
