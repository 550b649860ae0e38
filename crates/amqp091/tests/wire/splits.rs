//! However a stream is cut into reads, the same frames come out.

use amqp091::{
    BasicProperties, ChannelId, Frame, FrameDecoder, PropertyList, encode_body, encode_header,
    encode_heartbeat, encode_method,
};
use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};

use crate::generated::methods;

fn decode_all(reads: &[&[u8]]) -> Vec<Frame> {
    let mut decoder = FrameDecoder::new();
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
    let (channel, mut out) = (ChannelId(3), BytesMut::new());
    encode_method(channel, &amqp091::method::basic::Publish::default(), &mut out);
    let properties = BasicProperties { priority: Some(1), ..Default::default() };
    encode_header(channel, 12, PropertyList::from(&properties).as_bytes(), &mut out);
    encode_body(channel, b"hello ", &mut out);
    encode_heartbeat(&mut out);
    // Octets that look like a frame end, and like another frame.
    encode_body(channel, b"\xce\x01\0\0\0\0", &mut out);
    encode_body(channel, b"", &mut out);
    out.to_vec()
}

#[test]
fn every_cut_of_a_stream_in_two_gives_the_same_frames() {
    let stream = stream();
    let whole = decode_all(&[&stream]);
    assert_eq!(whole.len(), 6);
    for cut in 0..=stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(decode_all(&[first, second]), whole, "cut at {cut}");
    }
}

#[test]
fn a_stream_octet_by_octet_gives_the_same_frames() {
    let stream = stream();
    let reads: Vec<_> = stream.chunks(1).collect();
    assert_eq!(decode_all(&reads), decode_all(&[&stream]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_methods_in_any_reads_give_the_same_frames(
        methods in vec(prop::strategy::Union::new(methods()), 1..8),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut out = BytesMut::new();
        for (number, method) in methods.iter().enumerate() {
            encode_method(ChannelId(number as u16), method, &mut out);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(out.len())).collect();
        cuts.extend([0, out.len()]);
        cuts.sort_unstable();
        let reads: Vec<_> = cuts.windows(2).map(|pair| &out[pair[0]..pair[1]]).collect();
        let frames = decode_all(&reads);
        prop_assert_eq!(frames.len(), methods.len());
        prop_assert_eq!(frames, decode_all(&[&out]));
    }
}
