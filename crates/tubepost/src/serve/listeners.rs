//! The sockets of the server, bound before anything else happens, so that a port in use is said at
//! once and nothing has to be undone.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use auth::Users;

use crate::{
    config::{Config, ListenAddress, PartName},
    failure::Failure,
};

/// Bound and not yet accepting.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// For AMQP.
    pub(crate) amqp: Vec<TcpListener>,
    /// For AMQP over TLS, if there is a certificate.
    pub(crate) amqp_tls: Vec<TcpListener>,
    /// For the pages.
    pub(crate) http: Vec<TcpListener>,
    /// For the HTTP API, if it is served.
    pub(crate) management: Vec<TcpListener>,
}

impl Listeners {
    /// Binds those of the parts that run. Beyond loopback only when an operator created a user.
    ///
    /// # Errors
    /// An unknown host name, a port in use, an address that is not ours, no users.
    pub(crate) fn bind(config: &Config, users: &Users) -> Result<Listeners, Failure> {
        let addresses = |part, listen: &[&ListenAddress], flag| {
            let runs = config.parts.has(part);
            let resolved = listen.iter().filter(|_| runs).map(|listen| resolve(listen, flag));
            Ok::<_, Failure>(resolved.collect::<Result<Vec<_>, _>>()?.concat())
        };
        let amqp_tls: Vec<_> = config.amqp_tls.iter().map(|tls| &tls.listen).collect();
        let management: Vec<_> = config.management_listen.0.iter().collect();
        let amqp = addresses(PartName::Broker, &[&config.amqp.listen], "--amqp")?;
        let amqp_tls = addresses(PartName::Broker, &amqp_tls, "--amqp-tls")?;
        let http = addresses(PartName::Web, &[&config.http_listen], "--http")?;
        let management = addresses(PartName::Broker, &management, "--management")?;
        let mut all = amqp.iter().chain(&amqp_tls).chain(&http).chain(&management);
        let beyond = all.find(|address| !address.ip().is_loopback());
        if let Some(address) = beyond.filter(|_| !users.has_operator_users()) {
            return Err(Failure::failed(format!(
                "{address}: not on an address that others reach while there are no users; create one \
                 with: tubepost user add NAME --data-dir {}",
                config.data_dir.display()
            )));
        }
        Ok(Listeners {
            amqp: bind(&amqp, "--amqp")?,
            amqp_tls: bind(&amqp_tls, "--amqp-tls")?,
            http: bind(&http, "--http")?,
            management: bind(&management, "--management")?,
        })
    }
}

fn resolve(listen: &ListenAddress, flag: &str) -> Result<Vec<SocketAddr>, Failure> {
    listen.resolve().map_err(|error| {
        Failure::failed(format!(
            "{listen}: the host is unknown: {error}; give an address with {flag}"
        ))
    })
}

fn bind(addresses: &[SocketAddr], flag: &str) -> Result<Vec<TcpListener>, Failure> {
    addresses
        .iter()
        .map(|address| {
            let listener = TcpListener::bind(address).and_then(|listener| {
                // Again, to wait in a longer line than the standard library's 128: all clients of a
                // broker that was restarted come at once, and whom the kernel turns away there
                // tries again only after a second.
                rustix::net::listen(&listener, BACKLOG)?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            listener.map_err(|error| {
                let why = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "is in use: another program listens there, perhaps another tubepost or a RabbitMQ; \
                         stop it or choose"
                            .to_owned()
                    }
                    io::ErrorKind::PermissionDenied => {
                        "needs rights that this user does not have; choose".to_owned()
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        "is not an address of this machine; choose".to_owned()
                    }
                    _ => format!("cannot be listened on: {error}; choose"),
                };
                Failure::failed(format!("{address} {why} another address with {flag}"))
            })
        })
        .collect()
}

/// Connections that the kernel holds until they are accepted; it may have a lower limit of its own
/// (`net.core.somaxconn`, 4096 by default).
const BACKLOG: i32 = 4096;
