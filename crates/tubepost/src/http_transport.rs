//! The connection below HTTP: TCP, or TLS on it.

use std::{path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::http_url::HttpUrl;

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects; takes as long as the network does, so it is for the caller to give up, after
/// [`PATIENCE`]. `port_mend` is said when the port that goes without saying leads nowhere.
///
/// # Errors
/// Nobody is there, or shows a certificate that is trusted: why, with the mend.
pub(crate) async fn connect(url: &HttpUrl, port_mend: &str) -> Result<Box<dyn Stream>, String> {
    let stream = tcp(url, port_mend).await?;
    match url.is_tls() {
        true => tls(url, stream).await,
        false => Ok(Box::new(stream)),
    }
}

async fn tcp(url: &HttpUrl, port_mend: &str) -> Result<TcpStream, String> {
    TcpStream::connect((url.host(), url.port())).await.map_err(|error| {
        let mend = match url.is_port_named() {
            true => "see whether the server is running, and the address",
            false => port_mend,
        };
        format!("port {} cannot be connected to: {error}; {mend}", url.port())
    })
}

async fn tls(url: &HttpUrl, stream: TcpStream) -> Result<Box<dyn Stream>, String> {
    let roots = trusted(url.authorities().map(AsRef::as_ref))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(url.host().to_owned())
        .map_err(|_| format!("TLS: '{}' cannot be in a certificate", url.host()))?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(format!(
            "TLS: {error}; name an authority of your own with ?cacertfile=FILE, and for a port \
             without TLS write http://"
        )),
    }
}

/// Whom to trust: the URL's file, or else the system's store (or SSL_CERT_FILE, SSL_CERT_DIR).
fn trusted(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = match file {
        Some(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| format!("TLS: certificate file {}: {error}", file.display()))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    match (roots.add_parsable_certificates(certificates), file) {
        ((0, _), Some(file)) => {
            Err(format!("TLS: certificate file {}: it holds no certificate", file.display()))
        }
        ((0, _), None) => Err("TLS: this system trusts no certificate authority; install \
                               ca-certificates, or name an authority with ?cacertfile=FILE"
            .to_owned()),
        _ => Ok(roots),
    }
}

/// From the first packet to the end of the TLS handshake.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
