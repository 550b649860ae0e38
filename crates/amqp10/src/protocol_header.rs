//! The eight octets that each layer of a connection begins with: SASL, TLS, and AMQP itself
//! (AMQP 1.0 §2.2, §5.2.1, §5.3.1). What else a peer may open with, AMQP 0-9-1 and others, is told
//! apart by whoever speaks more than one protocol.

/// How many octets decide.
pub const PROTOCOL_HEADER_SIZE: usize = 8;

/// A layer's header, of version 1.0.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolHeader {
    /// Protocol id 0: AMQP itself.
    Amqp,
    /// Protocol id 2: TLS, to be started after the header.
    Tls,
    /// Protocol id 3: a login by SASL.
    Sasl,
}

impl ProtocolHeader {
    /// What these octets are.
    pub const fn of(octets: [u8; PROTOCOL_HEADER_SIZE]) -> Option<Self> {
        match &octets {
            b"AMQP\0\x01\0\0" => Some(Self::Amqp),
            b"AMQP\x02\x01\0\0" => Some(Self::Tls),
            b"AMQP\x03\x01\0\0" => Some(Self::Sasl),
            _ => None,
        }
    }

    /// The octets on the wire.
    pub const fn octets(self) -> [u8; PROTOCOL_HEADER_SIZE] {
        match self {
            Self::Amqp => *b"AMQP\0\x01\0\0",
            Self::Tls => *b"AMQP\x02\x01\0\0",
            Self::Sasl => *b"AMQP\x03\x01\0\0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_is_recognised_and_nothing_else() {
        for header in [ProtocolHeader::Amqp, ProtocolHeader::Tls, ProtocolHeader::Sasl] {
            assert_eq!(ProtocolHeader::of(header.octets()), Some(header));
        }
        for other in [*b"AMQP\0\0\x09\x01", *b"AMQP\x01\x01\0\x0a", *b"AMQP\x04\x01\0\0", [0; 8]] {
            assert_eq!(ProtocolHeader::of(other), None);
        }
    }
}
