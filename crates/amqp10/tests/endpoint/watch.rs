//! What any endpoint must keep to in what it writes, whatever it is told: frames that can be read,
//! `open` first, nothing after `close`, nothing on a channel without `begin` or after `end`, on a
//! handle without `attach` or after `detach`.

use std::collections::HashSet;

use amqp10::{Frame, FrameDecoder, Performative};
use bytes::BytesMut;

pub(crate) struct Watch {
    decoder: FrameDecoder,
    is_open: bool,
    is_closed: bool,
    channels: HashSet<u16>,
    handles: HashSet<(u16, u32)>,
}

impl Default for Watch {
    fn default() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_size(u32::MAX);
        let (channels, handles) = (HashSet::new(), HashSet::new());
        Self { decoder, is_open: false, is_closed: false, channels, handles }
    }
}

impl Watch {
    /// Reads what was written; gives the frames.
    pub(crate) fn read(&mut self, out: &mut BytesMut) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.decoder.decode(out).expect("it writes frames") {
            assert!(!self.is_closed, "{frame:?} after close");
            if let Frame::Amqp { channel, performative, .. } = &frame {
                self.check(channel.0, performative);
            }
            frames.push(frame);
        }
        assert!(out.is_empty(), "it writes whole frames");
        frames
    }

    fn check(&mut self, channel: u16, performative: &Performative) {
        if let Performative::Open(_) = performative {
            assert!(!std::mem::replace(&mut self.is_open, true), "open twice");
            return;
        }
        assert!(self.is_open, "{performative:?} before open");
        match performative {
            Performative::Close(_) => {
                self.is_closed = true;
                return;
            }
            Performative::Begin(_) => {
                assert!(self.channels.insert(channel), "begin twice on {channel}");
                return;
            }
            _ => {}
        }
        assert!(self.channels.contains(&channel), "{performative:?} on {channel}");
        match performative {
            Performative::End(_) => {
                self.channels.remove(&channel);
                self.handles.retain(|(its, _)| *its != channel);
            }
            Performative::Attach(attach) => {
                assert!(
                    self.handles.insert((channel, attach.handle.0)),
                    "attach twice: {attach:?}"
                );
            }
            Performative::Detach(detach) => {
                assert!(self.handles.remove(&(channel, detach.handle.0)), "{detach:?}");
            }
            Performative::Flow(flow) => {
                let is_known = flow.handle.is_none_or(|it| self.handles.contains(&(channel, it.0)));
                assert!(is_known, "{flow:?}");
            }
            Performative::Transfer(transfer) => {
                assert!(self.handles.contains(&(channel, transfer.handle.0)), "{transfer:?}");
            }
            _ => {}
        }
    }
}
