//! Who comes without TLS to the port that has it is told so, in the protocol it speaks.

use amqp091::PROTOCOL_HEADER_SIZE;
use bytes::BytesMut;
use tokio::time::timeout;

use crate::{
    amqp091::needs_tls,
    entrance::Failure,
    opening::Opening,
    socket::{LINGER, Socket},
};

/// Answers and closes; for the log, what the peer is.
pub(crate) async fn turn_away(mut socket: Socket) -> Failure {
    let mut inbox = BytesMut::with_capacity(64);
    while inbox.len() < PROTOCOL_HEADER_SIZE {
        match socket.read_buf(&mut inbox).await {
            Ok(0) => return std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into(),
            Ok(_) => {}
            Err(error) => return error.into(),
        }
    }
    let opening = inbox.first_chunk().map_or(Opening::Other([0; 8]), |first| Opening::of(*first));
    let answer = match opening {
        Opening::Amqp091 => needs_tls(),
        Opening::Http => BytesMut::from(HTTP_ANSWER),
        // No other protocol has an answer for it but the end.
        _ => BytesMut::new(),
    };
    if socket.write_all(&answer).await.is_ok() {
        timeout(LINGER, socket.linger()).await.ok();
    }
    Failure::WithoutTls(opening)
}

const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Connection: close\r\n\r\nThis port speaks AMQP over TLS, not HTTP.\n";
