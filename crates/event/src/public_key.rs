//! A publisher's public key: a raw one, or that of an X.509 certificate, with the times in which
//! it may be used.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use x509_parser::{
    certificate::X509Certificate, oid_registry::OID_SIG_ED25519, pem::Pem, prelude::FromDer,
    x509::SubjectPublicKeyInfo,
};

use crate::{
    Error,
    authorities::{Authorities, Span, span_of},
    signature::key_error,
};

/// The key itself, and when a certificate says that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    bytes: [u8; 32],
    /// In order, none empty. `None` is always.
    pub(crate) holds: Option<Vec<Span>>,
}

impl PublicKey {
    /// From PEM: `PUBLIC KEY` (RFC 7250, a raw public key) or `CERTIFICATE`, the first of them.
    /// With authorities, one of those has to vouch for a certificate; more of them behind the
    /// first lead there.
    pub(crate) fn parse(
        id: &str,
        pem: &str,
        authorities: Option<&Authorities>,
    ) -> Result<PublicKey, Error> {
        let fault = |reason: String| key_error(id, reason);
        let mut chain = Vec::new();
        for block in Pem::iter_from_buffer(pem.as_bytes()) {
            let block = block.map_err(|error| fault(format!("its PEM: {error}")))?;
            match block.label.as_str() {
                "PUBLIC KEY" if chain.is_empty() => {
                    let (_, info) = SubjectPublicKeyInfo::from_der(&block.contents)
                        .map_err(|error| fault(format!("its key cannot be read: {error}")))?;
                    return Ok(PublicKey { bytes: ed25519(&info).map_err(fault)?, holds: None });
                }
                "CERTIFICATE" => chain.push(block.contents),
                _ => {}
            }
        }
        let Some(first) = chain.first() else {
            let reason = "there is neither '-----BEGIN PUBLIC KEY-----' nor '-----BEGIN \
                          CERTIFICATE-----' in it";
            return Err(fault(reason.to_owned()));
        };
        let bytes = of_certificate(first).map_err(fault)?;
        let holds = match authorities {
            Some(authorities) => authorities.spans(id, &chain).map_err(fault)?,
            None => vec![span_of(first).map_err(fault)?],
        };
        Ok(PublicKey { bytes, holds: Some(holds) })
    }

    pub(crate) fn verifies(&self, statement: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.bytes).verify(statement, signature).is_ok()
    }
}

fn of_certificate(der: &[u8]) -> Result<[u8; 32], String> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let bytes = ed25519(certificate.public_key())?;
    let usage = certificate.key_usage().map_err(|error| format!("its key usage: {error}"))?;
    match usage.is_some_and(|usage| !usage.value.digital_signature()) {
        true => Err("its certificate is not for digital signatures".to_owned()),
        false => Ok(bytes),
    }
}

fn ed25519(info: &SubjectPublicKeyInfo<'_>) -> Result<[u8; 32], String> {
    let bytes = <[u8; 32]>::try_from(info.subject_public_key.data.as_ref()).ok();
    let bytes = bytes.filter(|_| info.algorithm.algorithm == OID_SIG_ED25519);
    bytes.ok_or_else(|| format!("it is no Ed25519 key, but {}", info.algorithm.algorithm))
}
