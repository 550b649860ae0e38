//! TLS below AMQP: which certificate is shown to whom, who is asked for one, and whose name that
//! one bears. Files that changed are read again at the next handshake; while they are no good,
//! what was in force stays in force. Knows no AMQP.

mod error;
mod failure;
mod identity;
#[cfg(test)]
mod made;
mod names;
mod peer_certificate;
mod pem_file;
mod stream;
mod watch;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Instant,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use self::{names::CertificatesByName, watch::Watch};

pub use self::{error::Error, peer_certificate::PeerCertificate};
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
    /// What was wrong with the files at the last look, so that it is said once.
    wrong: Mutex<Option<String>>,
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
        Ok(Tls { options, in_force: RwLock::new(config), watch, wrong: Mutex::new(None) })
    }

    /// What the next handshake goes by. Looks at the files, at most once a second.
    pub(crate) fn config(&self, now: Instant) -> Arc<ServerConfig> {
        if self.watch.saw_change(now) {
            self.read_again();
        }
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read_again(&self) {
        // Every change is one assignment: a panic leaves none half done.
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        match self.options.read() {
            Ok(config) => {
                tracing::info!("the certificates changed; new connections get the new ones");
                *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = config;
                *wrong = None;
            }
            Err(error) => {
                // It may have been the system's fault, not the file's: the next look tries again.
                self.watch.forget();
                let said = error.to_string();
                if wrong.as_ref() != Some(&said) {
                    tracing::error!("{said}; the certificates read before stay in force");
                    *wrong = Some(said);
                }
            }
        }
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
        let clients = self.clients.verifier(provider.clone())?;
        certificates.warn_of_expiry();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::Provider)?
            .with_client_cert_verifier(clients)
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

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::{
        made::{Made, options, set_mode, write_key},
        *,
    };

    fn refused(options: Options) -> String {
        Tls::load(options).unwrap_err().to_string()
    }

    #[test]
    fn files_that_are_no_good_are_refused_with_path_and_mend() {
        let made = Made::new();
        let (mine, other) = (made.pair("mine", &["a.x"]), made.pair("other", &["a.x"]));
        let junk = made.path("junk.pem");
        write_key(&junk, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let empty = made.path("empty.pem");
        write_key(&empty, "");
        let cases = [
            (KeyPair { certificate: made.path("gone"), ..mine.clone() }, "gone: cannot be read"),
            (KeyPair { key: other.key.clone(), ..mine.clone() }, "other.key: is not the key of"),
            (KeyPair { certificate: mine.key.clone(), ..mine.clone() }, "BEGIN CERTIFICATE"),
            (KeyPair { key: empty.clone(), ..mine.clone() }, "BEGIN PRIVATE KEY"),
            (KeyPair { key: mine.certificate.clone(), ..mine.clone() }, "mine.crt: everybody"),
            (
                KeyPair { certificate: junk.clone(), ..mine.clone() },
                "junk.pem: is not a certificate",
            ),
        ];
        for (pair, wanted) in cases {
            let said = refused(options(pair));
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
        for clients in [ClientCertificates::Optional(junk), ClientCertificates::Required(empty)] {
            let said = refused(Options { clients, ..options(mine.clone()) });
            assert!(said.contains(".pem: is not a"), "{said}");
        }
    }

    #[test]
    fn a_key_that_everybody_may_read_or_write_is_not_used() {
        let made = Made::new();
        let pair = made.pair("mine", &["a.x"]);
        for (mode, is_used) in [(0o600, true), (0o640, true), (0o644, false), (0o602, false)] {
            set_mode(&pair.key, mode);
            match Tls::load(options(pair.clone())) {
                Ok(_) => assert!(is_used, "{mode:o}"),
                Err(error) => {
                    let said = error.to_string();
                    assert!(!is_used && said.contains("chmod o= "), "{mode:o}: {said}");
                }
            }
        }
    }

    #[test]
    fn a_certificate_for_a_name_must_be_valid_for_it() {
        let made = Made::new();
        let named = |name: &str, certificate: &KeyPair| NamedCertificate {
            name: name.to_owned(),
            certificate: certificate.clone(),
        };
        let wide = made.pair("wide", &["*.b.x", "B.x"]);
        let with = |names| Options { names, ..options(made.pair("default", &["a.x"])) };
        Tls::load(with(vec![named("*.b.x", &wide), named("b.x", &wide)])).unwrap();
        for name in ["c.x", "x.c.b.x", "not a name", ""] {
            let said = refused(with(vec![named(name, &wide)]));
            assert!(said.contains(&format!("wide.crt: is not valid for '{name}'")), "{said}");
        }
        let said = refused(with(vec![named("b.x", &wide), named("B.X", &wide)]));
        assert!(said.contains("'B.X' is there twice"), "{said}");
    }

    #[test]
    fn changed_files_are_in_force_at_the_next_look_and_broken_ones_never() {
        let made = Made::new();
        let pair = made.pair("mine", &["a.x"]);
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let tls = Tls::load(options(pair.clone())).unwrap();
        let first = tls.config(after(0));
        assert!(Arc::ptr_eq(&first, &tls.config(after(10))), "nothing changed");
        let kept = fs::read(&pair.certificate).unwrap();
        fs::write(&pair.certificate, "broken").unwrap();
        assert!(Arc::ptr_eq(&first, &tls.config(after(20))), "a broken file is not taken");
        assert!(Arc::ptr_eq(&first, &tls.config(after(30))));
        fs::write(&pair.certificate, kept).unwrap();
        let second = tls.config(after(40));
        assert!(!Arc::ptr_eq(&first, &second), "mended");
        made.pair("mine", &["a.x"]);
        assert!(Arc::ptr_eq(&second, &tls.config(after(40))), "twice within a second");
        assert!(!Arc::ptr_eq(&second, &tls.config(after(50))), "renewed");
    }
}
