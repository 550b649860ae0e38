//! Both directions of a byte stream: what waits to be written, and what was read and not yet taken.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    time::timeout,
};

use crate::transport::ByteStream;

/// A byte stream with its two buffers. Dropped, the connection is cut.
pub(crate) struct Pipe {
    reader: ReadHalf<Box<dyn ByteStream>>,
    writer: WriteHalf<Box<dyn ByteStream>>,
    pub(crate) inbox: BytesMut,
    pub(crate) outbox: BytesMut,
    /// TLS may hold back what it was given.
    is_unflushed: bool,
}

impl Pipe {
    pub(crate) fn new(stream: Box<dyn ByteStream>) -> Pipe {
        let (reader, writer) = tokio::io::split(stream);
        let (inbox, outbox) = Default::default();
        Pipe { reader, writer, inbox, outbox, is_unflushed: false }
    }

    /// Writes what there is to be written, and waits for something to read, no longer than that.
    /// May be cancelled, nothing is lost by it.
    ///
    /// # Errors
    /// `UnexpectedEof` at the stream's end.
    pub(crate) async fn exchange(&mut self, longest: Duration) -> io::Result<Exchanged> {
        match timeout(longest, self.exchange_for_ever()).await {
            Ok(exchanged) => exchanged,
            Err(_) => Ok(Exchanged::Nothing),
        }
    }

    async fn exchange_for_ever(&mut self) -> io::Result<Exchanged> {
        let has_more = self.has_unwritten();
        let Pipe { reader, writer, inbox, outbox, is_unflushed } = self;
        inbox.reserve(READ_BYTES);
        let write_all = async {
            while !outbox.is_empty() || *is_unflushed {
                write(writer, outbox, is_unflushed).await?;
            }
            Ok(Exchanged::Wrote)
        };
        tokio::select! {
            biased;
            written = write_all, if has_more => written,
            read = reader.read_buf(inbox) => match read? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(Exchanged::Read),
            },
        }
    }

    /// Whether something waits to be written.
    pub(crate) fn has_unwritten(&self) -> bool {
        !self.outbox.is_empty() || self.is_unflushed
    }
}

/// What an exchange brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchanged {
    /// Something was read.
    Read,
    /// All there was is written.
    Wrote,
    /// Time passed.
    Nothing,
}

/// One write. It may be cancelled between any two awaits: what it has not done is done by the next.
async fn write(
    writer: &mut WriteHalf<Box<dyn ByteStream>>,
    outbox: &mut BytesMut,
    is_unflushed: &mut bool,
) -> io::Result<()> {
    if outbox.has_remaining() {
        *is_unflushed = true;
        if writer.write_buf(outbox).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    if !outbox.has_remaining() {
        writer.flush().await?;
        *is_unflushed = false;
    }
    Ok(())
}

const READ_BYTES: usize = 32 << 10;
