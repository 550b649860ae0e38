//! Reading PEM files: bounded, and keys only when they are not everybody's.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustls::{
    InconsistentKeys,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::CertifiedKey,
};

use super::{Error, KeyPair};

/// A certificate with its chain and its key, which belong together.
pub(super) fn key_pair(pair: &KeyPair, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let chain = certificates(&pair.certificate)?;
    let key = private_key(&pair.key)?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            Error::KeyMismatch { certificate: pair.certificate.clone(), key: pair.key.clone() }
        }
        rustls::Error::InvalidCertificate(error) => {
            Error::pem(&pair.certificate, "a certificate of a server", format!("{error:?}"))
        }
        error => Error::pem(&pair.key, "a key that can be used", error),
    })
}

/// All certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let (text, _) = read(path)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => {
            let mend = "it has no -----BEGIN CERTIFICATE-----; DER is turned into PEM with: \
                        openssl x509 -inform der";
            Err(Error::pem(path, CERTIFICATES, mend))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(Error::pem(path, CERTIFICATES, error)),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let (text, mode) = read(path)?;
    if mode & OTHERS_MAY_READ_OR_WRITE != 0 {
        return Err(Error::OpenKey { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let mend = "it has no -----BEGIN PRIVATE KEY-----; an encrypted one is decrypted with: \
                        openssl pkey";
            Error::pem(path, PRIVATE_KEY, mend)
        }
        error => Error::pem(path, PRIVATE_KEY, error),
    })
}

/// Content and mode of the file, both of the same file.
fn read(path: &Path) -> Result<(Vec<u8>, u32), Error> {
    let fault = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(fault)?;
    let mode = file.metadata().map_err(fault)?.mode();
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(fault)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(fault(io::Error::other("it is larger than any file of certificates")));
    }
    Ok((text, mode))
}

const CERTIFICATES: &str = "a PEM file of certificates";
const PRIVATE_KEY: &str = "a PEM file of a private key";
const OTHERS_MAY_READ_OR_WRITE: u32 = 0o006;

/// The authorities of a whole distribution are a few hundred KiB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
