//! One message, from AMQP 0-9-1 to AMQP 1.0 and back, by the rules of RabbitMQ 4's message
//! containers. Pure: a message in, a message out; no broker, no connection, no clock.
//!
//! A message is converted when somebody receives it by the other protocol than the one it was
//! published with, and only then. A property list was checked when it came, so it always converts
//! ([`to_amqp10`]); of an AMQP 1.0 message only the order of the sections was, so a section may
//! turn out to be unreadable ([`to_amqp091`]). What one protocol cannot say is left out or moved,
//! never an error. `docs/conversion.md` has every rule, and the tests hold it to them. Bodies are
//! not copied.
//!
//! ```
//! use amqp091::{BasicProperties, FieldValue, PropertyList, ShortStr};
//! use amqp10::{Message, types::Value};
//! use bytes::Bytes;
//! use conversion::{Routed, to_amqp10, to_amqp091};
//!
//! let name = ShortStr::from_static("retries");
//! let published = BasicProperties {
//!     headers: Some([(name.clone(), FieldValue::I32(3))].into_iter().collect()),
//!     delivery_mode: Some(2),
//!     ..BasicProperties::default()
//! };
//! let list = PropertyList::from(&published);
//! let body = [Bytes::from_static(b"hello")];
//!
//! let routed = Routed { exchange: "events", routing_key: "org.example.hello" };
//! let converted = to_amqp10(&list, &body, routed, &[]);
//! assert_eq!(converted.header.durable, Some(true));
//! let message = Message::parse(converted.sections)?;
//! let properties = message.application_properties().expect("there is one");
//! assert_eq!(properties.get(&name)?, Some(Value::Int(3)));
//!
//! let back = to_amqp091(&message)?;
//! assert_eq!(back.properties.headers, published.headers);
//! assert_eq!(back.body.concat(), b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a test may fail by panic"))]

mod body;
mod death;
mod error;
mod fit;
mod legacy;
mod message_id;
mod name;
mod reply_to;
mod to_amqp091;
mod to_amqp10;
mod value;

pub use error::Error;
pub use fit::fit;
pub use to_amqp10::{Amqp10Message, Routed, to_amqp10};
pub use to_amqp091::{Amqp091Message, to_amqp091};
