//! A client of TLS that says only what a test tells it, to see what a server does in the handshake.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    version::{TLS12, TLS13},
};

use crate::{Files, wire::frame};

/// A connection past its handshake.
#[derive(Debug)]
pub struct TlsPeer {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl TlsPeer {
    /// Shakes hands with who listens on this port of loopback, asks for the name, and shows a
    /// certificate if there is one.
    ///
    /// # Errors
    /// Either side refuses, in rustls's words.
    pub fn connect(port: u16, name: &str, trust: &Path, shown: Option<&Files>) -> Result<TlsPeer> {
        TlsPeer::connect_by(&TLS13, port, name, trust, shown)
    }

    /// As [`TlsPeer::connect`], by TLS 1.2.
    ///
    /// # Errors
    /// As [`TlsPeer::connect`].
    pub fn connect_by_tls_1_2(
        port: u16,
        name: &str,
        trust: &Path,
        shown: Option<&Files>,
    ) -> Result<TlsPeer> {
        TlsPeer::connect_by(&TLS12, port, name, trust, shown)
    }

    fn connect_by(
        version: &'static SupportedProtocolVersion,
        port: u16,
        name: &str,
        trust: &Path,
        shown: Option<&Files>,
    ) -> Result<TlsPeer> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(trust)?);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])?
            .with_root_certificates(roots);
        let config = match shown {
            None => config.with_no_client_auth(),
            Some(files) => {
                let key = PrivateKeyDer::from_pem_file(&files.key)?;
                config.with_client_auth_cert(certificates(&files.certificate)?, key)?
            }
        };
        TlsPeer::shake_hands(port, name, config)
    }

    /// The certificate, as [`Files::der`] has it, that the server shows to who asks for this name
    /// and takes whatever comes.
    ///
    /// # Errors
    /// It shows none.
    pub fn certificate_shown(port: u16, name: &str) -> Result<Vec<u8>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let trusting = Arc::new(Trusting(provider.clone()));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(trusting)
            .with_no_client_auth();
        let peer = TlsPeer::shake_hands(port, name, config)?;
        let chain = peer.stream.conn.peer_certificates().context("no certificate")?;
        Ok(chain.first().context("an empty chain")?.to_vec())
    }

    fn shake_hands(port: u16, name: &str, config: ClientConfig) -> Result<TlsPeer> {
        let name = ServerName::try_from(name.to_owned())?;
        let mut tls = ClientConnection::new(Arc::new(config), name)?;
        let mut tcp = TcpStream::connect(("127.0.0.1", port))?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(TlsPeer { stream: StreamOwned::new(tls, tcp) })
    }

    /// Sends the header of AMQP 0-9-1 and returns what comes back: `connection.start`.
    ///
    /// # Errors
    /// The server refuses after all: in TLS 1.3 a client is told of its certificate only then.
    pub fn amqp_start(&mut self) -> Result<Vec<u8>> {
        self.stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        self.read_frame()
    }

    fn read_frame(&mut self) -> Result<Vec<u8>> {
        let mut head = [0; 7];
        self.stream.read_exact(&mut head)?;
        let [_, _, _, a, b, c, d] = head;
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d]))?;
        let mut payload = vec![0; size + 1];
        self.stream.read_exact(&mut payload)?;
        Ok(payload)
    }

    /// Logs in as guest and opens a connection to `/`, which stays open until this is dropped.
    ///
    /// # Errors
    /// The server refuses.
    pub fn amqp_open(&mut self) -> Result<()> {
        self.amqp_start()?;
        let start_ok = b"\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US";
        self.stream.write_all(&frame(0, (10, 11), start_ok))?;
        self.read_method((10, 30))?;
        let tune_ok = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &[0, 0]].concat();
        self.stream.write_all(&frame(0, (10, 31), &tune_ok))?;
        self.stream.write_all(&frame(0, (10, 40), b"\x01/\0\0"))?;
        self.read_method((10, 41))
    }

    fn read_method(&mut self, (class, method): (u8, u8)) -> Result<()> {
        let payload = self.read_frame()?;
        ensure!(payload.starts_with(&[0, class, 0, method]), "not {class}.{method}: {payload:?}");
        Ok(())
    }

    /// Reads until the server closes; how many octets came.
    ///
    /// # Errors
    /// It does not close.
    pub fn read_to_end(&mut self) -> Result<usize> {
        Ok(self.stream.read_to_end(&mut Vec::new())?)
    }
}

/// Takes any certificate, for a look at it.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificates of a file.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file)?.collect();
    all.with_context(|| file.display().to_string())
}

impl Files {
    /// The certificate, as [`TlsPeer::server_certificate`] has it.
    ///
    /// # Errors
    /// The disk's.
    pub fn der(&self) -> Result<Vec<u8>> {
        Ok(CertificateDer::from_pem_file(&self.certificate)?.to_vec())
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
