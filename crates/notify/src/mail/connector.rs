//! Makes connections to the mail server: TCP, greeting, TLS, login. Every failure here is one of
//! the server or the settings, never of a mail, so everything waits until it is mended.

use std::{fmt, time::Duration};

use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, Certificate, TlsParameters},
    extension::ClientId,
};
use tokio::time::timeout;

use crate::{Error, Mail, Tls, mail::session::Session};

/// How to reach one server.
pub(crate) struct Connector {
    host: String,
    port: u16,
    hello_name: ClientId,
    tls: Protection,
    login: Option<(String, Credentials)>,
    timeout: Duration,
    sender: String,
}

enum Protection {
    None,
    StartTls(TlsParameters),
    Implicit(TlsParameters),
}

impl Connector {
    /// Does not connect yet.
    ///
    /// # Errors
    /// [`Error::Tls`].
    pub(crate) fn new(mail: &Mail) -> Result<Connector, Error> {
        let tls = match mail.tls {
            Tls::None => Protection::None,
            Tls::StartTls => Protection::StartTls(tls_parameters(mail)?),
            Tls::Implicit => Protection::Implicit(tls_parameters(mail)?),
        };
        let login = mail.login.as_ref().map(|login| {
            let password = login.password.expose().to_owned();
            (login.user.clone(), Credentials::new(login.user.clone(), password))
        });
        Ok(Connector {
            host: mail.host.clone(),
            port: mail.port,
            hello_name: mail.hello_name.clone().map_or_else(ClientId::default, ClientId::Domain),
            tls,
            login,
            timeout: mail.timeout,
            sender: mail.from.email.to_string(),
        })
    }

    /// A connection that is ready for mail.
    ///
    /// # Errors
    /// What failed, where, and the mend.
    pub(crate) async fn connect(&self) -> Result<Session, String> {
        let at = format!("mail server {}:{}", self.host, self.port);
        let implicit = match &self.tls {
            Protection::Implicit(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let server = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(
            server,
            Some(self.timeout),
            &self.hello_name,
            implicit,
            None,
        );
        let mut connection = match timeout(self.timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| match self.tls {
                Protection::Implicit(_) => {
                    format!("{at}: {error}; check notify.mail.host, port, tls and ca_file")
                }
                _ => format!("{at}: {error}; check notify.mail.host and port"),
            })?,
            Err(_) => return Err(self.silent(&at, "the connection")),
        };
        if let Protection::StartTls(parameters) = &self.tls {
            let starting = connection.starttls(parameters.clone(), &self.hello_name);
            match timeout(self.timeout, starting).await {
                Ok(started) => started.map_err(|error| {
                    format!("{at}: STARTTLS failed: {error}; check notify.mail.tls and ca_file")
                })?,
                Err(_) => return Err(self.silent(&at, "STARTTLS")),
            }
        }
        if let Some((user, credentials)) = &self.login {
            let logging_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials);
            match timeout(self.timeout, logging_in).await {
                Ok(answer) => drop(answer.map_err(|error| {
                    format!("{at}: login of '{user}' failed: {error}; check notify.mail.user and password")
                })?),
                Err(_) => return Err(self.silent(&at, "the login")),
            }
        }
        Ok(Session::new(connection, at, self.sender.clone(), self.timeout))
    }

    fn silent(&self, at: &str, what: &str) -> String {
        format!("{at}: no answer to {what} within {} s", self.timeout.as_secs_f32())
    }
}

/// Only what can be shown: no credentials.
impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connector { host, port, .. } = self;
        f.debug_struct("Connector").field("host", host).field("port", port).finish_non_exhaustive()
    }
}

fn tls_parameters(mail: &Mail) -> Result<TlsParameters, Error> {
    let fault = |reason: String| Error::Tls { host: mail.host.clone(), reason };
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(pem) = &mail.ca_pem {
        if !pem.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
            return Err(fault("ca_file holds no PEM certificate".to_owned()));
        }
        let certificate = Certificate::from_pem(pem).map_err(|error| fault(error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| fault(error.to_string()))
}

const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
