//! A publisher's public key: a raw one, or that of an X.509 certificate, with the time in which it
//! may be used.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use jiff::Timestamp;
use x509_parser::{
    certificate::X509Certificate, oid_registry::OID_SIG_ED25519, pem::Pem, prelude::FromDer,
    x509::SubjectPublicKeyInfo,
};

use crate::{Error, signature::key_error};

/// The key itself, and when a certificate says that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    bytes: [u8; 32],
    /// First and last second.
    pub(crate) holds: Option<(Timestamp, Timestamp)>,
}

impl PublicKey {
    /// From PEM: `PUBLIC KEY` (RFC 7250, a raw public key) or `CERTIFICATE`, the first of them.
    pub(crate) fn parse(id: &str, pem: &str) -> Result<PublicKey, Error> {
        for block in Pem::iter_from_buffer(pem.as_bytes()) {
            let block = block.map_err(|error| key_error(id, format!("its PEM: {error}")))?;
            let fault = |reason: String| key_error(id, reason);
            match block.label.as_str() {
                "PUBLIC KEY" => {
                    let (_, info) = SubjectPublicKeyInfo::from_der(&block.contents)
                        .map_err(|error| fault(format!("its key cannot be read: {error}")))?;
                    return Ok(PublicKey { bytes: ed25519(&info).map_err(fault)?, holds: None });
                }
                "CERTIFICATE" => return of_certificate(&block.contents).map_err(fault),
                _ => {}
            }
        }
        let reason = "there is neither '-----BEGIN PUBLIC KEY-----' nor '-----BEGIN \
                      CERTIFICATE-----' in it";
        Err(key_error(id, reason.to_owned()))
    }

    pub(crate) fn verifies(&self, statement: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.bytes).verify(statement, signature).is_ok()
    }
}

fn of_certificate(der: &[u8]) -> Result<PublicKey, String> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let bytes = ed25519(certificate.public_key())?;
    let usage = certificate.key_usage().map_err(|error| format!("its key usage: {error}"))?;
    if usage.is_some_and(|usage| !usage.value.digital_signature()) {
        return Err("its certificate is not for digital signatures".to_owned());
    }
    let second = |seconds: i64| {
        Timestamp::from_second(seconds).map_err(|error| format!("its validity: {error}"))
    };
    let validity = certificate.validity();
    let holds = (second(validity.not_before.timestamp())?, second(validity.not_after.timestamp())?);
    Ok(PublicKey { bytes, holds: Some(holds) })
}

fn ed25519(info: &SubjectPublicKeyInfo<'_>) -> Result<[u8; 32], String> {
    let bytes = <[u8; 32]>::try_from(info.subject_public_key.data.as_ref()).ok();
    let bytes = bytes.filter(|_| info.algorithm.algorithm == OID_SIG_ED25519);
    bytes.ok_or_else(|| format!("it is no Ed25519 key, but {}", info.algorithm.algorithm))
}
