//! The `expiration` property: how long a message may wait, as decimal digits. Only the check;
//! acting upon it is the broker's.

use super::refusal::Refusal;
use amqp091::ReplyCode;

/// Checks the property as RabbitMQ does (`rabbit_basic:parse_expiration`), with its words, which
/// are Erlang's.
pub(super) fn check(expiration: &str) -> Result<u64, Refusal> {
    parse(expiration).map_err(|why| {
        Refusal::new(
            ReplyCode::PreconditionFailed,
            format!("invalid expiration '{expiration}': {why}"),
        )
    })
}

fn parse(text: &str) -> Result<u64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let (number, rest) = unsigned.split_at_checked(digits).unwrap_or((unsigned, ""));
    if number.is_empty() {
        return Err("no_integer".to_owned());
    }
    if !rest.is_empty() {
        return Err(format!("{{leftover_string,{rest:?}}}"));
    }
    let number = number.trim_start_matches('0');
    match (text.starts_with('-') && !number.is_empty(), number.parse()) {
        (true, _) => Err(format!("{{value_negative,-{number}}}")),
        (false, _) if number.is_empty() => Ok(0),
        (false, Ok(milliseconds @ 0..=EXPIRATION_MS_MAX)) => Ok(milliseconds),
        (false, _) => Err(format!("{{value_too_large,{number}}}")),
    }
}

/// RabbitMQ: ten years.
const EXPIRATION_MS_MAX: u64 = 315_360_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_milliseconds() {
        for (text, milliseconds) in
            [("0", 0), ("-0", 0), ("+5", 5), ("007", 7), ("315360000000", EXPIRATION_MS_MAX)]
        {
            assert_eq!(check(text), Ok(milliseconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_rabbitmqs_words() {
        for (text, why) in [
            ("", "no_integer"),
            ("abc", "no_integer"),
            ("-", "no_integer"),
            ("é", "no_integer"),
            ("10s", "{leftover_string,\"s\"}"),
            ("1.5", "{leftover_string,\".5\"}"),
            ("-1", "{value_negative,-1}"),
            ("315360000001", "{value_too_large,315360000001}"),
            ("99999999999999999999999", "{value_too_large,99999999999999999999999}"),
        ] {
            let expected = format!("PRECONDITION_FAILED - invalid expiration '{text}': {why}");
            assert_eq!(&*check(text).unwrap_err().text, &*expected);
        }
    }
}
