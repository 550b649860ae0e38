//! How long a stream keeps its messages: a number and a unit, such as `7D`.

/// Milliseconds, when it is one. RabbitMQ: `rabbit_amqqueue:check_max_age`.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = text.split_at(digits);
    let seconds = match unit {
        "Y" => 365 * DAY,
        "M" => 30 * DAY,
        "D" => DAY,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    let count = match count {
        "" => return None,
        // More than can be counted is for ever.
        digits => digits.parse::<u64>().unwrap_or(u64::MAX),
    };
    (count > 0).then(|| count.saturating_mul(seconds * 1000))
}

const DAY: u64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_time_and_nothing_else_is() {
        for (text, expected) in [
            ("1s", Some(1000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("7D", Some(604_800_000)),
            ("1M", Some(2_592_000_000)),
            ("1Y", Some(31_536_000_000)),
            ("007s", Some(7000)),
            ("99999999999999999999Y", Some(u64::MAX)),
            ("0s", None),
            ("s", None),
            ("", None),
            ("1", None),
            ("1d", None),
            ("1 s", None),
            ("-1s", None),
            ("1s ", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
