//! Makes connections to the mail server: TCP, greeting, TLS, login. Every failure here is one of
//! the server or the settings, never of a mail, so everything waits until it is mended.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters},
    extension::ClientId,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{Error, Mail, Tls, mail::session::Session, tls_stream::TlsStream};

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
    Implicit(TlsConnector, ServerName<'static>),
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
            Tls::Implicit => {
                let name = ServerName::try_from(mail.host.clone())
                    .map_err(|error| fault(mail, error.to_string()))?;
                Protection::Implicit(tls_connector(mail)?, name)
            }
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
        let mut connection = match timeout(self.timeout, self.greeted()).await {
            Ok(connected) => connected.map_err(|error| match self.tls {
                Protection::Implicit(..) => {
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

    /// Connected, greeted, and with `implicit` protected.
    async fn greeted(&self) -> Result<AsyncSmtpConnection, String> {
        let failed = |error: io::Error| format!("Connection error: {error}");
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        // A mail's text and the end of it are two writes: without this the second waits until the
        // server has acknowledged the first, which it does after 40 ms.
        stream.set_nodelay(true).map_err(failed)?;
        let greeting = match &self.tls {
            Protection::Implicit(connector, name) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(failed)?;
                let stream = Box::new(TlsStream(stream));
                AsyncSmtpConnection::connect_with_transport(stream, &self.hello_name).await
            }
            _ => {
                let stream = Box::new(stream);
                AsyncSmtpConnection::connect_with_transport(stream, &self.hello_name).await
            }
        };
        greeting.map_err(|error| error.to_string())
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

impl AsyncTokioStream for TlsStream<TcpStream> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

fn fault(mail: &Mail, reason: String) -> Error {
    Error::Tls { host: mail.host.clone(), reason }
}

/// For what begins without: lettre makes the change.
fn tls_parameters(mail: &Mail) -> Result<TlsParameters, Error> {
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(pem) = ca_pem(mail)? {
        let certificate =
            Certificate::from_pem(pem).map_err(|error| fault(mail, error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| fault(mail, error.to_string()))
}

/// The same authorities: the system's, and those of `ca_file`.
fn tls_connector(mail: &Mail) -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = ca_pem(mail)? {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| fault(mail, error.to_string()))?;
            roots.add(certificate).map_err(|error| fault(mail, error.to_string()))?;
        }
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn ca_pem(mail: &Mail) -> Result<Option<&[u8]>, Error> {
    match &mail.ca_pem {
        Some(pem) if !pem.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) => {
            Err(fault(mail, "ca_file holds no PEM certificate".to_owned()))
        }
        pem => Ok(pem.as_deref()),
    }
}

const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
