//! Bodies that say what they are: `PUBLISHER SEQUENCE CHECKSUM FILLER`, the first three as text
//! with a space behind each, so that a person can read them in a dump.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::MessageId;

/// A checksum of a body: FNV-1a, 64 bits. In text 16 hexadecimal digits, because not every reader
/// of JSON keeps 64 bits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(u64);

impl Hash {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(fnv(BASIS, bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Hash {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Hash, Self::Err> {
        u64::from_str_radix(text, 16).map(Hash)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The body of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl Body {
    /// The body of this message, with at least `size_bytes` bytes. The same for the same message
    /// and size.
    pub fn new(message: MessageId, size_bytes: usize) -> Body {
        let MessageId { publisher, sequence } = message;
        let name = format!("{publisher} {sequence} ");
        let head = name.len() + HASH_DIGITS + 1;
        let mut state = fnv(BASIS, name.as_bytes()) | 1;
        let filler_bytes = size_bytes.saturating_sub(head);
        let mut filler = Vec::with_capacity(filler_bytes.next_multiple_of(8));
        while filler.len() < filler_bytes {
            // Xorshift: a filler that no other message has.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            filler.extend_from_slice(&state.to_le_bytes());
        }
        filler.truncate(filler_bytes);
        let checksum = checksum(message, &filler);
        let mut bytes = format!("{name}{checksum} ").into_bytes();
        bytes.extend_from_slice(&filler);
        Body(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes, to be sent.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Which message these bytes are.
    ///
    /// # Errors
    /// They are none, or not whole.
    pub fn read(bytes: &[u8]) -> Result<MessageId, Unreadable> {
        let mut parts = bytes.splitn(4, |byte| *byte == b' ');
        let mut word = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
        let message = word()
            .and_then(|word| word.parse().ok())
            .zip(word().and_then(|word| word.parse().ok()))
            .map(|(publisher, sequence)| MessageId { publisher, sequence });
        let claimed: Option<Hash> = word().and_then(|word| word.parse().ok());
        let (Some(message), Some(claimed), Some(filler)) = (message, claimed, parts.next()) else {
            return Err(Unreadable::NoMessage);
        };
        match claimed == checksum(message, filler) {
            true => Ok(message),
            false => Err(Unreadable::Altered(message)),
        }
    }
}

/// Why a body is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It does not begin as one.
    #[error("it does not begin with publisher, sequence and checksum")]
    NoMessage,
    /// It begins as this one, and its checksum does not match.
    #[error("it claims to be {0}, and its checksum does not match")]
    Altered(MessageId),
}

fn checksum(message: MessageId, filler: &[u8]) -> Hash {
    let name =
        [message.publisher.to_le_bytes().as_slice(), &message.sequence.to_le_bytes()].concat();
    Hash(fnv(fnv(BASIS, &name), filler))
}

fn fnv(basis: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(basis, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

const HASH_DIGITS: usize = 16;
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: MessageId = MessageId { publisher: 3, sequence: 41 };

    #[test]
    fn a_body_says_which_message_it_is() {
        for size in [0, 20, 24, 100, 5000] {
            let body = Body::new(MESSAGE, size);
            assert_eq!(Body::read(body.bytes()), Ok(MESSAGE));
            assert!(body.bytes().len() >= size && body.bytes().len() <= size.max(24));
        }
    }

    #[test]
    fn no_changed_byte_and_no_cut_goes_unseen() {
        let body = Body::new(MESSAGE, 200).into_bytes();
        for at in 0..body.len() {
            let mut altered = body.clone();
            altered[at] ^= 4;
            assert!(Body::read(&altered).is_err(), "byte {at}");
            assert!(Body::read(&body[..at]).is_err(), "cut at {at}");
        }
    }
}
