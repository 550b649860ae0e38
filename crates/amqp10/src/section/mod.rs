//! Messages and their sections (AMQP 1.0 §3.2): found in the encoded message, read one by one when
//! somebody asks, and written one after the other.

mod body;
mod encode;
mod kind;
mod map_section;
mod message;
mod pieces;
mod plain;

pub use body::{BodyKind, DataSections};
pub use encode::{
    data_section_head, encode_data, encode_map_section, encode_sequence, encode_value,
};
pub use kind::SectionKind;
pub use map_section::MapSection;
pub use message::Message;
pub use pieces::Pieces;
pub use plain::{body_offset, plain_body};
