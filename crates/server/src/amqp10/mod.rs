//! AMQP 1.0 to the broker's model: the one adapter that knows both.
//!
//! `handshake` brings a peer from its protocol header to an open connection; `served` is that
//! connection as its driver sees it; `connection` is the state, stepped by what the protocol's own
//! engine ([`amqp10::endpoint`]) says happened, with its parts by theme:
//! - links: `attach`, and `inlet` and `outlet` for those that publish and consume; `address` and
//!   `node` for where they lead, `filter` for what they want, `own_queue` and `subscription` for
//!   queues that are made for them, `suspended` and `resume` for those that come back;
//! - messages: `publish` and `credit` for it, `consume`, `choose`, `settle`, `transaction`;
//!   `convert` for 0-9-1, `value` for its values;
//! - `management` for requests to the broker itself; `recheck` takes back what is not allowed any
//!   more.

mod address;
mod attach;
mod choose;
mod connection;
mod consume;
mod convert;
mod credit;
mod filter;
mod handshake;
mod heads;
mod inlet;
mod large;
mod management;
mod node;
mod outlet;
mod own_queue;
mod properties;
mod publish;
mod publish_whole;
mod recheck;
mod refusal;
mod resume;
mod selected;
mod served;
mod settle;
mod sole;
mod subscription;
mod suspended;
mod transaction;
mod value;

pub(crate) use convert::as_amqp091;
pub(crate) use properties::SectionProperties;
pub(crate) use served::{Served, enter};
pub(crate) use suspended::SuspendedLinks;

/// What the labels of messages say that came by this protocol: properties are all sections before
/// the body but the delivery annotations, the body is its sections and the footer.
pub(crate) const ENCODING: broker::Encoding = broker::Encoding(1);
