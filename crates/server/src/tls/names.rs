//! Which certificate a client is shown: that of the name it asks for, else the default.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    client::verify_server_name,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{Error, KeyPair, NamedCertificate, pem_file};

/// The certificates of one port.
#[derive(Debug)]
pub(super) struct CertificatesByName {
    default: Arc<CertifiedKey>,
    /// By name in lower case.
    named: HashMap<String, Arc<CertifiedKey>>,
    /// All of them and where they came from.
    files: Vec<(PathBuf, Arc<CertifiedKey>)>,
}

impl CertificatesByName {
    pub(super) fn read(
        default: &KeyPair,
        names: &[NamedCertificate],
        provider: &CryptoProvider,
    ) -> Result<CertificatesByName, Error> {
        let mut files = Vec::new();
        let mut read = |pair: &KeyPair| -> Result<Arc<CertifiedKey>, Error> {
            let read = Arc::new(pem_file::key_pair(pair, provider)?);
            files.push((pair.certificate.clone(), read.clone()));
            Ok(read)
        };
        let default = read(default)?;
        let mut named = HashMap::new();
        for NamedCertificate { name, certificate } in names {
            let read = read(certificate)?;
            if !is_valid_for(&read, name) {
                let (name, certificate) = (name.clone(), certificate.certificate.clone());
                return Err(Error::WrongName { name, certificate });
            }
            if named.insert(name.to_ascii_lowercase(), read).is_some() {
                return Err(Error::SameName { name: name.clone() });
            }
        }
        Ok(CertificatesByName { default, named, files })
    }

    /// Says in the log what has expired or soon will.
    pub(super) fn warn_of_expiry(&self) {
        for (path, read) in &self.files {
            if let Some(certificate) = read.cert.first() {
                warn_of_expiry(certificate, path);
            }
        }
    }

    fn of(&self, asked: Option<&str>) -> Arc<CertifiedKey> {
        let found = asked.filter(|_| !self.named.is_empty()).and_then(|asked| {
            let asked = asked.to_ascii_lowercase();
            self.named.get(&asked).or_else(|| {
                let (_, parent) = asked.split_once('.')?;
                self.named.get(&format!("*.{parent}"))
            })
        });
        found.unwrap_or(&self.default).clone()
    }
}

impl ResolvesServerCert for CertificatesByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.of(hello.server_name()))
    }
}

/// Whether a client that asks for the name accepts the certificate for it.
fn is_valid_for(certificate: &CertifiedKey, name: &str) -> bool {
    // Any name that the wildcard stands for does.
    let name = match name.strip_prefix("*.") {
        Some(parent) => format!("any.{parent}"),
        None => name.to_owned(),
    };
    let parsed = certificate.end_entity_cert().and_then(ParsedCertificate::try_from);
    let (Ok(parsed), Ok(name)) = (parsed, ServerName::try_from(name)) else { return false };
    verify_server_name(&parsed, &name).is_ok()
}

/// An expired certificate is no reason not to start: what does not check it still works, and a
/// new file is taken as soon as it is there.
fn warn_of_expiry(certificate: &CertificateDer<'_>, path: &Path) {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return };
    let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else { return };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    let (path, until) = (path.display(), validity.not_after);
    if validity.not_after.timestamp() < now {
        tracing::error!("{path}: the certificate expired at {until}: clients refuse it; renew it");
    } else if validity.not_before.timestamp() > now {
        let from = validity.not_before;
        tracing::error!("{path}: the certificate is valid from {from} only: clients refuse it");
    } else if validity.not_after.timestamp() - now < EXPIRES_SOON_S {
        tracing::warn!("{path}: the certificate expires at {until}; renew it");
    }
}

/// A week, in seconds: authorities that give out short ones renew well before.
const EXPIRES_SOON_S: i64 = 7 * 24 * 3600;

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs;

    use super::{super::made::Made, *};

    #[test]
    fn the_name_decides_then_the_wildcard_and_the_default_is_for_all_others() {
        let made = Made::new();
        let named = |file: &str, name: &str| NamedCertificate {
            name: name.to_owned(),
            certificate: made.pair(file, &[name]),
        };
        let names = [named("b", "b.x"), named("wide", "*.b.x"), named("deep", "deep.b.x")];
        let default = made.pair("default", &["a.x"]);
        let provider = aws_lc_rs::default_provider();
        let certificates = CertificatesByName::read(&default, &names, &provider).unwrap();
        for (asked, file) in [
            (None, "default"),
            (Some("a.x"), "default"),
            (Some("B.X"), "b"),
            (Some("any.b.x"), "wide"),
            (Some("deep.b.x"), "deep"),
            (Some("too.deep.b.x"), "default"),
            (Some("x"), "default"),
            (Some(""), "default"),
        ] {
            let expected = pem_file::certificates(&made.path(&format!("{file}.crt"))).unwrap();
            assert_eq!(certificates.of(asked).cert, expected, "{asked:?}");
        }
    }
}
