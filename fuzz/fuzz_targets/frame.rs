//! A stream of frames and the contents they carry.
#![no_main]

use amqp091::{Assembler, Frame, FrameDecoder, Method};
use bytes::BytesMut;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    bounded::bounded(octets.len(), || {
        let mut decoder = FrameDecoder::new();
        let mut assembler = Assembler::new(1 << 16);
        let mut inbox = BytesMut::from(octets);
        while let Ok(Some(frame)) = decoder.decode(&mut inbox) {
            assert!(decoder.missing(&inbox) <= 8192 + 16);
            let _ = match frame {
                Frame::Method { payload, .. } => {
                    Method::decode(&payload).and_then(|method| assembler.begin(method)).map(drop)
                }
                Frame::Header { payload, .. } => assembler.header(&payload).map(drop),
                Frame::Body { payload, .. } => assembler.body(payload).map(drop),
                Frame::Heartbeat => Ok(()),
            };
        }
    });
});
