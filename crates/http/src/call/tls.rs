//! Whom to trust when a server shows its certificate.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

/// Authorities.
#[derive(Debug, Clone)]
pub struct Trusted(RootCertStore);

/// A file's authorities, or else the system's (or those of SSL_CERT_FILE, SSL_CERT_DIR).
///
/// # Errors
/// There is none: why, with the mend.
pub fn trusted(file: Option<&Path>) -> Result<Trusted, String> {
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
                               ca-certificates, or name an authority's file"
            .to_owned()),
        _ => Ok(Trusted(roots)),
    }
}

/// TLS to servers that show a certificate of these.
pub fn connector(Trusted(roots): Trusted) -> TlsConnector {
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// A certificate of one's own, and its key.
pub struct Identity(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Identity {
    /// Those of two files, PEM.
    ///
    /// # Errors
    /// A file cannot be read, or holds none.
    pub fn of_files(certificate: &Path, key: &Path) -> Result<Identity, String> {
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| format!("TLS: {}: {error}", certificate.display()))?;
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| format!("TLS: {}: {error}", key.display()))?;
        Ok(Identity(chain, key))
    }
}

/// As [`connector`]; a server that asks for a certificate is shown this.
///
/// # Errors
/// Certificate and key do not go together.
pub fn connector_as(
    Trusted(roots): Trusted,
    Identity(chain, key): Identity,
) -> Result<TlsConnector, String> {
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = config
        .with_client_auth_cert(chain, key)
        .map_err(|error| format!("TLS: the certificate cannot be used: {error}"))?;
    Ok(TlsConnector::from(Arc::new(config)))
}
