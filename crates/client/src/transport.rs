//! The byte stream below AMQP: TCP, and TLS with the broker's certificate verified.

use std::{fmt, io, net::SocketAddr, path::Path, sync::Arc};

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

/// TCP or TLS.
pub(crate) trait ByteStream:
    tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static
{
}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// Connects to the first of the host's addresses that answers.
pub(crate) async fn connect(bus: &BusUrl) -> Result<Box<dyn ByteStream>, Error> {
    let addresses: Vec<SocketAddr> = match tokio::net::lookup_host((bus.host(), bus.port())).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            return Err(Error::UnknownHost { bus: bus.clone(), reason: error.to_string() });
        }
    };
    let mut failure = Error::UnknownHost { bus: bus.clone(), reason: "no address".to_owned() };
    for address in addresses {
        match open(address).await {
            Ok(stream) if bus.is_tls() => return encrypt(bus, stream).await,
            Ok(stream) => return Ok(Box::new(stream)),
            Err(error) => failure = Error::of_socket(bus, &error),
        }
    }
    Err(failure)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
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
