//! AMQP over WebSockets: between the ports of HTTP, which know no broker, and the broker's server,
//! which knows no HTTP.

use std::sync::Arc;

use http_door::{Subprotocol, Takeover, WebSockets};
use server::WebSocketEntrance;

use crate::config::{Config, table};

/// For the listeners of HTTP; `None` when it is switched off.
pub(crate) fn prepare(config: &Config, entrance: &WebSocketEntrance) -> Option<WebSockets> {
    Some(WebSockets {
        paths: &PATHS,
        origins: config.amqp_websocket.clone()?,
        origins_option: table::AMQP_WEBSOCKET_ORIGINS.declaration.key,
        subprotocol: Arc::new(Amqp(entrance.clone())),
    })
}

/// Whatever version the octets begin with.
#[derive(Debug)]
struct Amqp(WebSocketEntrance);

impl Subprotocol for Amqp {
    /// OASIS: AMQP WebSocket Binding 1.0, §2.
    fn name(&self) -> &'static str {
        "amqp"
    }

    fn admit(&self) -> Option<Takeover> {
        let place = self.0.admit()?;
        Some(Box::new(move |tcp, read| place.serve(tcp, read)))
    }
}

/// The second is where RabbitMQ has its WebSockets.
const PATHS: [&str; 2] = ["/amqp", "/ws"];
