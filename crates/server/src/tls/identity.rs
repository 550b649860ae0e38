//! From a client's certificate to the name of a user. The certificate was verified before; whether
//! there is such a user is for `auth` to say.

use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::{FromDer, X509Name},
};

use super::UserFrom;

/// Why a certificate stands for no user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nameless {
    /// It cannot be read.
    #[error("the client's certificate cannot be read: {0}")]
    Unreadable(String),
    /// Nothing in it says.
    #[error(
        "the client's certificate has no common name (CN) in its subject; give it one, or set amqp.tls.user_from = \"san\""
    )]
    NoCommonName,
    /// It is not clear who is meant.
    #[error(
        "the client's certificate has several common names (CN); give it one, or set amqp.tls.user_from = \"san\""
    )]
    ManyCommonNames,
    /// Nothing in it says.
    #[error(
        "the client's certificate has no DNS name, mail address or URI in its subjectAltName; give it one, or set amqp.tls.user_from = \"cn\""
    )]
    NoAlternativeName,
}

pub(super) fn user_of(certificate: &[u8], from: UserFrom) -> Result<String, Nameless> {
    let unreadable = |error: &dyn std::fmt::Display| Nameless::Unreadable(error.to_string());
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| unreadable(&error))?;
    match from {
        UserFrom::CommonName => common_name(parsed.subject()),
        UserFrom::AlternativeName => {
            let names = parsed.subject_alternative_name().map_err(|error| unreadable(&error))?;
            let names = names.as_ref().map(|extension| extension.value.general_names.as_slice());
            alternative_name(names.unwrap_or_default()).ok_or(Nameless::NoAlternativeName)
        }
    }
}

fn common_name(subject: &X509Name<'_>) -> Result<String, Nameless> {
    let mut names = subject.iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(match subject.iter_common_name().next() {
            None => Nameless::NoCommonName,
            Some(_) => Nameless::ManyCommonNames,
        });
    };
    name.as_str().map(str::to_owned).map_err(|error| Nameless::Unreadable(error.to_string()))
}

fn alternative_name(names: &[GeneralName<'_>]) -> Option<String> {
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    let mailbox = |name: &GeneralName<'_>| match name {
        GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        _ => None,
    };
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(name) => Some((*name).to_owned()),
        _ => None,
    };
    let first = names.iter().find_map(host).or_else(|| names.iter().find_map(mailbox));
    first.or_else(|| names.iter().find_map(uri))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(common_name: Option<&str>, names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn mailbox(name: &str) -> SanType {
        SanType::Rfc822Name(name.try_into().unwrap())
    }

    fn uri(name: &str) -> SanType {
        SanType::URI(name.try_into().unwrap())
    }

    #[test]
    fn the_common_name_is_taken_as_it_stands() {
        for name in ["ci-farm", "Ada Lovelace", "ünï"] {
            let certificate = certificate(Some(name), vec![dns("other.example.org")]);
            assert_eq!(user_of(&certificate, UserFrom::CommonName).as_deref(), Ok(name));
        }
        let nameless = certificate(None, vec![dns("host.example.org")]);
        assert_eq!(user_of(&nameless, UserFrom::CommonName), Err(Nameless::NoCommonName));
    }

    #[test]
    fn of_alternative_names_a_host_goes_before_a_mailbox_before_a_uri() {
        let ip = SanType::IpAddress([10, 0, 0, 1].into());
        for (names, expected) in [
            (vec![uri("spiffe://x/a"), mailbox("a@x"), dns("a.x"), dns("b.x")], "a.x"),
            (vec![uri("spiffe://x/a"), mailbox("a@x")], "a@x"),
            (vec![ip.clone(), uri("spiffe://x/a")], "spiffe://x/a"),
        ] {
            let certificate = certificate(Some("cn"), names);
            assert_eq!(user_of(&certificate, UserFrom::AlternativeName).as_deref(), Ok(expected));
        }
        for names in [vec![], vec![ip]] {
            let certificate = certificate(Some("cn"), names);
            let found = user_of(&certificate, UserFrom::AlternativeName);
            assert_eq!(found, Err(Nameless::NoAlternativeName));
        }
    }

    #[test]
    fn what_is_no_certificate_is_nobody() {
        let whole = certificate(Some("ada"), vec![]);
        let cut = whole.get(..whole.len() / 2).unwrap();
        for octets in [b"".as_slice(), b"\x30\x82", cut] {
            let found = user_of(octets, UserFrom::CommonName);
            assert!(matches!(found, Err(Nameless::Unreadable(_))), "{found:?}");
        }
    }
}
