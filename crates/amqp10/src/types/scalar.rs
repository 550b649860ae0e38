//! Scalars that are more than a number of Rust's.

use std::fmt;

/// Milliseconds since 1970-01-01 UTC (AMQP 1.0 §1.6.17).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A UUID as RFC 4122 lays it out (AMQP 1.0 §1.6.18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// IEEE 754 decimal32 as on the wire; nobody here calculates with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal32(pub [u8; 4]);

/// IEEE 754 decimal64 as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal64(pub [u8; 8]);

/// IEEE 754 decimal128 as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal128(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_shown_in_five_groups() {
        let octets = std::array::from_fn(|index| index as u8 * 17);
        assert_eq!(Uuid(octets).to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
