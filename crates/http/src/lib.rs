//! HTTP connections: taken as many as there may be, bounded in what they may ask and in how long
//! they may take, until they are told to stop. What is answered on them is for others: the pages
//! (`web`) and RabbitMQ's API (`management`) hand in a router. A request may open a WebSocket
//! ([`WebSockets`]); then its socket goes to who speaks on it. And the other direction: [`call`]
//! asks servers of others.
//!
//! ```no_run
//! # async fn example(listener: tokio::net::TcpListener, limits: http_door::Limits) {
//! use std::sync::Arc;
//! use tokio::sync::{Semaphore, watch};
//!
//! let listener = Arc::new(listener);
//! let router = axum::Router::new();
//! let accept = || {
//!     let (listener, router) = (listener.clone(), router.clone());
//!     async move { Ok((http_door::Socket::Tcp(listener.accept().await?.0), router)) }
//! };
//! let (slots, stop) = (Arc::new(Semaphore::new(256)), watch::Sender::new(false));
//! http_door::serve(accept, slots, limits, stop, std::future::pending()).await;
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod call;
mod host;
mod origin;
mod serve;
mod socket;
mod stall;
mod websocket;

pub use host::{host_name, host_of};
pub use origin::Origins;
pub use serve::{Limits, serve};
pub use socket::{Peer, Socket};
pub use websocket::{Subprotocol, Takeover, WebSockets};
