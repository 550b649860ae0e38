//! The connection below HTTP: TCP, or TLS on it.

use std::time::Duration;

use http_door::call;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

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
    let trusted = call::trusted(url.authorities().map(AsRef::as_ref))?;
    let name = ServerName::try_from(url.host().to_owned())
        .map_err(|_| format!("TLS: '{}' cannot be in a certificate", url.host()))?;
    match call::connector(trusted).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(format!(
            "TLS: {error}; name an authority of your own with ?cacertfile=FILE, and for a port \
             without TLS write http://"
        )),
    }
}

/// From the first packet to the end of the TLS handshake.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
