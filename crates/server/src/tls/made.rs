//! Certificates for tests, as files.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{ClientCertificates, KeyPair, Options, UserFrom};

/// A directory of them.
pub(super) struct Made(TempDir);

impl Made {
    pub(super) fn new() -> Made {
        Made(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes `NAME.crt` and `NAME.key`, signed by itself, for these names.
    pub(super) fn pair(&self, name: &str, hosts: &[&str]) -> KeyPair {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(hosts).unwrap();
        let pair = KeyPair {
            certificate: self.path(&format!("{name}.crt")),
            key: self.path(&format!("{name}.key")),
        };
        fs::write(&pair.certificate, made.cert.pem()).unwrap();
        write_key(&pair.key, &made.signing_key.serialize_pem());
        pair
    }
}

/// One certificate for everybody, no clients'.
pub(super) fn options(certificate: KeyPair) -> Options {
    Options {
        certificate,
        names: Vec::new(),
        clients: ClientCertificates::None,
        user_from: UserFrom::CommonName,
    }
}

pub(super) fn write_key(path: &Path, pem: &str) {
    fs::write(path, pem).unwrap();
    set_mode(path, 0o600);
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
