//! TLS below AMQP: which certificate is shown to whom, who is asked for one, and whose name that
//! one bears. Files that changed are read again at the next handshake; while they are no good,
//! what was in force stays in force. Knows no AMQP.

mod error;
mod failure;
mod identity;
mod names;
mod pem_file;
mod stream;
mod watch;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use self::{names::CertificatesByName, watch::Watch};

pub use self::error::Error;
pub(crate) use self::{
    failure::Failure,
    identity::Nameless,
    stream::{Accepted, TlsStream, accept},
};

/// What a port with TLS needs. Files are PEM.
#[derive(Debug, Clone)]
pub struct Options {
    /// Shown to clients that ask for no name, or for one that is not in `names`.
    pub certificate: KeyPair,
    /// Shown to clients that ask for the name (server name indication, RFC 6066 §3).
    pub names: Vec<NamedCertificate>,
    /// Who has to show a certificate.
    pub clients: ClientCertificates,
    /// Whose login a client's certificate is.
    pub user_from: UserFrom,
}

/// A certificate with the chain to its authority, and its key. The key's file may not be readable
/// by everybody.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The certificate first, then those that signed it.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// A certificate for one name.
#[derive(Debug, Clone)]
pub struct NamedCertificate {
    /// As clients ask for it; `*.example.org` is every name of one label more.
    pub name: String,
    /// Its certificate, which must be valid for it.
    pub certificate: KeyPair,
}

/// Who has to show a certificate, and who may have signed it: a file of authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nobody is asked.
    None,
    /// Who has one shows it, and it must be good.
    Optional(PathBuf),
    /// Without a good one there is no connection.
    Required(PathBuf),
}

/// What of a client's certificate is the name of the user who logs in with EXTERNAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserFrom {
    /// The subject's common name.
    CommonName,
    /// The first alternative name: of a host, else of a mailbox, else a URI.
    AlternativeName,
}

/// Certificates and rules in force.
#[derive(Debug)]
pub struct Tls {
    options: Options,
    in_force: RwLock<Arc<ServerConfig>>,
    watch: Watch,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read or is not what it should be; a key that everybody may read, or that is
    /// not its certificate's; a certificate that is not valid for its name.
    pub fn load(options: Options) -> Result<Tls, Error> {
        // Looked at before they are read: a change in between is seen the next time.
        let watch = Watch::new(options.files());
        let config = options.read()?;
        Ok(Tls { options, in_force: RwLock::new(config), watch })
    }

    /// What the next handshake goes by. Looks at the files, at most once a second.
    pub(crate) fn config(&self, now: Instant) -> Arc<ServerConfig> {
        if self.watch.saw_change(now) {
            match self.options.read() {
                Ok(config) => {
                    tracing::info!("the certificates changed; new connections get the new ones");
                    *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = config;
                }
                Err(error) => {
                    tracing::error!("{error}; the certificates read before stay in force");
                }
            }
        }
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name of the user that a verified client certificate (DER) stands for.
    pub(crate) fn user_of(&self, certificate: &[u8]) -> Result<String, Nameless> {
        identity::user_of(certificate, self.options.user_from)
    }
}

impl Options {
    fn files(&self) -> Vec<PathBuf> {
        let pairs = std::iter::once(&self.certificate)
            .chain(self.names.iter().map(|named| &named.certificate));
        let pairs = pairs.flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]);
        pairs.chain(self.clients.authorities().cloned()).collect()
    }

    fn read(&self) -> Result<Arc<ServerConfig>, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates =
            CertificatesByName::read(&self.certificate, &self.names, provider.as_ref())?;
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(Error::Provider)?
            .with_client_cert_verifier(self.clients.verifier(provider)?)
            .with_cert_resolver(Arc::new(certificates));
        // AMQP's connections live long, so resuming a session saves little; and a resumed one
        // would be let in without another look at its certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

impl ClientCertificates {
    fn authorities(&self) -> Option<&PathBuf> {
        match self {
            ClientCertificates::None => None,
            ClientCertificates::Optional(file) | ClientCertificates::Required(file) => Some(file),
        }
    }

    fn verifier(
        &self,
        provider: Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let Some(file) = self.authorities() else {
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let mut roots = RootCertStore::empty();
        for certificate in pem_file::certificates(file)? {
            roots
                .add(certificate)
                .map_err(|error| Error::pem(file, "an authority's certificate", error))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match self {
            ClientCertificates::Optional(_) => builder.allow_unauthenticated(),
            _ => builder,
        };
        builder.build().map_err(|error| Error::pem(file, "a file of authorities", error))
    }
}
