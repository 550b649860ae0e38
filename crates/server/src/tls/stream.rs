//! One TLS connection over a socket that does not block: rustls between it and whoever reads and
//! writes. All that a read brings is decrypted and handed on at once, so that a socket with nothing
//! to read means that there is nothing to read.

use std::{
    io::{self, BufRead, IoSlice, Write},
    time::Instant,
};

use bytes::BytesMut;
use rustls::{ProtocolVersion, ServerConnection};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use super::{Failure, Nameless, PeerCertificate, Tls, failure::HANDSHAKE_BYTES_MAX};
use crate::socket::{LINGER, linger};

/// A TLS connection.
#[derive(Debug)]
pub(crate) struct TlsStream {
    tcp: TcpStream,
    tls: ServerConnection,
    /// Nothing more will come.
    peer_closed: bool,
    /// Who the client's verified certificate says it is; `None` when it showed none.
    user: Option<Result<String, Nameless>>,
    certificate: Option<Box<PeerCertificate>>,
}

/// What a peer on a port with TLS turned out to be.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// A client of TLS, and what it sent behind its handshake.
    Tls(Box<TlsStream>, BytesMut),
    /// Somebody who does not begin with TLS. Nothing was read.
    Plain(TcpStream),
}

/// Shakes hands. Bounded in time by the caller and in memory by [`HANDSHAKE_BYTES_MAX`].
///
/// # Errors
/// The peer goes away, or the two do not agree; then the peer was told.
pub(crate) async fn accept(mut tcp: TcpStream, tls: &Tls) -> Result<Accepted, Failure> {
    let mut first = [0; 11];
    match (tcp.peek(&mut first).await?, first) {
        (0, _) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        // A record; in it a ClientHello and the newest version the client knows up to 1.2. rustls
        // would tell an older one that something is missing in its hello.
        (11, [HANDSHAKE_RECORD, 3, _, _, _, CLIENT_HELLO, _, _, _, 3, minor @ ..3]) => {
            tcp.write_all(&[ALERT_RECORD, 3, minor, 0, 2, FATAL, PROTOCOL_VERSION]).await?;
            if tcp.shutdown().await.is_ok() {
                timeout(LINGER, linger(&mut tcp)).await.ok();
            }
            return Err(Failure::TooOld);
        }
        (_, [HANDSHAKE_RECORD, ..]) => {}
        _ => return Ok(Accepted::Plain(tcp)),
    }
    // A look at a few files, and rarely to read them: not long, but not for ever on this thread.
    let config = tokio::task::block_in_place(|| tls.config(Instant::now()));
    let connection = ServerConnection::new(config).map_err(Failure::Tls)?;
    let mut stream =
        TlsStream { tcp, tls: connection, peer_closed: false, user: None, certificate: None };
    let mut inbox = BytesMut::new();
    stream.shake_hands(&mut inbox).await?;
    let certificate = stream.tls.peer_certificates().and_then(|chain| chain.first());
    let shown = certificate.and_then(|certificate| PeerCertificate::of(certificate));
    stream.user = certificate.map(|certificate| tls.user_of(certificate));
    stream.certificate = shown.map(Box::new);
    Ok(Accepted::Tls(Box::new(stream), inbox))
}

impl TlsStream {
    async fn shake_hands(&mut self, inbox: &mut BytesMut) -> Result<(), Failure> {
        let mut octets = 0;
        while self.tls.is_handshaking() {
            self.flush().await?;
            self.tcp.readable().await?;
            match self.take(inbox) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => octets += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    // The alert that says why was written.
                    if self.tcp.shutdown().await.is_ok() {
                        timeout(LINGER, linger(&mut self.tcp)).await.ok();
                    }
                    return Err(Failure::of(error));
                }
            }
            if octets > HANDSHAKE_BYTES_MAX {
                return Err(Failure::TooMuch);
            }
        }
        Ok(self.flush().await?)
    }

    /// Waits until there may be something to read. May be dropped and called again.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        if self.peer_closed {
            return Ok(());
        }
        self.tcp.readable().await
    }

    /// Waits until something may be written. May be dropped and called again.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.tcp.writable().await
    }

    /// Reads once and appends what could be decrypted; 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing whole yet.
    pub(crate) fn try_read_buf(&mut self, inbox: &mut BytesMut) -> io::Result<usize> {
        if self.peer_closed {
            return Ok(0);
        }
        let before = inbox.len();
        self.take(inbox)?;
        match inbox.len() - before {
            0 if self.peer_closed => Ok(0),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    /// Encrypts as much as one go of writing takes, and writes it as far as the socket takes it;
    /// the rest goes with the next call, or with [`TlsStream::try_flush`].
    ///
    /// # Errors
    /// `WouldBlock` when what was encrypted before is not written yet.
    pub(crate) fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_flush()?;
        let count = self.tls.writer().write_vectored(slices)?;
        match self.try_flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    /// Whether something is encrypted and not written.
    pub(crate) fn holds_back(&self) -> bool {
        self.tls.wants_write()
    }

    /// Writes what is encrypted.
    ///
    /// # Errors
    /// `WouldBlock` when the socket does not take all of it now.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut Outgoing(&self.tcp))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Says goodbye and closes this side.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        self.flush().await?;
        self.tcp.shutdown().await
    }

    /// Below TLS.
    pub(crate) fn tcp_mut(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// What there is to say of the client's certificate; `None` when it showed none.
    pub(crate) fn certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_deref()
    }

    /// Who the client's certificate says it is; `None` when it showed none.
    pub(crate) fn user(&self) -> Option<&Result<String, Nameless>> {
        self.user.as_ref()
    }

    /// For the log.
    pub(crate) fn version(&self) -> &'static str {
        match self.tls.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "unknown",
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        loop {
            match self.try_flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.tcp.writable().await?;
                }
                other => return other,
            }
        }
    }

    /// Reads the socket once, decrypts what came, and gives back how much that was; 0 at the end.
    fn take(&mut self, inbox: &mut BytesMut) -> io::Result<usize> {
        let mut cipher = [0; READ_BYTES];
        let count = self.tcp.try_read(&mut cipher)?;
        self.peer_closed |= count == 0;
        self.decrypt(cipher.get(..count).unwrap_or_default(), inbox)?;
        Ok(count)
    }

    fn decrypt(&mut self, mut cipher: &[u8], inbox: &mut BytesMut) -> io::Result<()> {
        // rustls takes some KiB of it at a time, and nothing after the peer's goodbye.
        while !cipher.is_empty() && self.tls.read_tls(&mut cipher)? > 0 {
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // Tells the peer, if the socket takes it.
                    _ = self.try_flush();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            };
            self.peer_closed |= state.peer_has_closed();
            let mut left = state.plaintext_bytes_to_read();
            let mut reader = self.tls.reader();
            while left > 0 {
                let chunk = reader.fill_buf()?;
                let count = chunk.len();
                if count == 0 {
                    break;
                }
                inbox.extend_from_slice(chunk);
                reader.consume(count);
                left = left.saturating_sub(count);
            }
        }
        Ok(())
    }
}

/// The socket as rustls writes it.
struct Outgoing<'a>(&'a TcpStream);

impl Write for Outgoing<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.try_write(octets)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first octet of a TLS connection: a record of handshake messages (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// RFC 8446 §4.
const CLIENT_HELLO: u8 = 1;

/// RFC 8446 §5.1, §6.
const ALERT_RECORD: u8 = 21;
const FATAL: u8 = 2;
const PROTOCOL_VERSION: u8 = 70;

/// One read: a whole record of the largest size (RFC 8446 §5.2, RFC 5246 §6.2.3).
const READ_BYTES: usize = 5 + 16 * 1024 + 2048;

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        net::{Shutdown, SocketAddr},
        sync::Arc,
        thread,
    };

    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::ServerName,
    };
    use tokio::net::TcpListener;

    use super::{
        super::{
            made::{Made, options},
            pem_file,
        },
        *,
    };

    type Client = StreamOwned<ClientConnection, std::net::TcpStream>;

    /// A port with TLS, and what its clients trust.
    struct Port {
        listener: TcpListener,
        address: SocketAddr,
        tls: Tls,
        trust: Arc<ClientConfig>,
    }

    async fn port() -> Port {
        let made = Made::new();
        let pair = made.pair("mine", &["a.x"]);
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pem_file::certificates(&pair.certificate).unwrap());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let trust = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls::load(options(pair)).unwrap();
        Port { listener, address, tls, trust: Arc::new(trust) }
    }

    impl Port {
        async fn accept(&self) -> (TlsStream, BytesMut) {
            let (tcp, _) = self.listener.accept().await.unwrap();
            match accept(tcp, &self.tls).await.unwrap() {
                Accepted::Tls(stream, inbox) => (*stream, inbox),
                Accepted::Plain(_) => panic!("the client speaks TLS"),
            }
        }

        /// Runs a client on a thread of its own.
        fn client<T: Send + 'static>(
            &self,
            play: impl FnOnce(Client) -> T + Send + 'static,
        ) -> thread::JoinHandle<T> {
            let (address, trust) = (self.address, self.trust.clone());
            thread::spawn(move || {
                let tcp = std::net::TcpStream::connect(address).unwrap();
                let name = ServerName::try_from("a.x").unwrap();
                play(Client::new(ClientConnection::new(trust, name).unwrap(), tcp))
            })
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_sent_together_with_the_handshake_is_not_lost_and_order_is_kept() {
        let port = port().await;
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n / 7) as u8).collect();
        let expected = sent.clone();
        let client = port.client(move |mut client| {
            // In pieces of all sizes: records of one octet, and writes of many records.
            let mut rest = sent.as_slice();
            for size in (1..).map(|n| n * n) {
                let (piece, others) = rest.split_at(size.min(rest.len()));
                client.write_all(piece).unwrap();
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }
            client.conn.send_close_notify();
            client.flush().unwrap();
            client
        });
        let (mut stream, mut inbox) = port.accept().await;
        loop {
            stream.readable().await.unwrap();
            match stream.try_read_buf(&mut inbox) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(inbox == expected, "{} of {} octets", inbox.len(), expected.len());
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read_buf(&mut inbox).unwrap(), 0, "the end stays the end");
        drop(client.join().unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_peer_that_does_not_read_stops_the_writer_and_gets_all_in_the_end() {
        let port = port().await;
        let (go, wait) = std::sync::mpsc::channel();
        let client = port.client(move |mut client| {
            client.flush().unwrap();
            wait.recv().unwrap();
            let mut received = Vec::new();
            client.read_to_end(&mut received).unwrap();
            received
        });
        let (mut stream, _) = port.accept().await;
        let piece: Vec<u8> = (0..100_000u32).map(|n| (n / 3) as u8).collect();
        let mut sent = Vec::new();
        loop {
            let (head, tail) = piece.split_at(33);
            match stream.try_write_vectored(&[IoSlice::new(head), IoSlice::new(tail)]) {
                Ok(count) => sent.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
            assert!(sent.len() < 64 * 1024 * 1024, "the kernel takes no end of it");
        }
        assert!(stream.holds_back(), "what was encrypted and not taken is kept");
        go.send(()).unwrap();
        stream.shutdown().await.unwrap();
        assert!(client.join().unwrap() == sent);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn octets_that_are_no_tls_end_the_connection_with_an_alert() {
        let port = port().await;
        let (go, wait) = std::sync::mpsc::channel();
        let client = port.client(move |mut client| {
            client.flush().unwrap();
            wait.recv().unwrap();
            client.sock.write_all(b"\x17\x03\x03\0\x05hello").unwrap();
            client.sock.shutdown(Shutdown::Write).unwrap();
            client.read(&mut [0]).unwrap_err().to_string()
        });
        let (mut stream, mut inbox) = port.accept().await;
        go.send(()).unwrap();
        let error = loop {
            stream.readable().await.unwrap();
            match stream.try_read_buf(&mut inbox) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => break other.unwrap_err(),
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(stream);
        let seen = client.join().unwrap();
        assert!(seen.contains("BadRecordMac") || seen.contains("DecryptError"), "{seen}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_handshake_of_many_octets_is_cut_off() {
        let port = port().await;
        let address = port.address;
        let client = thread::spawn(move || {
            let mut tcp = std::net::TcpStream::connect(address).unwrap();
            // A ClientHello of 48 KiB, of which nothing but the length is there, in records.
            let mut hello = vec![0x01, 0x00, 0xc0, 0x00];
            hello.resize(40 * 1024, 0);
            for piece in hello.chunks(4096) {
                let mut record = vec![0x16, 0x03, 0x01];
                record.extend_from_slice(&(piece.len() as u16).to_be_bytes());
                record.extend_from_slice(piece);
                // It may have been closed meanwhile.
                _ = tcp.write_all(&record);
            }
            tcp
        });
        let (tcp, _) = port.listener.accept().await.unwrap();
        let failure = accept(tcp, &port.tls).await.unwrap_err();
        assert!(matches!(failure, Failure::TooMuch), "{failure}");
        drop(client.join().unwrap());
    }
}
