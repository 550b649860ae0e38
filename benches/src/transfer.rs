//! AMQP 1.0: what a sender sent, read, and what a receiver is sent, written.

use std::hint::black_box;

use amqp10::{
    ChannelId, DeliveryTag, Encode as _, Frame, FrameDecoder, Message, Performative,
    TransferStencil,
    definition::{DeliveryNumber, Handle, MessageFormat, Role},
    encode_frame, encode_transfer_head,
    messaging::{Accepted, Header, Properties},
    performative::{Disposition, Transfer},
    section::{Pieces, encode_data},
};
use bytes::{Bytes, BytesMut};

/// Frames of one read.
const BATCH: u64 = 64;
const CHANNEL: ChannelId = ChannelId(0);

/// A delivery as senders write it: header, properties with an address, 16 octets.
fn transfer(number: u64) -> Transfer {
    let tag = Bytes::copy_from_slice(&number.to_be_bytes());
    Transfer {
        handle: Handle(0),
        delivery_id: Some(DeliveryNumber(number as u32)),
        delivery_tag: DeliveryTag::try_from(tag).ok(),
        message_format: Some(MessageFormat(0)),
        settled: Some(false),
        ..Transfer::default()
    }
}

fn message() -> BytesMut {
    let mut message = BytesMut::new();
    Header { durable: Some(true), ..Header::default() }.encode(&mut message);
    let to = Some("/queues/orders".into());
    Properties { to, ..Properties::default() }.encode(&mut message);
    encode_data(&Bytes::from_static(&[b'x'; 16]), &mut message);
    message
}

/// Decodes the batch again and again, each frame by `each`.
fn read(frames: u64, batch: &[u8], each: impl Fn(Frame)) {
    let mut decoder = FrameDecoder::new();
    let mut buffer = BytesMut::new();
    for _ in 0..frames {
        if buffer.is_empty() {
            // As a read brings it.
            buffer.extend_from_slice(batch);
        }
        let frame = decoder.decode(&mut buffer).expect("it is well formed");
        each(frame.expect("no frame is cut"));
    }
}

pub(crate) fn read_transfers(messages: u64) {
    let (message, mut wire) = (message(), BytesMut::new());
    for number in 0..BATCH {
        encode_transfer_head(CHANNEL, &transfer(number), message.len(), &mut wire);
        wire.extend_from_slice(&message);
    }
    read(messages, &wire, |frame| {
        let Frame::Amqp { performative: Performative::Transfer(transfer), payload, .. } = frame
        else {
            return;
        };
        let message = Message::parse(Pieces::from_buf([payload])).expect("it is well formed");
        black_box((transfer, message));
    });
}

pub(crate) fn read_dispositions(messages: u64) {
    let mut wire = BytesMut::new();
    for number in 0..BATCH {
        let disposition = Disposition {
            role: Role::Receiver,
            first: DeliveryNumber(number as u32 + 1000),
            settled: true,
            state: Some(Accepted {}.into()),
            ..Disposition::default()
        };
        encode_frame(CHANNEL, &disposition, &mut wire);
    }
    read(messages, &wire, |frame| {
        black_box(frame);
    });
}

/// Encodes message by message into a buffer that is cleared as a write would.
fn write(messages: u64, each: impl Fn(u64, &mut BytesMut)) {
    let mut out = BytesMut::with_capacity(64 * 1024);
    for number in 0..messages {
        if number % BATCH == 0 {
            out.clear();
        }
        each(number, &mut out);
        out.extend_from_slice(black_box(&[b'x'; 16]));
        black_box(&out);
    }
}

pub(crate) fn write_by_stencil(messages: u64) {
    let stencil = TransferStencil::new(CHANNEL, Handle(0), false);
    write(messages, |number, out| {
        stencil.encode(DeliveryNumber(number as u32), number, false, 16, out);
    });
}

pub(crate) fn write_by_field(messages: u64) {
    let mut transfer = transfer(0);
    let tag = transfer.delivery_tag.take();
    write(messages, |number, out| {
        let transfer = Transfer {
            delivery_id: Some(DeliveryNumber(number as u32)),
            delivery_tag: tag.clone(),
            ..transfer.clone()
        };
        encode_transfer_head(CHANNEL, black_box(&transfer), 16, out);
    });
}
