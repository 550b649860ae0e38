//! `[[amqp.tls.name]]`: a certificate for clients that ask for this name.

use std::path::PathBuf;

use serde::Deserialize;
use server::tls::{KeyPair, NamedCertificate};
use toml::{
    Spanned,
    de::{DeValue, ValueDeserializer},
};

use super::{fault::Fault, file::Document, nearest::nearest};

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

/// Reads the value of `amqp.tls.name`.
pub(super) fn read_all<'a>(
    document: Document<'a>,
    value: &Spanned<DeValue<'a>>,
) -> Result<Vec<TlsName>, Vec<Fault>> {
    let DeValue::Array(items) = value.get_ref() else {
        let expected = "expected tables, each under [[amqp.tls.name]]";
        return Err(vec![document.fault(value.span(), expected)]);
    };
    let mut names = Vec::new();
    let mut faults = Vec::new();
    for item in items {
        match read(document, item) {
            Ok(name) => names.push(name),
            Err(fault) => faults.push(*fault),
        }
    }
    match faults.is_empty() {
        true => Ok(names),
        false => Err(faults),
    }
}

fn read<'a>(document: Document<'a>, item: &Spanned<DeValue<'a>>) -> Result<TlsName, Box<Fault>> {
    if let DeValue::Table(table) = item.get_ref()
        && let Some(key) = table.keys().find(|key| !KEYS.contains(&key.get_ref().as_ref()))
    {
        let unknown = key.get_ref();
        let meant = match nearest(unknown, KEYS.into_iter()) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("known are {}", KEYS.join(", ")),
        };
        let problem = format!("unknown key '{unknown}' of a TLS name; {meant}");
        return Err(Box::new(document.fault(key.span(), problem)));
    }
    TlsName::deserialize(ValueDeserializer::from(item.clone())).map_err(|error| {
        let at = error.span().unwrap_or(item.span());
        Box::new(document.fault(at, error.message().trim_end()))
    })
}

const KEYS: [&str; 3] = ["name", "certificate", "key"];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use toml::de::DeTable;

    use super::*;

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
            let faults = read_all(document, &table.get_ref()["n"]).unwrap_err();
            let fault = faults[0].to_string();
            assert!(fault.starts_with(place) && fault.contains(said), "{fault}");
        }
    }
}
