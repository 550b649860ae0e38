//! AMQP 1.0: a stream of frames: what is read is written as the same.
#![no_main]

use amqp10::{
    ChannelId, Frame, FrameDecoder, Performative, encode_frame, encode_transfer_head,
    limits::ZERO_WIDTH_ELEMENTS_MAX,
};
use bytes::BytesMut;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let mut decoder = FrameDecoder::new();
    let mut inbox = BytesMut::from(octets);
    loop {
        let bound = inbox.len() + ZERO_WIDTH_ELEMENTS_MAX;
        let frame = bounded::bounded(bound, || decoder.decode(&mut inbox));
        assert!(decoder.missing(&inbox) <= 8192);
        let Ok(Some(frame)) = frame else { return };
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
