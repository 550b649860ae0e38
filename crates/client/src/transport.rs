//! The byte stream below AMQP: TCP, and TLS with the broker's certificate verified. Its socket
//! can be cut from outside, so that a peer that is silent costs no thread for ever.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_compat::{Compat, CompatExt};
use async_rs::{
    Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::Task,
};
use futures_util::{AsyncRead, AsyncWrite, Stream};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use crate::{BusUrl, Error};

/// What lapin reads and writes.
pub(crate) type Transport = Compat<Box<dyn ByteStream>>;

/// TCP or TLS.
pub(crate) trait ByteStream:
    tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static
{
}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// Cuts the connection when dropped. lapin's thread ends with its socket and in no other way when
/// the peer says nothing.
#[derive(Debug)]
pub(crate) struct Cut(std::net::TcpStream);

impl Drop for Cut {
    fn drop(&mut self) {
        // It may be closed already; then there is nothing to cut.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Connects to the first of the host's addresses that answers.
pub(crate) async fn connect(bus: &BusUrl) -> Result<(Transport, Cut), Error> {
    let addresses: Vec<SocketAddr> = match tokio::net::lookup_host((bus.host(), bus.port())).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            return Err(Error::UnknownHost { bus: bus.clone(), reason: error.to_string() });
        }
    };
    let mut failure = Error::UnknownHost { bus: bus.clone(), reason: "no address".to_owned() };
    for address in addresses {
        match open(address).await {
            Ok((stream, cut)) if bus.is_tls() => {
                return Ok((encrypt(bus, stream).await?.compat(), cut));
            }
            Ok((stream, cut)) => {
                let stream: Box<dyn ByteStream> = Box::new(stream);
                return Ok((stream.compat(), cut));
            }
            Err(error) => failure = Error::of_socket(bus, &error),
        }
    }
    Err(failure)
}

async fn open(address: SocketAddr) -> io::Result<(TcpStream, Cut)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let cut = Cut(stream.try_clone()?);
    Ok((TcpStream::from_std(stream)?, cut))
}

/// How to speak TLS with that bus: whom to trust, and which certificate to show.
///
/// # Errors
/// A file of the URL cannot be used, or this system trusts nobody; the reason.
pub fn tls_config(bus: &BusUrl) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(authorities(bus)?);
    match bus.certificate() {
        None => Ok(config.with_no_client_auth()),
        Some((certificate, key)) => {
            let (chain, key) = shown(certificate, key)?;
            config.with_client_auth_cert(chain, key).map_err(|error| unusable(certificate, error))
        }
    }
}

async fn encrypt(bus: &BusUrl, stream: TcpStream) -> Result<Box<dyn ByteStream>, Error> {
    let unreachable = |reason: String| Error::Unreachable { bus: bus.clone(), reason };
    let config = tls_config(bus).map_err(unreachable)?;
    let name = ServerName::try_from(bus.host().to_owned())
        .map_err(|_| unreachable(format!("TLS: '{}' cannot be in a certificate", bus.host())))?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(unreachable(format!(
            "TLS: {error}; name an authority of your own with ?cacertfile=FILE, and for a port without TLS write amqp://"
        ))),
    }
}

/// The certificate to show, and its key.
fn shown(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(certificate, error))?;
    if chain.is_empty() {
        return Err(unusable(certificate, "it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error))?;
    Ok((chain, key))
}

fn unusable(file: &Path, error: impl fmt::Display) -> String {
    format!("TLS: file {}: {error}", file.display())
}

/// Whom to trust: the URL's file, or else the system's store (or SSL_CERT_FILE, SSL_CERT_DIR).
fn authorities(bus: &BusUrl) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match bus.authorities() {
        Some(file) => {
            let fault = |error| format!("TLS: certificate file {}: {error}", file.display());
            let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect)
                .map_err(|error| fault(error.to_string()))?;
            let (usable, _) = roots.add_parsable_certificates(certificates);
            if usable == 0 {
                return Err(fault("it holds no certificate".to_owned()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::debug!(%error, "a root certificate cannot be read");
            }
            let (usable, _) = roots.add_parsable_certificates(found.certs);
            if usable == 0 {
                let mend = "install ca-certificates, or name an authority with ?cacertfile=FILE";
                return Err(format!("TLS: this system trusts no certificate authority; {mend}"));
            }
        }
    }
    Ok(roots)
}

/// tokio, with [`Transport`] for its stream: lapin's own would bring a second TLS set-up.
#[derive(Debug, Clone)]
pub(crate) struct Kit(Tokio);

impl Kit {
    /// The runtime this runs in.
    pub(crate) fn current() -> Kit {
        Kit(Tokio::current())
    }
}

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, f: F) -> T {
        self.0.block_on(f)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn(f)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(f)
    }
}

impl Reactor for Kit {
    type TcpStream = Transport;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// Not needed: lapin gets a stream that is connected.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Transport, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.0.sleep(dur)
    }

    fn interval(&self, dur: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(dur)
    }

    #[expect(clippy::manual_async_fn, reason = "an async fn borrows self, the trait wants 'static")]
    fn tcp_connect_addr(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        async move {
            let stream: Box<dyn ByteStream> = Box::new(TcpStream::connect(addr).await?);
            Ok(stream.compat())
        }
    }
}
