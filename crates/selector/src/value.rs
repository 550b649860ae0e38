//! A value of a message or of a literal, and how two of them compare.

use std::cmp::Ordering;

use crate::Dialect;

/// A value, borrowed from where it lies. None at all (SQL's NULL) is the `None` of an option.
///
/// Timestamps are integers: milliseconds since 1970. Symbols and UUIDs are strings. What is of no
/// other type (lists, maps) is no value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A boolean.
    Bool(bool),
    /// An exact number.
    Int(i64),
    /// An approximate number.
    Float(f64),
    /// Text.
    String(&'a str),
    /// Octets. They compare with text as RabbitMQ has it, which does not tell the two apart.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Value::Int(_) | Value::Float(_))
    }

    fn octets(self) -> Option<&'a [u8]> {
        match self {
            Value::String(text) => Some(text.as_bytes()),
            Value::Bytes(octets) => Some(octets),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
        }
    }

    /// What a pattern can be compared with.
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Value::String(text) => Some(text),
            Value::Bytes(octets) => str::from_utf8(octets).ok(),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
        }
    }
}

/// What stands between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether it holds between two values.
    ///
    /// - Numbers compare by what they are worth, whole and approximate ones exactly: 2^53 + 1 is
    ///   not 2^53 (RabbitMQ; what is written in Java or C++ rounds the whole one first).
    /// - Text compares by code point, also with `<`. JMS restricts it to `=` and `<>`, so no valid
    ///   selector tells the difference; Qpid C++ says false, ActiveMQ and RabbitMQ compare.
    /// - Booleans have no order: false (RabbitMQ, Qpid C++).
    /// - What is not alike does not compare: false whatever the operator, in JMS also with `<>`
    ///   (JMS 2.0 §3.8.1.2; Qpid C++). In RabbitMQ's SQL, things that are not alike do differ (so
    ///   they do in ActiveMQ and Broker-J, whose `<>` is a `NOT` around a `=`).
    #[inline]
    pub(crate) fn holds(self, left: Value<'_>, right: Value<'_>, dialect: Dialect) -> bool {
        match (left, right) {
            (Value::Int(left), Value::Int(right)) => self.is(Some(left.cmp(&right))),
            (Value::Float(left), Value::Float(right)) => self.is(left.partial_cmp(&right)),
            (Value::Int(left), Value::Float(right)) => self.is(exactly(left, right)),
            (Value::Float(left), Value::Int(right)) => {
                self.is(exactly(right, left).map(Ordering::reverse))
            }
            (Value::Bool(left), Value::Bool(right)) => match self {
                Comparison::Equal => left == right,
                Comparison::NotEqual => left != right,
                _ => false,
            },
            _ => match (left.octets(), right.octets()) {
                (Some(left), Some(right)) => match self {
                    // Without an order the lengths often settle it.
                    Comparison::Equal => left == right,
                    Comparison::NotEqual => left != right,
                    _ => self.is(Some(left.cmp(right))),
                },
                _ => self == Comparison::NotEqual && dialect == Dialect::AmqpSql,
            },
        }
    }

    /// Whether it holds for what stands so to each other; not-a-number stands in no order.
    #[inline]
    fn is(self, order: Option<Ordering>) -> bool {
        match self {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::NotEqual => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// How a whole number stands to an approximate one, without rounding either.
fn exactly(whole: i64, approximate: f64) -> Option<Ordering> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if approximate >= END {
        return Some(Ordering::Less);
    }
    if approximate < -END {
        return Some(Ordering::Greater);
    }
    // In between, cutting the fraction off is exact. Not-a-number has a fraction that is none.
    let rest = 0.0_f64.partial_cmp(&approximate.fract())?;
    Some(whole.cmp(&(approximate as i64)).then(rest))
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl From<$type> for Value<'_> {
            fn from(number: $type) -> Self {
                Value::Int(number.into())
            }
        }
    )*};
}

whole!(i8, i16, i32, i64, u8, u16, u32);

impl From<u64> for Value<'_> {
    /// Beyond an i64 as the nearest approximate number, as Qpid does.
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Value::Float(number as f64), Value::Int)
    }
}

impl From<f32> for Value<'_> {
    fn from(number: f32) -> Self {
        Value::Float(number.into())
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(known: bool) -> Self {
        Value::Bool(known)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::String(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Value::Bytes(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_approximate_numbers_compare_exactly() {
        let two_to_53 = 1_i64 << 53;
        for (whole, approximate, order) in [
            (1, 1.0, Some(Ordering::Equal)),
            (1, 1.5, Some(Ordering::Less)),
            (-1, -1.5, Some(Ordering::Greater)),
            (-1, -0.5, Some(Ordering::Less)),
            (0, -0.0, Some(Ordering::Equal)),
            (two_to_53 + 1, two_to_53 as f64, Some(Ordering::Greater)),
            (i64::MAX, i64::MAX as f64, Some(Ordering::Less)),
            (i64::MIN, i64::MIN as f64, Some(Ordering::Equal)),
            (i64::MAX, f64::INFINITY, Some(Ordering::Less)),
            (i64::MIN, f64::NEG_INFINITY, Some(Ordering::Greater)),
            (0, f64::NAN, None),
        ] {
            assert_eq!(exactly(whole, approximate), order, "{whole} {approximate}");
        }
    }

    #[test]
    fn only_the_largest_integers_are_approximate() {
        assert_eq!(Value::from(u64::MAX >> 1), Value::Int(i64::MAX));
        assert_eq!(Value::from(1_u64 << 63), Value::Float(9_223_372_036_854_775_808.0));
    }
}
