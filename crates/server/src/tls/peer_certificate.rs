//! What operators are shown of a client's certificate: subject and issuer as RFC 4514 writes them,
//! and from when to when it is valid. Letter for letter as RabbitMQ (`rabbit_cert_info`), whose
//! names people have in their scripts.

use std::fmt::Write as _;

use x509_parser::{
    asn1_rs::Tag,
    certificate::X509Certificate,
    prelude::FromDer,
    time::ASN1Time,
    x509::{AttributeTypeAndValue, X509Name},
};

/// A verified certificate, in words. As long as the handshake let it be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Whose it is: `CN=ada,O=example`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// `2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z`.
    pub validity: String,
}

impl PeerCertificate {
    /// Reads it; `None` of what is no certificate.
    pub(super) fn of(certificate: &[u8]) -> Option<PeerCertificate> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let validity = parsed.validity();
        let (from, until) = (time(&validity.not_before), time(&validity.not_after));
        Some(PeerCertificate {
            subject: distinguished(parsed.subject()),
            issuer: distinguished(parsed.issuer()),
            validity: format!("{from} - {until}"),
        })
    }
}

/// The last part comes first (RFC 4514 §2.1).
fn distinguished(name: &X509Name<'_>) -> String {
    let parts = name.iter_rdn().map(|part| {
        let attributes: Vec<String> = part.iter().map(attribute).collect();
        attributes.join("+")
    });
    let mut parts: Vec<String> = parts.collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(it: &AttributeTypeAndValue<'_>) -> String {
    let oid = it.attr_type().to_id_string();
    let short = SHORT.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
    format!("{}={}", short.unwrap_or(&oid), escaped(&text(it)))
}

/// The value as UTF-8. What is no text is written in hexadecimal digits (RFC 4514 §2.4).
fn text(it: &AttributeTypeAndValue<'_>) -> String {
    if let Ok(text) = it.as_str() {
        return text.to_owned();
    }
    let octets = it.as_slice();
    let pairs = || octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    match it.attr_value().tag() {
        // RabbitMQ: taken for ISO 8859-1, as everybody does.
        Tag::T61String => octets.iter().map(|octet| char::from(*octet)).collect(),
        Tag::BmpString => char::decode_utf16(pairs()).map(|it| it.unwrap_or('\u{fffd}')).collect(),
        _ => octets.iter().fold("#".to_owned(), |mut text, octet| {
            write!(text, "{octet:02X}").ok();
            text
        }),
    }
}

/// RFC 4514 §2.4; as in RabbitMQ everything is escaped that is not printable ASCII.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, octet) in text.bytes().enumerate() {
        let is_special = match octet {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => true,
            b' ' => at == 0 || at == last,
            b'#' => at == 0,
            _ => false,
        };
        if !(32..126).contains(&octet) {
            write!(escaped, "\\{octet:02X}").ok();
        } else {
            escaped.extend(is_special.then_some('\\'));
            escaped.push(char::from(octet));
        }
    }
    escaped
}

fn time(at: &ASN1Time) -> String {
    let it = at.to_datetime();
    let (month, [hour, minute, second]) =
        (u8::from(it.month()), [it.hour(), it.minute(), it.second()]);
    format!("{:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", it.year(), it.day())
}

/// RabbitMQ's short names of attributes; others are written by their numbers.
const SHORT: [(&str, &str); 17] = [
    ("2.5.4.4", "SN"),
    ("2.5.4.42", "GIVENNAME"),
    ("2.5.4.43", "INITIALS"),
    ("2.5.4.44", "GENERATIONQUALIFIER"),
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "TITLE"),
    ("2.5.4.6", "C"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.65", "PSEUDONYM"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(names: Vec<(DnType, DnValue)>) -> PeerCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        names.into_iter().for_each(|(kind, name)| params.distinguished_name.push(kind, name));
        params.not_before = date_time_ymd(2026, 1, 2);
        params.not_after = date_time_ymd(2051, 11, 12);
        let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        PeerCertificate::of(signed.der()).unwrap()
    }

    #[test]
    fn a_subject_is_written_from_its_last_part_on_and_a_time_in_full() {
        let name = |name: &str| DnValue::Utf8String(name.to_owned());
        let shown = certificate(vec![
            (DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap())),
            (DnType::OrganizationName, name("Ex, ample")),
            (DnType::CommonName, name("ada")),
            (DnType::CustomDnType(vec![1, 2, 3]), name("x")),
        ]);
        assert_eq!(shown.subject, r"1.2.3=x,CN=ada,O=Ex\, ample,C=DE");
        assert_eq!(shown.issuer, shown.subject);
        assert_eq!(shown.validity, "2026-01-02T00:00:00Z - 2051-11-12T00:00:00Z");
    }

    #[test]
    fn what_is_not_printable_is_escaped_and_every_alphabet_is_read() {
        assert_eq!(escaped(r#" #a "b"<\~ "#), "\\ #a \\\"b\\\"\\<\\\\\\7E\\ ");
        assert_eq!(escaped("#1\u{1}"), r"\#1\01");
        assert_eq!(escaped(""), "");
        let common = |name| certificate(vec![(DnType::CommonName, name)]).subject;
        assert_eq!(common(DnValue::Utf8String("ü".to_owned())), r"CN=\C3\BC");
        assert_eq!(common(DnValue::BmpString("ü".try_into().unwrap())), r"CN=\C3\BC");
        assert_eq!(common(DnValue::TeletexString("u".try_into().unwrap())), "CN=u");
    }

    #[test]
    fn what_is_no_certificate_is_shown_as_none() {
        assert_eq!(PeerCertificate::of(b"\x30\x82"), None);
    }
}
