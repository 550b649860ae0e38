//! TLS to PostgreSQL with rustls, the system's authorities, and the host's name verified.

use std::{future::Future, io, pin::Pin, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::{self, ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;

use crate::{store::Error, tls_stream::TlsStream};

/// Connects to any host.
#[derive(Clone)]
pub(super) struct Connector(Arc<ClientConfig>);

impl Connector {
    pub(super) fn new() -> Result<Connector, Error> {
        let mut roots = RootCertStore::empty();
        // One that cannot be read verifies nobody, and others may do.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Database(format!("TLS to PostgreSQL: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Connector(Arc::new(config)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Connector {
    type Stream = TlsStream<S>;
    type TlsConnect = ToHost;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<ToHost> {
        // Also asked of a Unix socket, which has no name and no TLS.
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other);
        Ok(ToHost { config: Arc::clone(&self.0), name })
    }
}

/// Connects to one.
pub(super) struct ToHost {
    config: Arc<ClientConfig>,
    name: io::Result<ServerName<'static>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for ToHost {
    type Stream = TlsStream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TlsStream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let connector = TlsConnector::from(self.config);
            connector.connect(self.name?, stream).await.map(TlsStream)
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> tls::TlsStream for TlsStream<S> {
    /// None: a login by SCRAM is then as one without TLS, within TLS.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
