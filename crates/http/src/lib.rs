//! HTTP connections: taken as many as there may be, bounded in what they may ask and in how long
//! they may take, until they are told to stop. What is answered on them is for others: the pages
//! (`web`) and RabbitMQ's API (`management`) hand in a router.
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
//!     async move { Ok((listener.accept().await?.0, router)) }
//! };
//! let (slots, stop) = (Arc::new(Semaphore::new(256)), watch::Sender::new(false));
//! http_door::serve(accept, slots, limits, stop, std::future::pending()).await;
//! # }
//! ```
#![forbid(unsafe_code)]

mod host;
mod serve;
mod stall;

pub use host::{host_name, host_of};
pub use serve::{Limits, serve};
