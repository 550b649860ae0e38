//! The HTTP API of the server: on TCP where it is to be, and on the data directory's socket always.

use std::{net::TcpListener, sync::Arc};

use auth::Users;
use http_door::WebSockets;
use management::{Certificate, Listening, Management, OwnersSocket, Setup};

use crate::{
    config::Config,
    failure::Failure,
    serve::{
        broker_part::{self, BrokerPart},
        data_directory::DataDirectory,
        greeting::Ports,
        part::{Part, Stopping},
    },
};

/// What is served.
pub(crate) fn prepare(
    config: &Config,
    data: &DataDirectory,
    users: &Arc<Users>,
    broker: &BrokerPart,
    ports: &Ports,
    websockets: Option<&WebSockets>,
) -> Management {
    let listening = |protocol: &'static str, addresses: &[std::net::SocketAddr]| {
        addresses.iter().map(|&address| Listening { protocol, address }).collect::<Vec<_>>()
    };
    let over_websockets = |addresses: &[std::net::SocketAddr]| match websockets {
        Some(_) => listening("http/web-amqp", addresses),
        None => Vec::new(),
    };
    let listeners = [
        listening("amqp", &ports.amqp),
        listening("amqp/ssl", &ports.amqp_tls),
        listening("http", &ports.management),
        over_websockets(&ports.management),
        over_websockets(&ports.http),
    ];
    let pairs = config.amqp_tls.iter().flat_map(|tls| {
        let named = tls.options.names.iter().map(|named| &named.certificate);
        std::iter::once(&tls.options.certificate).chain(named)
    });
    let certificates =
        pairs.map(|pair| Certificate { file: pair.certificate.clone(), protocol: "amqp/ssl" });
    Management::new(Setup {
        broker: broker.broker().clone(),
        users: users.clone(),
        connections: broker.connections().clone(),
        listeners: listeners.concat(),
        cluster_name: broker_part::cluster_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data_dir: std::path::absolute(data.path()).unwrap_or_else(|_| data.path().to_owned()),
        config_file: config.file.clone(),
        connections_max: config.amqp.connections_max.get() as usize,
        consumer_timeout: config.amqp.consumer_timeout,
        certificates: certificates.collect(),
        pages: ports
            .http
            .first()
            .map(|address| format!("http://{}/", crate::config::local(*address))),
        damage_found: broker.damage_found(),
        websockets: websockets.cloned(),
    })
}

/// Starts it, one part for each listener, one for the socket, and one that looks at the counts.
///
/// # Errors
/// A listener is not a socket any more.
pub(crate) fn start(
    management: &Management,
    listeners: Vec<TcpListener>,
    data: &DataDirectory,
    stopping: &Stopping,
) -> Result<Vec<Part>, Failure> {
    let (watched, until) = (management.clone(), stopping.clone());
    let mut parts = vec![Part::start("management rates", async move {
        watched.watch(until.wait()).await;
        Ok(())
    })];
    match OwnersSocket::bind(&data.management_socket()) {
        Ok(socket) => {
            let (served, until) = (management.clone(), stopping.clone());
            parts.push(Part::start("management socket", async move {
                served.serve_socket(socket, until.wait()).await;
                Ok(())
            }));
        }
        // Some file systems have no sockets. That is no reason not to serve messages.
        Err(error) => {
            tracing::warn!("{error}; commands reach the server over TCP only, with a login");
        }
    }
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|error| Failure::failed(format!("the API's listener is broken: {error}")))?;
        let (served, until) = (management.clone(), stopping.clone());
        parts.push(Part::start("management", async move {
            served
                .serve(listener, until.wait())
                .await
                .map_err(|error| Failure::failed(error.to_string()))
        }));
    }
    Ok(parts)
}
