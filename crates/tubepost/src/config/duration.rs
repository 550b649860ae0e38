//! A stretch of time as people write it.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads `500ms`, `30s`, `5m`, `1h30m`, and a bare number as seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault =
        || "is not a duration: expected a number with a unit such as 500ms, 30s or 5m".to_owned();
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let parsed: SignedDuration = text.parse().map_err(|_| fault())?;
    let duration = Duration::try_from(parsed).map_err(|_| fault())?;
    match duration <= LONGEST {
        true => Ok(duration),
        false => Err("is longer than a year".to_owned()),
    }
}

// So that adding it to any clock cannot overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_a_bare_number_is_seconds() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("60", 60_000), ("1h30m", 5_400_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "x", "-5s", "5 bananas", "99999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
