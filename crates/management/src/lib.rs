//! The HTTP API: RabbitMQ's, so that `rabbitmqadmin`, KEDA, Terraform, exporters and health checks
//! run unmodified, and what Prometheus is told, by RabbitMQ's names and our own.
//!
//! [`Management`] is what is served: [`Management::serve`] on TCP, where everybody logs in, and
//! [`Management::serve_socket`] on a Unix socket, where whoever can open it is the owner. A request
//! finds its row in one table of routes (`route`), which names the handler; a handler is
//! synchronous, asks the broker's one door (`authorize`, `Access`) and answers JSON. Counts are the
//! broker's and the server's; `sample` looks at them every five seconds and so knows the rates.
//! What is there and how it differs from RabbitMQ: `docs/management.md`.
#![forbid(unsafe_code)]

mod answer;
mod api;
mod call;
mod caller;
mod columns;
mod detailed;
mod guard;
mod limits;
mod list;
mod multipart;
mod node;
mod prometheus;
mod query;
mod rates;
mod refusal;
mod route;
mod sample;
mod serve;
mod site;
mod statistics;
mod view;

pub use serve::{Error, OwnersSocket};
pub use site::{Certificate, Listening, Management, Setup};
