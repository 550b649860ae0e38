//! What the answers are made of.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use auth::Users;
use broker::Broker;
use http_door::WebSockets;
use server::Connections;
use tokio::sync::Semaphore;

use crate::{
    limits::{CONNECTIONS_MAX, LOGINS_AT_ONCE, REQUESTS_AT_ONCE},
    sample::Samples,
};

/// What the HTTP API is made of.
pub struct Setup {
    /// The broker.
    pub broker: Arc<Broker>,
    /// Who may log in.
    pub users: Arc<Users>,
    /// The server's open connections.
    pub connections: Arc<Connections>,
    /// Where the whole program listens.
    pub listeners: Vec<Listening>,
    /// The name that operators gave the site, or the machine's.
    pub cluster_name: String,
    /// The version of the program.
    pub version: String,
    /// Where the data is.
    pub data_dir: PathBuf,
    /// The configuration that was read.
    pub config_file: Option<PathBuf>,
    /// Open connections that there may be.
    pub connections_max: usize,
    /// How long a delivery may wait for its acknowledgement; a queue may ask for less.
    pub consumer_timeout: Duration,
    /// Certificates that clients are shown, to see when they expire.
    pub certificates: Vec<Certificate>,
    /// Where the pages are, for a browser that comes here.
    pub pages: Option<String>,
    /// What the start found damaged.
    pub damage_found: usize,
    /// Where AMQP is spoken over WebSockets, on the TCP listeners.
    pub websockets: Option<WebSockets>,
}

/// A listener of the program.
#[derive(Debug, Clone)]
pub struct Listening {
    /// `amqp`, `amqp/ssl`, `http`, `http/web-amqp`.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
}

/// A certificate in a file.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// PEM, the own one first.
    pub file: PathBuf,
    /// The listener that shows it.
    pub protocol: &'static str,
}

/// The HTTP API. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Management(pub(crate) Arc<Site>);

pub(crate) struct Site {
    pub(crate) setup: Setup,
    pub(crate) broker: Arc<Broker>,
    pub(crate) users: Arc<Users>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) samples: Samples,
    /// `tubepost@HOST`.
    pub(crate) node: String,
    pub(crate) started: Instant,
    pub(crate) logins: Semaphore,
    pub(crate) requests: Arc<Semaphore>,
    /// Of all listeners together.
    pub(crate) sockets: Arc<Semaphore>,
    /// Logins over HTTP that were right, and that were not.
    pub(crate) login_counts: Mutex<(u64, u64)>,
}

impl Management {
    /// Nothing is served yet.
    pub fn new(setup: Setup) -> Management {
        let (broker, users) = (setup.broker.clone(), setup.users.clone());
        let connections = setup.connections.clone();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Management(Arc::new(Site {
            setup,
            broker,
            users,
            connections,
            samples: Samples::default(),
            node: format!("tubepost@{host}"),
            started: Instant::now(),
            logins: Semaphore::new(LOGINS_AT_ONCE),
            requests: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)),
            sockets: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            login_counts: Mutex::default(),
        }))
    }

    /// Looks at all counts now, and so knows how fast they go since the last look. To be called
    /// every five seconds.
    pub fn sample(&self) {
        self.0.samples.take(&self.0.broker, &self.0.connections);
    }

    /// All metrics, in Prometheus' text format 0.0.4, of the whole or of each thing.
    pub fn metrics(&self, per_object: bool) -> String {
        crate::prometheus::text(&self.0, per_object)
    }
}

impl Site {
    pub(crate) fn count_login(&self, is_right: bool) {
        let mut counts = self.login_counts.lock().unwrap_or_else(PoisonError::into_inner);
        match is_right {
            true => counts.0 += 1,
            false => counts.1 += 1,
        }
    }

    /// The name that was given, or the one from the configuration.
    pub(crate) fn cluster_name(&self) -> String {
        let given = self.broker.global_parameters();
        let given = given.get("cluster_name").and_then(|name| name.as_str());
        given.unwrap_or(&self.setup.cluster_name).to_owned()
    }

    pub(crate) fn login_counts(&self) -> (u64, u64) {
        *self.login_counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
