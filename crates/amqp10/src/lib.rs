//! AMQP 1.0, sans-I/O: no socket, no clock, no runtime.
//!
//! Octets go in, frames come out ([`FrameDecoder`]): a frame is a [`Performative`] with its
//! payload, decoded from the octets straight into typed fields ([`Decode`], [`Composite`]). What a
//! field leaves open is a [`Value`](types::Value). A message is what the payloads of its transfers
//! are together: [`Message`] finds its sections without decoding them, and keeps the bare message
//! bit for bit. The way back is a set of functions that append to a write buffer ([`encode_frame`]
//! and its neighbours, [`TransferStencil`], those of [`section`]). Strings, binaries and payloads
//! are slices of the read buffer: nothing is copied, and what is kept for long is `detached` from
//! it by its keeper. Whatever a peer can do wrong is an [`Error`] that knows the condition, how far
//! it reaches, and the words to say.
//!
//! The types are generated from the specification's XML by `cargo xtask codegen`.
//!
//! ```
//! use amqp10::{
//!     ChannelId, DeliveryTag, Frame, FrameDecoder, Message, Performative,
//!     definition::{DeliveryNumber, Handle},
//!     encode_transfer_head,
//!     performative::Transfer,
//!     section::{Pieces, encode_data},
//! };
//! use bytes::{Bytes, BytesMut};
//!
//! // A sender writes a message…
//! let mut message = BytesMut::new();
//! encode_data(&Bytes::from_static(b"world"), &mut message);
//! let transfer = Transfer {
//!     handle: Handle(0),
//!     delivery_id: Some(DeliveryNumber(0)),
//!     delivery_tag: Some(DeliveryTag::try_from(Bytes::from_static(b"1"))?),
//!     ..Transfer::default()
//! };
//! let mut wire = BytesMut::new();
//! encode_transfer_head(ChannelId(1), &transfer, message.len(), &mut wire);
//! wire.extend_from_slice(&message);
//!
//! // …and a receiver reads it.
//! let mut decoder = FrameDecoder::new();
//! let frame = decoder.decode(&mut wire)?.expect("the frame is complete");
//! let Frame::Amqp { performative: Performative::Transfer(received), payload, .. } = frame else {
//!     panic!("it was a transfer");
//! };
//! assert_eq!(received, transfer);
//! let message = Message::parse(Pieces::from_buf([payload]))?;
//! assert_eq!(message.data().flatten().next().as_deref(), Some(&b"world"[..]));
//! # Ok::<(), amqp10::Error>(())
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a test may fail by panic"))]

mod codec;
mod composite;
mod delivery_tag;
mod derive;
mod encode;
pub mod endpoint;
mod error;
mod fault;
mod frame;
mod generated;
pub mod limits;
mod protocol_header;
mod reader;
pub mod section;
mod transfer_stencil;
pub mod types;

pub use codec::{Decode, Encode};
pub use composite::{Composite, FieldReader, FieldWriter};
pub use delivery_tag::DeliveryTag;
pub use encode::{FrameBody, encode_frame, encode_heartbeat, encode_transfer_head, transfer_room};
pub use error::{Error, Reach};
pub use fault::Fault;
pub use frame::{ChannelId, Frame, FrameDecoder};
pub use generated::archetype::{ErrorCondition, Performative, SaslFrame};
pub use protocol_header::{PROTOCOL_HEADER_SIZE, ProtocolHeader};
pub use reader::Reader;
pub use section::{Message, SectionKind};
pub use transfer_stencil::{TRANSFER_STENCIL_SIZE, TransferStencil};

/// The bodies of AMQP frames.
pub mod performative {
    pub use crate::generated::performatives::*;
}

/// Types of the transport.
pub mod definition {
    pub use crate::generated::definitions::*;
}

/// Sections of a message, delivery states, sources and targets.
pub mod messaging {
    pub use crate::generated::{
        addressing::*,
        archetype::{DeliveryState, DistributionMode, LifetimePolicy, LinkTarget, Outcome},
        delivery_state::*,
        message_format::*,
    };
}

/// Transactions.
pub mod transaction {
    pub use crate::generated::{archetype::TxnCapability, coordination::*};
}

/// The bodies of SASL frames.
pub mod sasl {
    pub use crate::generated::sasl::*;
}
