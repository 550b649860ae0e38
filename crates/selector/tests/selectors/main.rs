//! Selectors as consumers write them, as a generator makes them up, and as a peer with bad intent
//! sends them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

mod amqp_sql;
mod corpus;
mod jms;
mod limits;
mod message;
mod random;
