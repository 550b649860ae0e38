//! The TLS options of the table as the server's: what must go together.

use std::path::PathBuf;

use server::tls::{ClientCertificates, KeyPair, NamedCertificate, Options, UserFrom};

use super::{
    declared::Declared,
    fault::Fault,
    listen::ListenAddress,
    settings::Settings,
    table::{
        AMQP_TLS_CERTIFICATE, AMQP_TLS_CLIENT_CA, AMQP_TLS_CLIENT_CERTIFICATE, AMQP_TLS_KEY,
        AMQP_TLS_LISTEN, AMQP_TLS_USER_FROM,
    },
};

/// AMQP over TLS.
#[derive(Debug, Clone)]
pub(crate) struct AmqpTls {
    /// Where it listens.
    pub(crate) listen: ListenAddress,
    /// Certificates, and what is asked of clients.
    pub(crate) options: Options,
}

/// Whether clients show a certificate, before it is known whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientCertificate {
    /// They are not asked.
    None,
    /// Who has one.
    Optional,
    /// Everybody.
    Required,
}

impl ClientCertificate {
    pub(super) fn parse(text: &str) -> Result<ClientCertificate, String> {
        match text {
            "none" => Ok(ClientCertificate::None),
            "optional" => Ok(ClientCertificate::Optional),
            "required" => Ok(ClientCertificate::Required),
            _ => Err("is not a choice: expected none, optional or required".to_owned()),
        }
    }
}

pub(super) fn user_from(text: &str) -> Result<UserFrom, String> {
    match text {
        "cn" => Ok(UserFrom::CommonName),
        "san" => Ok(UserFrom::AlternativeName),
        _ => Err("is not a field of a certificate: expected cn or san".to_owned()),
    }
}

/// Whether clients show a certificate when nobody said it.
pub(super) fn client_certificate(settings: &Settings) -> Option<String> {
    let asked = settings.said(AMQP_TLS_CLIENT_CA.declaration.key).is_some();
    Some(if asked { "optional" } else { "none" }.to_owned())
}

/// `None` without a certificate.
///
/// # Errors
/// Options without which others make no sense. The files are not looked at.
pub(super) fn resolve(settings: &Settings) -> Result<Option<AmqpTls>, Fault> {
    let certificate = settings.get(&AMQP_TLS_CERTIFICATE)?;
    let key = settings.get(&AMQP_TLS_KEY)?;
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => KeyPair { certificate, key },
        (Some(_), None) => return Err(lacks(settings, &AMQP_TLS_CERTIFICATE, "amqp.tls.key")),
        (None, Some(_)) => return Err(lacks(settings, &AMQP_TLS_KEY, "amqp.tls.certificate")),
        (None, None) => return nothing_said(settings).map(|()| None),
    };
    let names = settings.tls_names().iter().cloned();
    let options = Options {
        certificate,
        names: names.map(NamedCertificate::from).collect(),
        clients: clients(settings)?,
        user_from: settings.need(&AMQP_TLS_USER_FROM)?,
    };
    Ok(Some(AmqpTls { listen: settings.need(&AMQP_TLS_LISTEN)?, options }))
}

fn clients(settings: &Settings) -> Result<ClientCertificates, Fault> {
    let file: Option<PathBuf> = settings.get(&AMQP_TLS_CLIENT_CA)?;
    match (settings.need(&AMQP_TLS_CLIENT_CERTIFICATE)?, file) {
        (ClientCertificate::None, _) => Ok(ClientCertificates::None),
        (ClientCertificate::Optional, Some(file)) => Ok(ClientCertificates::Optional(file)),
        (ClientCertificate::Required, Some(file)) => Ok(ClientCertificates::Required(file)),
        (_, None) => Err(lacks(settings, &AMQP_TLS_CLIENT_CERTIFICATE, "amqp.tls.client_ca")),
    }
}

/// Without a certificate nothing else of TLS may be said: an operator who did would believe it to
/// be in force.
fn nothing_said(settings: &Settings) -> Result<(), Fault> {
    let keys = [
        AMQP_TLS_LISTEN.declaration.key,
        AMQP_TLS_CLIENT_CA.declaration.key,
        AMQP_TLS_CLIENT_CERTIFICATE.declaration.key,
        AMQP_TLS_USER_FROM.declaration.key,
    ];
    let origins =
        keys.iter().find_map(|key| settings.said(key)).map(|said| said.origin.to_string());
    let names = settings.tls_names().first().map(|_| "amqp.tls.name".to_owned());
    match origins.or(names) {
        None => Ok(()),
        Some(place) => {
            let problem = "there is no TLS without amqp.tls.certificate and amqp.tls.key; set them";
            Err(Fault { place, problem: problem.to_owned(), excerpt: None })
        }
    }
}

fn lacks<T>(settings: &Settings, option: &Declared<T>, other: &str) -> Fault {
    let key = option.declaration.key;
    let place = settings.said(key).map_or(key.to_owned(), |said| said.origin.to_string());
    let problem = format!("{key} needs {other}, too; set it");
    Fault { place, problem, excerpt: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn resolved(text: &str) -> Result<Option<AmqpTls>, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("t.toml");
        std::fs::write(&file, text).unwrap();
        let environment: Environment = [("HOME", "/nonexistent")].into_iter().collect();
        let settings = Settings::gather(|_| None, environment, Some(&file)).unwrap();
        resolve(&settings).map_err(|fault| fault.to_string())
    }

    const PAIR: &str = "[amqp.tls]\ncertificate = \"c\"\nkey = \"k\"\n";

    #[test]
    fn without_a_certificate_there_is_no_tls_and_with_one_on_the_usual_port() {
        assert!(resolved("").unwrap().is_none());
        let tls = resolved(PAIR).unwrap().unwrap();
        assert_eq!(tls.listen.to_string(), "127.0.0.1:5671");
        assert_eq!(tls.options.certificate.key.to_str(), Some("k"));
        assert_eq!(tls.options.clients, ClientCertificates::None);
        assert_eq!(tls.options.user_from, UserFrom::CommonName);
    }

    #[test]
    fn certificates_of_clients_are_optional_as_soon_as_somebody_signs_them() {
        let clients = |more: &str| {
            let tls = resolved(&format!("{PAIR}client_ca = \"a\"\n{more}")).unwrap();
            tls.unwrap().options.clients
        };
        assert_eq!(clients(""), ClientCertificates::Optional("a".into()));
        let required = "client_certificate = \"required\"\n";
        assert_eq!(clients(required), ClientCertificates::Required("a".into()));
        assert_eq!(clients("client_certificate = \"none\"\n"), ClientCertificates::None);
    }

    #[test]
    fn names_have_certificates_of_their_own() {
        let name =
            "[[amqp.tls.name]]\nname = \"MQ.example.org\"\ncertificate = \"d\"\nkey = \"l\"\n";
        let tls = resolved(&format!("{PAIR}{name}")).unwrap().unwrap();
        let named = &tls.options.names[0];
        assert_eq!(named.name, "MQ.example.org");
        assert_eq!(named.certificate.certificate.to_str(), Some("d"));
    }

    #[test]
    fn what_would_not_be_in_force_is_refused_with_its_place() {
        for (text, place, wanted) in [
            ("[amqp.tls]\ncertificate = \"c\"\n", "t.toml:2: amqp.tls.certificate", "amqp.tls.key"),
            ("[amqp.tls]\nkey = \"k\"\n", "t.toml:2: amqp.tls.key", "amqp.tls.certificate"),
            ("[amqp.tls]\nlisten = \"h:1\"\n", "t.toml:2: amqp.tls.listen", "no TLS without"),
            (
                "[[amqp.tls.name]]\nname = \"a\"\ncertificate = \"c\"\nkey = \"k\"\n",
                "amqp.tls.name",
                "no TLS without",
            ),
            (
                "[amqp.tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_certificate = \"required\"\n",
                "t.toml:4: amqp.tls.client_certificate",
                "amqp.tls.client_ca",
            ),
        ] {
            let fault = resolved(text).unwrap_err();
            assert!(fault.contains(place) && fault.contains(wanted), "{fault}");
        }
    }
}
