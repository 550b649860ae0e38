//! Why there is no TLS with a peer, in words that say whose certificate or setting it is.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// A TLS handshake that did not end well. What TLS has to say about it was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The peer went away.
    #[error("it went away during the TLS handshake: {0}")]
    Io(#[from] io::Error),
    /// One side did not like the other.
    #[error("TLS: {}", explained(.0))]
    Tls(Error),
    /// Its newest version of TLS is too old.
    #[error("TLS: {TOO_OLD}")]
    TooOld,
    /// It sent too much before there was any trust.
    #[error("TLS: the peer sent more than {HANDSHAKE_BYTES_MAX} octets in its handshake")]
    TooMuch,
}

impl Failure {
    /// Of a read: rustls's error, or the socket's.
    pub(super) fn of(error: io::Error) -> Failure {
        match error.downcast::<Error>() {
            Ok(error) => Failure::Tls(error),
            Err(error) => Failure::Io(error),
        }
    }
}

fn explained(error: &Error) -> String {
    let mend = match error {
        Error::AlertReceived(alert) => return alert_explained(*alert),
        Error::NoCertificatesPresented => {
            return "the client presented no certificate, which amqp.tls.client_certificate = \
                    \"required\" asks for; give it one"
                .to_owned();
        }
        Error::InvalidCertificate(problem) => {
            return format!("the client's certificate is refused: {}", refused(problem));
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => return TOO_OLD.to_owned(),
        Error::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NamedGroupsExtensionRequired
            | PeerIncompatible::NoSignatureSchemesInCommon
            | PeerIncompatible::ExtendedMasterSecretExtensionRequired,
        ) => "; the client has none of today's cryptography: update its TLS library",
        Error::InvalidMessage(_) => "; is the peer a client of TLS?",
        _ => "",
    };
    format!("{error}{mend}")
}

/// What a client says when it hangs up (RFC 8446 §6.2).
fn alert_explained(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::UnknownCA => {
            "it does not trust who signed the server's certificate: give it the authority's \
             certificate"
        }
        AlertDescription::CertificateExpired => "to it the server's certificate has expired",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "it did not accept the server's certificate: look whether the name it connects to is in \
             there, and whether it trusts who signed it"
        }
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3",
        _ => "look into its log",
    };
    format!("the client hung up ({alert:?}): {why}")
}

fn refused(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it is not signed by an authority in amqp.tls.client_ca".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; renew it".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; look at the clocks".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not one of a client (extendedKeyUsage without clientAuth)".to_owned()
        }
        problem => format!("{problem:?}"),
    }
}

const TOO_OLD: &str = "the client offers neither TLS 1.2 nor 1.3; older versions are not safe: update \
                       the client or its TLS library";

/// What a peer may send before the handshake is over. A chain of certificates with the longest
/// keys in use fits.
pub(super) const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_to_mend_what_is_said() {
        for (error, wanted) in [
            (Error::NoCertificatesPresented, "client_certificate"),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), "amqp.tls.client_ca"),
            (Error::AlertReceived(AlertDescription::UnknownCA), "authority's certificate"),
            (Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered), "update the client"),
        ] {
            let said = Failure::of(io::Error::new(io::ErrorKind::InvalidData, error)).to_string();
            assert!(said.starts_with("TLS: ") && said.contains(wanted), "{said}");
        }
        let said = Failure::of(io::ErrorKind::ConnectionReset.into()).to_string();
        assert!(said.contains("went away"), "{said}");
    }
}
