//! Number literals: Java's in JMS, decimal ones and octets in AMQP's SQL.

use std::borrow::Cow;

use crate::Dialect;

/// What a run of digits and letters says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    /// 2^63, which is a number only behind a minus.
    BeyondInt,
    Float(f64),
    Bytes(Vec<u8>),
}

const NO_NUMBER: &str =
    "cannot be read; put a space behind a number, or begin a name with a letter";
const TOO_LARGE: &str = "is too large; write it with an exponent";

/// Octets that belong to the number at the beginning: digits, letters, dots, and a sign behind an
/// exponent's letter.
pub(crate) fn length(text: &str) -> usize {
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let mut before = '0';
    text.find(|c: char| {
        let exponent = matches!(before, 'e' | 'E') && !hexadecimal && matches!(c, '+' | '-');
        before = c;
        !(c.is_alphanumeric() || matches!(c, '.' | '_' | '$') || exponent)
    })
    .unwrap_or(text.len())
}

/// Reads a whole run.
///
/// # Errors
/// What is wrong with it, and the mend.
pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Number, &'static str> {
    match dialect {
        Dialect::Jms => parse_java(text),
        Dialect::AmqpSql => match text.strip_prefix("0x") {
            Some(digits) => octets(digits),
            None => decimal(text).or_else(|reason| match reason {
                // RabbitMQ's integers have no end.
                TOO_LARGE => approximate(text),
                reason => Err(reason),
            }),
        },
    }
}

fn parse_java(text: &str) -> Result<Number, &'static str> {
    let text = without_underscores(text)?;
    let long = text.strip_suffix(['l', 'L']);
    let digits = long.unwrap_or(&text);
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return bits(digits, radix);
        }
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        match digits.strip_prefix('0') {
            Some(octal) if !octal.is_empty() => {
                return bits(octal, 8).map_err(|reason| match reason {
                    NO_NUMBER => "begins with 0 and is octal; take the 0 away, or 8 and 9 out",
                    reason => reason,
                });
            }
            _ => return decimal(digits),
        }
    }
    if long.is_some() {
        return Err(NO_NUMBER);
    }
    approximate(text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(&text))
}

/// Java allows underscores between digits.
fn without_underscores(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if !text.contains('_') {
        return Ok(text.into());
    }
    let octets = text.as_bytes();
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| octets.get(at)).is_some_and(|octet| octet.is_ascii_hexdigit())
    };
    let mut positions = text.match_indices('_').map(|(at, _)| at);
    // More than one in a row is Java's too, and as rare as it is ugly.
    match positions.all(|at| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))) {
        true => Ok(text.replace('_', "").into()),
        false => Err("has an underscore that is not between two digits; take it out"),
    }
}

/// Digits of another base are the bits of a signed number (Java, Qpid C++).
fn bits(digits: &str, radix: u32) -> Result<Number, &'static str> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(NO_NUMBER);
    }
    let bits = u64::from_str_radix(digits, radix).map_err(|_| "has more than 64 bits")?;
    Ok(Number::Int(bits.cast_signed()))
}

fn decimal(text: &str) -> Result<Number, &'static str> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return approximate(text);
    }
    match text.parse::<u64>() {
        Ok(number) => match i64::try_from(number) {
            Ok(number) => Ok(Number::Int(number)),
            Err(_) if number == 1 << 63 => Ok(Number::BeyondInt),
            Err(_) => Err(TOO_LARGE),
        },
        Err(_) => Err(TOO_LARGE),
    }
}

/// `5.`, `.5`, `5.5`, and each of these and `5` with an exponent.
fn approximate(text: &str) -> Result<Number, &'static str> {
    // Rust reads words such as `inf` as well, none of which begins with one of these.
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(NO_NUMBER);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Number::Float(number)),
        Ok(_) => Err("is too large for any number; 1.7E308 is about the last"),
        Err(_) => Err(NO_NUMBER),
    }
}

fn octets(digits: &str) -> Result<Number, &'static str> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    let octets: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(pair).collect();
    match octets {
        Some(octets) if !octets.is_empty() => Ok(Number::Bytes(octets)),
        _ => Err("is to be octets, two hexadecimal digits each: 0x0AFF"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{BeyondInt, Float, Int};

    #[test]
    fn numbers_of_java() {
        for (text, expected) in [
            ("0", Some(Int(0))),
            ("57", Some(Int(57))),
            ("57L", Some(Int(57))),
            ("017", Some(Int(15))),
            ("0X1f", Some(Int(31))),
            ("0x1fL", Some(Int(31))),
            ("0b101", Some(Int(5))),
            ("1_000", Some(Int(1000))),
            ("0x8000_0000_0000_0000", Some(Int(i64::MIN))),
            ("9223372036854775807", Some(Int(i64::MAX))),
            ("9223372036854775808", Some(BeyondInt)),
            ("9223372036854775809", None),
            ("0x1_0000_0000_0000_0000", None),
            ("7E3", Some(Float(7000.0))),
            ("57.9E2", Some(Float(5790.0))),
            ("7.", Some(Float(7.0))),
            (".5", Some(Float(0.5))),
            (".5e-1", Some(Float(0.05))),
            ("7d", Some(Float(7.0))),
            ("0.4F", Some(Float(0.4))),
            ("5.E3", Some(Float(5000.0))),
            ("1e999", None),
            ("19kill", None),
            ("019", None),
            ("34e", None),
            ("1.2.3", None),
            ("7.5L", None),
            ("0x", None),
            ("0b34", None),
            ("0_x34", None),
            ("1_", None),
        ] {
            assert_eq!(length(text), text.len(), "{text}");
            assert_eq!(parse(text, Dialect::Jms).ok(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_and_octets_of_sql() {
        for (text, expected) in [
            ("017", Some(Int(17))),
            ("5.0E+2", Some(Float(500.0))),
            ("9223372036854775809", Some(Float(9_223_372_036_854_775_809.0))),
            ("0x0aFF", Some(Number::Bytes(vec![10, 255]))),
            ("0x", None),
            ("0x123", None),
            ("0xG1", None),
            ("0x🥕", None),
            ("5L", None),
            ("5_0", None),
        ] {
            assert_eq!(parse(text, Dialect::AmqpSql).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_sign_belongs_to_a_number_only_behind_its_exponent() {
        for (text, expected) in [("1-2", 1), ("1e-2-3", 4), ("0xe-2", 3), ("2)", 1), ("7E+x", 4)] {
            assert_eq!(length(text), expected, "{text}");
        }
    }
}
