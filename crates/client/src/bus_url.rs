//! Where the bus is.

use std::{fmt, str::FromStr};

use crate::Error;

/// `amqp://user:password@host:port/vhost` or `amqps://…`. Display masks the password.
#[derive(Clone, PartialEq, Eq)]
pub struct BusUrl {}

impl FromStr for BusUrl {
    type Err = Error;
    fn from_str(_text: &str) -> Result<BusUrl, Error> {
        todo!()
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl fmt::Debug for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
