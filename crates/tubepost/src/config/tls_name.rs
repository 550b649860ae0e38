//! `[[amqp.tls.name]]`: a certificate for clients that ask for this name.

use std::path::PathBuf;

use serde::Deserialize;
use server::tls::{KeyPair, NamedCertificate};

use super::table_array::TableArray;

/// One of them, as the file has it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TlsName {
    /// As clients ask for it, or `*.example.org`.
    pub(crate) name: String,
    /// Its certificate's file.
    pub(crate) certificate: PathBuf,
    /// The file of the certificate's key.
    pub(crate) key: PathBuf,
}

impl From<TlsName> for NamedCertificate {
    fn from(named: TlsName) -> NamedCertificate {
        let TlsName { name, certificate, key } = named;
        NamedCertificate { name, certificate: KeyPair { certificate, key } }
    }
}

/// `[[amqp.tls.name]]` in the file.
pub(super) const TABLES: TableArray = TableArray {
    header: "amqp.tls.name",
    noun: "a TLS name",
    keys: &["name", "certificate", "key"],
};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use toml::de::DeTable;

    use super::*;
    use crate::config::file::Document;

    #[test]
    fn what_is_missing_or_misspelled_is_refused_with_its_line() {
        for (text, place, said) in [
            ("[[n]]\nname = \"a\"\nkey = \"k\"\n", "t.toml:1:1: ", "missing field `certificate`"),
            ("[[n]]\ncertifcate = \"c\"\n", "t.toml:2:1: ", "did you mean 'certificate'?"),
            ("[[n]]\nname = 1\ncertificate = \"c\"\nkey = \"k\"\n", "t.toml:2:8: ", "invalid type"),
            ("n = 1", "t.toml:1:5: ", "[[amqp.tls.name]]"),
        ] {
            let document = Document { path: Path::new("t.toml"), text };
            let table = DeTable::parse(text).unwrap();
            let faults = TABLES.read::<TlsName>(document, &table.get_ref()["n"]).unwrap_err();
            let fault = faults[0].to_string();
            assert!(fault.starts_with(place) && fault.contains(said), "{fault}");
        }
    }
}
