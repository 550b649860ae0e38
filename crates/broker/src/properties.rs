//! Properties are the protocol's: the broker passes them on as they came. Where it has to look into
//! those of a message that no connection is at hand for, or to change one, it is handed who can.

use std::fmt;

use bytes::Bytes;

use crate::{Encoding, Group, Headers, Label, Value};

/// Reads and changes encoded properties ([`crate::Label::properties`]).
pub trait Properties: Send + Sync + fmt::Debug {
    /// What routing reads of them. What cannot be read has no headers.
    fn headers<'a>(&self, label: &'a Label) -> Box<dyn Headers + 'a>;

    /// Which group a message of these properties belongs to.
    fn group(&self, properties: &[u8], encoding: Encoding) -> Option<Group>;

    /// The same properties with this header, in place of one of that name. What cannot be read, or
    /// would be too long, stays as it is.
    fn with_header(&self, label: &Label, name: &str, value: Value) -> Bytes;

    /// The same properties without this header.
    fn without_header(&self, label: &Label, name: &str) -> Bytes;
}

/// Properties that nobody can look into.
#[derive(Debug)]
pub(crate) struct Opaque;

impl Properties for Opaque {
    fn headers<'a>(&self, _: &'a Label) -> Box<dyn Headers + 'a> {
        Box::new(())
    }

    fn group(&self, _: &[u8], _: Encoding) -> Option<Group> {
        None
    }

    fn with_header(&self, label: &Label, _: &str, _: Value) -> Bytes {
        label.properties.clone()
    }

    fn without_header(&self, label: &Label, _: &str) -> Bytes {
        label.properties.clone()
    }
}
