//! AMQP 0-9-1 to the broker's model: the one adapter that knows both.
//!
//! `handshake` brings a peer from its protocol header to an open connection; `served` is that
//! connection as its driver sees it; `connection` is the state, stepped by frames, with its methods
//! by theme in `declare`, `publish`, `consume`, `settle`, `transaction` and `reply_to`; `recheck`
//! takes back what is not allowed any more.

mod annotations;
mod arguments;
mod channel;
mod connection;
mod consume;
mod consumer_timeout;
mod content;
mod declare;
mod expiration;
mod handshake;
mod login;
mod name;
mod properties;
mod publish;
mod recheck;
mod refusal;
mod reply_to;
mod sender_selected;
mod served;
mod settle;
mod single;
mod stencil;
#[cfg(any(test, feature = "fuzzing"))]
mod stepped;
mod transaction;

pub(crate) use annotations::{Told, properties_told};
pub(crate) use arguments::arguments;
pub use handshake::PRODUCT_VERSION;
pub(crate) use handshake::{PRODUCT, needs_tls};
pub(crate) use name::generated;
pub(crate) use properties::{ContentProperties, field_table};
pub(crate) use served::{Served, enter};
pub use single::{in_amqp091, properties_shown, publish_one};
#[cfg(feature = "fuzzing")]
pub use stepped::Stepped;

/// What the labels of messages say that came by this protocol.
const ENCODING: broker::Encoding = broker::Encoding(0);
