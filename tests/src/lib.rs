//! What the end-to-end tests stand on: real processes on free ports in temporary directories,
//! started here, stopped by their own pid, their output shown when a test fails.
//!
//! A test makes a [`Site`] (directory, ports, configuration), starts `tubepost serve` on it, and
//! runs commands, scripts and other servers beside it. Nothing sleeps: [`wait_for`] looks until a
//! condition holds or its deadline has passed, and then says what it saw last.
#![allow(clippy::print_stdout, reason = "what a failed test shows")]

mod api;
mod authority;
mod browser;
mod celery;
mod environment;
mod fedora_messaging;
mod fedora_messaging_suite;
mod flower;
mod forgetful_site;
mod load;
mod mailbox;
mod network;
mod port;
mod process;
mod rabbitmq;
mod repository;
mod resources;
mod samples;
mod scale;
mod script;
mod server;
mod site;
mod small_disk;
mod strace;
mod tls_peer;
mod wait;
pub mod wire;

pub use api::{Api, Reply};
pub use authority::{Authority, Files, Is};
pub use browser::Page;
pub use celery::CeleryWorker;
pub use environment::{
    chromium, node, proton_cpp, python, python_with_tubepost, rabbitmqadmin, rabbitmqadmin_2, root,
    tubepost_binary,
};
pub use fedora_messaging::{Consumer, publish as publish_by_fedora_messaging};
pub use fedora_messaging_suite::{SuiteTally, run_suite, suite_tests};
pub use flower::Flower;
pub use forgetful_fs::{ForgetfulFs, Loss, Lost};
pub use forgetful_site::ForgetfulSite;
pub use load::{Burst, Load, Verdict, Wrong};
pub use mailbox::{Mail, Mailbox};
pub use network::Network;
pub use port::free_port;
pub use process::{Finished, Process, run};
pub use rabbitmq::RabbitMq;
pub use repository::Repository;
pub use resources::{allow_files, files_max, resident_bytes, resident_bytes_max};
pub use rustix::process::Signal;
pub use samples::{fedora_events, own_events};
pub use scale::{is_time_over, is_torture, scaled, seed};
pub use script::{
    Broker, differential, node_script, node_script_trusting, python_script, python_script_with,
    start_python_script,
};
pub use server::Server;
pub use site::{Site, events_of, wait_for_events};
pub use small_disk::{SmallDisk, free_bytes};
pub use strace::{Call, Strace};
pub use tls_peer::TlsPeer;
pub use wait::wait_for;
pub use wire::Wire;
