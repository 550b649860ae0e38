//! The socket of one connection, line by line: bounded in what it keeps and how long it writes.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::line::Line;

/// Both directions.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    read: BytesMut,
    patience: Duration,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Wire {
    /// `patience` is for each write.
    pub(crate) fn new(stream: Box<dyn Stream>, patience: Duration) -> Wire {
        Wire { stream, read: BytesMut::with_capacity(4096), patience }
    }

    /// The next line in which something is said. May be dropped and called again.
    ///
    /// # Errors
    /// The connection is over: why.
    pub(crate) async fn hear(&mut self) -> Result<Line, String> {
        loop {
            while let Some(end) = self.read.iter().position(|&b| b == b'\n') {
                let line = self.read.split_to(end);
                self.read.advance(1);
                if let Some(line) = Line::read(&line) {
                    return Ok(line);
                }
            }
            if self.read.len() > LINE_BYTES_MAX {
                return Err(format!("the server sent a line of over {LINE_BYTES_MAX} bytes"));
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(format!("the connection broke: {error}")),
            }
        }
    }

    /// Says lines, in one piece.
    ///
    /// # Errors
    /// The connection is over: why.
    pub(crate) async fn say(&mut self, lines: &[String]) -> Result<(), String> {
        let mut text = String::new();
        for line in lines {
            // Whatever was overlooked before: what is one line stays one.
            text.extend(line.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')));
            text.push_str("\r\n");
        }
        let writing = async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("the connection broke: {error}")),
            Err(_) => Err("the server does not read".to_owned()),
        }
    }
}

/// IRCv3 message-tags: 8,191 bytes of tags before a line of 512.
const LINE_BYTES_MAX: usize = 8191 + 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_out_of_whatever_pieces_they_come_in() {
        let (here, mut there) = tokio::io::duplex(64);
        let mut wire = Wire::new(Box::new(here), Duration::from_secs(5));
        there.write_all(b"PING a\r\n\r\nPI").await.unwrap();
        assert_eq!(wire.hear().await.unwrap().param(0), "a");
        assert!(timeout(Duration::from_millis(5), wire.hear()).await.is_err());
        there.write_all(b"NG b\n").await.unwrap();
        assert_eq!(wire.hear().await.unwrap().param(0), "b");
        wire.say(&["A b\r\nQUIT\0".to_owned()]).await.unwrap();
        let mut said = [0; 9];
        there.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"A bQUIT\r\n");
        drop(there);
        assert!(wire.hear().await.unwrap_err().contains("closed"));
    }

    #[tokio::test]
    async fn a_line_without_end_and_a_reader_who_does_not_read_are_the_end() {
        let (here, mut there) = tokio::io::duplex(1 << 20);
        there.write_all(&vec![b'x'; LINE_BYTES_MAX + 1]).await.unwrap();
        let mut wire = Wire::new(Box::new(here), Duration::from_millis(20));
        assert!(wire.hear().await.unwrap_err().contains("a line of over"));
        let (here, _there) = tokio::io::duplex(4);
        let mut wire = Wire::new(Box::new(here), Duration::from_millis(20));
        let error = wire.say(&["more than four".to_owned()]).await.unwrap_err();
        assert!(error.contains("does not read"), "{error}");
    }
}
