//! Properties are the protocol's: the broker passes them on as they came. Where it has to look into
//! those of a message that no connection is at hand for, or to change one, it is handed who can.

use std::fmt;

use bytes::Bytes;

use crate::{Headers, Value};

/// Reads and changes encoded properties ([`crate::Message::properties`]).
pub trait Properties: Send + Sync + fmt::Debug {
    /// What routing reads of them. What cannot be read has no headers.
    fn headers<'a>(&self, properties: &'a Bytes) -> Box<dyn Headers + 'a>;

    /// The same properties with this header, in place of one of that name. What cannot be read, or
    /// would be too long, stays as it is.
    fn with_header(&self, properties: &Bytes, name: &str, value: Value) -> Bytes;

    /// The same properties without this header.
    fn without_header(&self, properties: &Bytes, name: &str) -> Bytes;
}

/// Properties that nobody can look into.
#[derive(Debug)]
pub(crate) struct Opaque;

impl Properties for Opaque {
    fn headers<'a>(&self, _: &'a Bytes) -> Box<dyn Headers + 'a> {
        Box::new(())
    }

    fn with_header(&self, properties: &Bytes, _: &str, _: Value) -> Bytes {
        properties.clone()
    }

    fn without_header(&self, properties: &Bytes, _: &str) -> Bytes {
        properties.clone()
    }
}
