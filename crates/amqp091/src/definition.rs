//! The methods as data, for whoever writes frames by hand: tests, fuzzers, tools. Reading and
//! writing frames needs none of it.

use crate::MethodId;

/// How an argument is written (AMQP 0-9-1 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgumentKind {
    /// A bit; neighbours share an octet, the first in its lowest bit.
    Bit,
    /// One octet.
    Octet,
    /// Two octets.
    Short,
    /// Four octets.
    Long,
    /// Eight octets.
    LongLong,
    /// A length of one octet, and text.
    ShortStr,
    /// A length of four octets, and octets.
    LongStr,
    /// A length of four octets, and fields.
    Table,
    /// Eight octets: seconds since 1970-01-01 UTC.
    Timestamp,
}

/// One argument of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name in the definition: `auto-delete`.
    pub name: &'static str,
    /// How it is written.
    pub kind: ArgumentKind,
}

/// One method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its ids.
    pub id: MethodId,
    /// Its name: `queue.declare`.
    pub name: &'static str,
    /// Whether a content header and body follow.
    pub has_content: bool,
    /// Its arguments in the order of the wire.
    pub arguments: &'static [Argument],
}
