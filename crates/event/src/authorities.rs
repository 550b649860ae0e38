//! Whether a certificate was issued by somebody who is trusted, and when: X.509 paths (RFC 5280
//! §6) from it to an authority. Paths are sought once, and hold for the times their certificates
//! do, so judging an event takes no cryptography but its own.

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, pem::Pem, prelude::FromDer,
};

/// From the first second to the last.
pub(crate) type Span = (Timestamp, Timestamp);

/// Those who are trusted to issue certificates.
#[derive(Debug, Clone)]
pub(crate) struct Authorities(Vec<TrustAnchor<'static>>);

impl Authorities {
    /// From PEM: every `CERTIFICATE` in it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(pem: &str) -> Result<Authorities, String> {
        let mut anchors = Vec::new();
        for block in Pem::iter_from_buffer(pem.as_bytes()) {
            let block = block.map_err(|error| format!("its PEM: {error}"))?;
            if block.label == "CERTIFICATE" {
                let der = CertificateDer::from(block.contents);
                let anchor = webpki::anchor_from_trusted_cert(&der)
                    .map_err(|error| format!("an authority's certificate: {error}"))?;
                anchors.push(anchor.to_owned());
            }
        }
        match anchors.is_empty() {
            true => Err("there is no '-----BEGIN CERTIFICATE-----' in it".to_owned()),
            false => Ok(Authorities(anchors)),
        }
    }

    /// When the first of these certificates was one that an authority vouches for, the others being
    /// what is between them. It has to be `id`'s.
    ///
    /// # Errors
    /// It is somebody else's, or there is no path to an authority at any time.
    pub(crate) fn spans(&self, id: &str, chain: &[Vec<u8>]) -> Result<Vec<Span>, String> {
        let (first, between) = chain.split_first().ok_or("there is no certificate")?;
        check_name(id, first)?;
        if between.len() > BETWEEN_MAX {
            return Err(format!("there are more than {BETWEEN_MAX} certificates behind its own"));
        }
        let der = CertificateDer::from(first.as_slice());
        let leaf = EndEntityCert::try_from(&der)
            .map_err(|error| format!("its certificate cannot be used: {error}"))?;
        let between: Vec<CertificateDer<'_>> =
            between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        // A path begins to hold when one of its certificates does, or when another path ends.
        let whole = span_of(first)?;
        let mut times = vec![whole.0];
        for certificate in &between {
            times.push(span_of(certificate)?.0.max(whole.0));
        }
        times.sort_unstable();
        times.dedup();
        let (mut spans, mut fault): (Vec<Span>, _) = (Vec::new(), None);
        let mut tried = 0;
        while let Some(time) = times.get(tried).copied().filter(|_| tried < TRIED_MAX) {
            tried += 1;
            if time > whole.1 || spans.iter().any(|(from, to)| *from <= time && time <= *to) {
                continue;
            }
            match self.path(&leaf, &between, whole, time) {
                Ok(span) => {
                    times.extend(Timestamp::from_second(span.1.as_second() + 1));
                    spans.push(span);
                }
                Err(reason) => fault = fault.or(Some(reason)),
            }
        }
        match (spans.is_empty(), fault) {
            (true, fault) => Err(format!(
                "no trusted authority vouches for its certificate: {}",
                fault.unwrap_or_default()
            )),
            (false, _) => {
                spans.sort_unstable();
                Ok(spans)
            }
        }
    }

    /// A path that holds at that time, by when all of it does.
    fn path(
        &self,
        leaf: &EndEntityCert<'_>,
        between: &[CertificateDer<'_>],
        whole: Span,
        time: Timestamp,
    ) -> Result<Span, String> {
        let second = u64::try_from(time.as_second()).map_err(|_| "it is older than 1970")?;
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(second));
        let algorithms = ALL_VERIFICATION_ALGS;
        let path = leaf
            .verify_for_usage(algorithms, &self.0, between, at, AnyUsage, None, None)
            .map_err(|error| error.to_string())?;
        let mut span = whole;
        for certificate in path.intermediate_certificates() {
            let (from, to) = span_of(&certificate.der())?;
            span = (span.0.max(from), span.1.min(to));
        }
        Ok(span)
    }
}

/// When a certificate holds.
pub(crate) fn span_of(der: &[u8]) -> Result<Span, String> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|error| format!("a certificate cannot be read: {error}"))?;
    let second = |seconds: i64| {
        Timestamp::from_second(seconds).map_err(|error| format!("its validity: {error}"))
    };
    let validity = certificate.validity();
    Ok((second(validity.not_before.timestamp())?, second(validity.not_after.timestamp())?))
}

/// An authority vouches for a name, so the certificate must be that name's: its common name, or a
/// DNS name of it.
fn check_name(id: &str, der: &[u8]) -> Result<(), String> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let alternative = certificate
        .subject_alternative_name()
        .map_err(|error| format!("the names in its certificate: {error}"))?;
    let dns = alternative.iter().flat_map(|it| &it.value.general_names);
    let dns = dns.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    match common.chain(dns).any(|name| name.eq_ignore_ascii_case(id)) {
        true => Ok(()),
        false => Err("its certificate is for another name; name the file as it does".to_owned()),
    }
}

/// What a certificate is for besides is no matter: there is no purpose for events (RFC 5280
/// §4.2.1.12), and services sign with the one that they have.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// Certificates between one and its authority.
const BETWEEN_MAX: usize = 8;
/// Times at which a path is sought.
const TRIED_MAX: usize = 32;
