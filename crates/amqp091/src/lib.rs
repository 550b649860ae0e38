//! AMQP 0-9-1 with RabbitMQ's extensions, sans-I/O: no socket, no clock, no runtime.
//!
//! Octets go in, frames come out ([`FrameDecoder`]); a frame's payload becomes a [`Method`], and a
//! method with its content header and body frames becomes a [`Content`] ([`Assembler`], one for
//! each channel). The way back is a set of functions that append to a write buffer
//! ([`encode_method`] and its neighbours). Strings, tables and bodies are slices of the read
//! buffer: nothing is copied, and what is kept for long is `detached` from it by its keeper.
//! Whatever a peer can do wrong is an [`Error`] that knows the reply code, how far it reaches, and
//! the words to say.
//!
//! The methods are generated from RabbitMQ's definition of the protocol by `cargo xtask codegen`.
//!
//! ```
//! use amqp091::{
//!     Assembler, BasicProperties, ChannelId, Frame, FrameDecoder, Method, PropertyList, ShortStr,
//!     encode_body, encode_header, encode_method, method::basic::Publish,
//! };
//! use bytes::BytesMut;
//!
//! // A client writes a message…
//! let channel = ChannelId(1);
//! let publish = Publish { routing_key: ShortStr::from_static("hello"), ..Publish::default() };
//! let properties = BasicProperties { delivery_mode: Some(2), ..BasicProperties::default() };
//! let mut wire = BytesMut::new();
//! encode_method(channel, &publish, &mut wire);
//! encode_header(channel, 5, PropertyList::from(&properties).as_bytes(), &mut wire);
//! encode_body(channel, b"world", &mut wire);
//!
//! // …and a server reads it.
//! let mut decoder = FrameDecoder::new();
//! let mut assembler = Assembler::new(16 * 1024 * 1024);
//! let mut received = None;
//! while let Some(frame) = decoder.decode(&mut wire)? {
//!     let content = match frame {
//!         Frame::Method { payload, .. } => {
//!             assembler.begin(Method::decode(&payload)?)?;
//!             None
//!         }
//!         Frame::Header { payload, .. } => assembler.header(&payload)?,
//!         Frame::Body { payload, .. } => assembler.body(payload)?,
//!         Frame::Heartbeat => None,
//!     };
//!     received = received.or(content);
//! }
//! let content = received.expect("the message is complete");
//! assert_eq!(content.method, Method::from(publish));
//! assert!(content.header.properties.is_persistent());
//! assert_eq!(content.body.concat(), b"world");
//! # Ok::<(), amqp091::Error>(())
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a test may fail by panic"))]

mod content;
mod definition;
mod encode;
mod error;
mod fault;
mod field_table;
mod field_value;
mod frame;
mod generated;
mod header;
pub mod limits;
mod property;
mod protocol_header;
mod publish_frames;
mod reader;
pub mod sasl;
mod string;

pub use content::{Assembler, Body, Content};
pub use definition::{Argument, ArgumentKind, Definition};
pub use encode::{
    EncodeMethod, body_frame_prefix, body_pieces, encode_body, encode_header, encode_heartbeat,
    encode_method,
};
pub use error::{Error, MethodId, Reach};
pub use fault::Fault;
pub use field_table::FieldTable;
pub use field_value::FieldValue;
pub use frame::{ChannelId, Frame, FrameDecoder, FrameKind};
pub use generated::{
    basic_properties::BasicProperties, constants::*, definition::METHODS, method::Method,
    reply_code::ReplyCode,
};
pub use header::ContentHeader;
pub use property::PropertyList;
pub use protocol_header::{PROTOCOL_HEADER, PROTOCOL_HEADER_SIZE};
pub use publish_frames::PublishFrames;
pub use reader::Reader;
pub use string::{Secret, ShortStr};

/// Each method's struct, in a module for each class: `method::queue::Declare`.
pub mod method {
    pub use crate::generated::{access, basic, channel, confirm, connection, exchange, queue, tx};
}
