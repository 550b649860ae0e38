//! What keeps the pages from being served.

use std::{io, net::SocketAddr};

/// A reason why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The listener has no address: it was closed, or is not a socket any more.
    #[error("the HTTP listener has no local address: {0}; give the pages a bound listener")]
    Listener(#[source] io::Error),
    /// Beyond loopback the pages need a login: they show every event.
    #[error(
        "the pages will not be shown to everyone on {0}, which is not a loopback address; \
         listen on 127.0.0.1 or ask for a login"
    )]
    NoLogin(SocketAddr),
}
