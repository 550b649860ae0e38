//! A connection over a WebSocket (RFC 6455) whose opening handshake is done: AMQP's octets in
//! binary frames (OASIS: AMQP WebSocket Binding 1.0), read and written as those of a plain socket.
//! All that a read brings is handed on at once, as with TLS; nothing is copied on its way out.

mod entrance;
mod frames;

use std::io::{self, IoSlice};

use bytes::BytesMut;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::socket::{LINGER, linger, read_once};
pub use entrance::{WebSocketEntrance, WebSocketPlace};
#[cfg(any(test, feature = "fuzzing"))]
pub use frames::unframed;
use frames::{Closed, Frames, Violation, put_head};

/// A WebSocket, this side of it the server's.
#[derive(Debug)]
pub(crate) struct WebSocketStream {
    tcp: TcpStream,
    frames: Frames,
    /// Octets of the frame that was begun and are not written yet: whoever writes next goes on with
    /// it.
    frame_left: usize,
    /// Control frames and heads, which go before anything else. Short.
    heads: Vec<u8>,
    peer_closed: bool,
    /// This side said close: nothing else may follow.
    is_closed: bool,
}

/// What `read` brings behind the opening handshake is appended to `inbox`.
///
/// # Errors
/// It is no WebSocket's; then the peer was told.
pub(crate) async fn accept(
    tcp: TcpStream,
    read: &[u8],
    inbox: &mut BytesMut,
) -> io::Result<WebSocketStream> {
    let mut stream = WebSocketStream {
        tcp,
        frames: Frames::default(),
        frame_left: 0,
        heads: Vec::new(),
        peer_closed: false,
        is_closed: false,
    };
    let before = inbox.len();
    inbox.extend_from_slice(read);
    match stream.take(before, inbox) {
        Ok(()) => Ok(stream),
        Err(error) => {
            timeout(LINGER, stream.linger()).await.ok();
            Err(error)
        }
    }
}

impl WebSocketStream {
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

    /// Reads once and appends what frames hold; 0 when the peer closed.
    ///
    /// # Errors
    /// `WouldBlock` when that is nothing. `InvalidData` when the peer does not keep to the
    /// protocol; why is sent to it.
    pub(crate) fn try_read_buf(&mut self, inbox: &mut BytesMut) -> io::Result<usize> {
        if self.peer_closed {
            return Ok(0);
        }
        let before = inbox.len();
        if read_once(&self.tcp, inbox)? == 0 {
            self.peer_closed = true;
            return Ok(0);
        }
        self.take(before, inbox)?;
        match inbox.len() - before {
            0 if self.peer_closed => Ok(0),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    /// Takes what was read apart, from `before` on.
    fn take(&mut self, before: usize, inbox: &mut BytesMut) -> io::Result<()> {
        let taken = self.frames.take(inbox.get_mut(before..).unwrap_or_default());
        self.peer_closed |= self.frames.closed.is_some();
        match taken {
            Ok(count) => {
                inbox.truncate(before + count);
                Ok(())
            }
            Err(violation) => {
                inbox.truncate(before);
                self.close(violation.code(), why(&violation));
                // As far as the socket takes it.
                _ = self.try_flush();
                Err(io::Error::new(io::ErrorKind::InvalidData, violation.to_string()))
            }
        }
    }

    /// Writes once; how much was taken. What is given next has to go on behind that.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is taken now.
    pub(crate) fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.frame_left == 0 {
            self.answer_ping();
            let length = slices.iter().map(|slice| slice.len()).sum::<usize>();
            self.frame_left = length.min(FRAME_BYTES_MAX);
            put_head(OpCode::Data(Data::Binary), self.frame_left, &mut self.heads);
        }
        let mut pieces = [IoSlice::new(&[]); 1 + PIECES];
        let mut left = self.frame_left;
        let heads = std::iter::once(&self.heads[..]);
        let payload = slices.iter().map(|slice| {
            let piece = slice.get(..left.min(slice.len())).unwrap_or_default();
            left -= piece.len();
            piece
        });
        let mut count = 0;
        for (piece, octets) in pieces.iter_mut().zip(heads.chain(payload)) {
            *piece = IoSlice::new(octets);
            count += 1;
        }
        let written = self.tcp.try_write_vectored(pieces.get(..count).unwrap_or_default())?;
        let of_heads = written.min(self.heads.len());
        self.heads.drain(..of_heads);
        self.frame_left -= written - of_heads;
        match written - of_heads {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    /// Whether there is something of this side's own to be written. What whoever writes owes to a
    /// frame that was begun is not.
    pub(crate) fn holds_back(&self) -> bool {
        !self.heads.is_empty() || self.may_answer_ping()
    }

    /// Writes it.
    ///
    /// # Errors
    /// `WouldBlock` when the socket does not take all of it now.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        self.answer_ping();
        while !self.heads.is_empty() {
            match self.tcp.try_write(&self.heads)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => drop(self.heads.drain(..count)),
            }
            self.answer_ping();
        }
        Ok(())
    }

    /// Between two frames: one that was begun has to be written first. And one at a time: a peer
    /// that pings and does not read gets no more of them.
    fn may_answer_ping(&self) -> bool {
        let is_between = self.frame_left == 0 && self.heads.is_empty();
        self.frames.ping.is_some() && is_between && !self.is_closed
    }

    fn answer_ping(&mut self) {
        if self.may_answer_ping()
            && let Some(said) = self.frames.ping.take()
        {
            put_head(OpCode::Control(Control::Pong), said.len(), &mut self.heads);
            self.heads.extend_from_slice(&said);
        }
    }

    /// Says close, once. Within a frame it cannot be said; then the end of the stream says it.
    fn close(&mut self, code: CloseCode, why: &str) {
        if self.is_closed || self.frame_left > 0 {
            return;
        }
        self.is_closed = true;
        put_head(OpCode::Control(Control::Close), 2 + why.len(), &mut self.heads);
        self.heads.extend_from_slice(&u16::from(code).to_be_bytes());
        self.heads.extend_from_slice(why.as_bytes());
    }

    /// Says goodbye, with the code with which the peer did if it was first, and closes this side.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        let said = self.frames.closed.and_then(|Closed(code)| code).map(CloseCode::from);
        self.close(said.filter(|code| code.is_allowed()).unwrap_or(CloseCode::Normal), "");
        loop {
            match self.try_flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.tcp.writable().await?;
                }
                Err(error) => return Err(error),
                Ok(()) => return self.tcp.shutdown().await,
            }
        }
    }

    async fn linger(&mut self) {
        if self.shutdown().await.is_ok() {
            linger(&mut self.tcp).await;
        }
    }

    /// Below the WebSocket.
    pub(crate) fn tcp_mut(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }
}

/// For the peer, shorter than for the log: a close has room for 123 bytes (RFC 6455 §5.5).
fn why(violation: &Violation) -> &'static str {
    match violation {
        Violation::Text => "AMQP goes in binary frames, not in text",
        Violation::Protocol(what) => what,
    }
}

/// Larger ones would keep a ping and a close waiting, and a client that reads whole frames.
const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Pieces of one vectored write.
const PIECES: usize = 64;

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, thread};

    use tokio::net::TcpListener;
    use tungstenite::{
        Message, WebSocket,
        protocol::{Role, WebSocketConfig},
    };

    use super::*;

    type Client = WebSocket<std::net::TcpStream>;

    /// A server's side, and a client that plays on a thread of its own.
    async fn connected<T: Send + 'static>(
        play: impl FnOnce(Client) -> T + Send + 'static,
    ) -> (WebSocketStream, thread::JoinHandle<T>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let tcp = std::net::TcpStream::connect(address).unwrap();
            let sizes = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
            play(Client::from_raw_socket(tcp, Role::Client, Some(sizes)))
        });
        let (tcp, _) = listener.accept().await.unwrap();
        let stream = accept(tcp, &[], &mut BytesMut::new()).await.unwrap();
        (stream, client)
    }

    fn octets(count: u32) -> Vec<u8> {
        (0..count).map(|n| (n / 7) as u8).collect()
    }

    /// Reads to the end, answering pings.
    async fn read_all(stream: &mut WebSocketStream) -> io::Result<BytesMut> {
        let mut inbox = BytesMut::new();
        loop {
            stream.readable().await?;
            match stream.try_read_buf(&mut inbox) {
                Ok(0) => return Ok(inbox),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match stream.try_flush() {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_in_messages_of_any_size_comes_in_order() {
        let sent = octets(1_000_000);
        let expected = sent.clone();
        let (mut stream, client) = connected(move |mut client| {
            let mut rest = sent.as_slice();
            for size in (1..).map(|n| n * n) {
                let (piece, others) = rest.split_at(size.min(rest.len()));
                client.send(Message::binary(piece.to_vec())).unwrap();
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }
            client.send(Message::Ping("there?".into())).unwrap();
            let pong = client.read().unwrap();
            client.close(None).unwrap();
            // The server's close, and the end.
            while client.read().is_ok() {}
            pong
        })
        .await;
        let inbox = read_all(&mut stream).await.unwrap();
        assert!(inbox == expected, "{} of {} octets", inbox.len(), expected.len());
        stream.shutdown().await.unwrap();
        assert_eq!(client.join().unwrap(), Message::Pong("there?".into()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_peer_that_does_not_read_stops_the_writer_and_gets_all_in_the_end() {
        let (go, wait) = std::sync::mpsc::channel();
        let (mut stream, client) = connected(move |mut client| {
            for number in 0..1000 {
                client.send(Message::Ping(number.to_string().into_bytes().into())).unwrap();
            }
            wait.recv().unwrap();
            let (mut received, mut pongs) = (Vec::new(), Vec::new());
            loop {
                match client.read().unwrap() {
                    Message::Binary(octets) => received.extend_from_slice(&octets),
                    Message::Pong(said) => pongs.push(said),
                    Message::Close(why) => return (received, pongs, why),
                    other => panic!("{other}"),
                }
            }
        })
        .await;
        let piece = octets(100_000);
        let mut sent = Vec::new();
        // As a driver does: what was not taken is given again, and more behind it.
        loop {
            let from = sent.len() % piece.len();
            let (head, tail) = piece[from..].split_at((piece.len() - from) / 3);
            let slices = [IoSlice::new(head), IoSlice::new(tail), IoSlice::new(&piece)];
            match stream.try_write_vectored(&slices) {
                Ok(count) => {
                    let given = [head, tail, &piece].concat();
                    sent.extend_from_slice(&given[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
            assert!(sent.len() < 64 * 1024 * 1024, "the kernel takes no end of it");
        }
        let mut inbox = BytesMut::new();
        while stream.frames.ping.as_deref().is_none_or(|said| said != b"999") {
            stream.readable().await.unwrap();
            _ = stream.try_read_buf(&mut inbox);
            _ = stream.try_flush();
        }
        assert!(stream.heads.len() < 300, "{} octets of answers wait", stream.heads.len());
        go.send(()).unwrap();
        // The frame that was begun, and a whole one.
        let mut left = stream.frame_left;
        while left > 0 {
            let from = sent.len() % piece.len();
            let rest = &piece[from..(from + left).min(piece.len())];
            match stream.try_write_vectored(&[IoSlice::new(rest)]) {
                Ok(count) => {
                    sent.extend_from_slice(&rest[..count]);
                    left -= count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.writable().await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        // Before the close, behind which nothing goes.
        _ = stream.try_flush();
        stream.shutdown().await.unwrap();
        let (received, pongs, why) = client.join().unwrap();
        assert!(received == sent, "{} of {} octets", received.len(), sent.len());
        assert_eq!(pongs.last().unwrap(), "999", "the last ping is answered");
        assert_eq!(why.unwrap().code, CloseCode::Normal);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_sends_text_is_told_why_it_ends() {
        let (mut stream, client) = connected(|mut client| {
            client.send(Message::text("AMQP")).unwrap();
            client.read().unwrap()
        })
        .await;
        let error = read_all(&mut stream).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("text frame"), "{error}");
        let Message::Close(Some(why)) = client.join().unwrap() else { panic!("no close") };
        assert_eq!(why.code, CloseCode::Unsupported);
        assert!(why.reason.contains("binary"), "{}", why.reason);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_came_with_the_opening_is_not_lost() {
        let (stream, client) = connected(|client| client).await;
        let client = client.join().unwrap();
        let read = [frames::tests::frame(0x82, b"AMQP\0"), frames::tests::frame(0x82, b"\0\x09")];
        let mut inbox = BytesMut::new();
        let stream = accept(stream.tcp, &read.concat(), &mut inbox).await.unwrap();
        assert_eq!(inbox[..], b"AMQP\0\0\x09"[..]);
        drop((stream, client));
    }
}
