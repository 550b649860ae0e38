//! SEAM: the broker. `start` opens the journal in the data directory and accepts AMQP connections
//! on the listeners; [`BrokerPart::drain`] closes them in order.

use std::{net::TcpListener, sync::Arc};

use auth::Users;

use crate::{config::Amqp, failure::Failure, serve::data_directory::DataDirectory};

/// A running broker.
#[derive(Debug)]
pub(crate) struct BrokerPart {}

/// Starts it; on return it accepts connections.
///
/// # Errors
/// The journal cannot be opened.
pub(crate) async fn start(
    _limits: &Amqp,
    _data: &DataDirectory,
    _users: Arc<Users>,
    _listeners: Vec<TcpListener>,
) -> Result<BrokerPart, Failure> {
    Err(Failure::failed("the broker is not built in yet; use another bus with TUBEPOST_BUS"))
}

impl BrokerPart {
    /// Ends when the broker cannot go on, with the reason. Never ends otherwise.
    pub(crate) async fn failed(&mut self) -> Failure {
        std::future::pending().await
    }

    /// Accepts no more connections, closes those there are, and makes everything durable.
    pub(crate) async fn drain(self) {}
}
