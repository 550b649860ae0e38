//! A number of bytes as people write it.

/// Reads `4096`, `256 KiB`, `1GiB`, `16 MB`: bytes.
///
/// # Errors
/// What is wrong with it; it reads behind the quoted text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let fault = || "is not a size: expected a number of bytes such as 262144 or 256 KiB".to_owned();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| fault())?;
    let unit = unit.trim();
    let factor = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .map(|(_, factor)| *factor)
        .ok_or_else(fault)?;
    number.checked_mul(factor).ok_or_else(|| "is more than 16 EiB".to_owned())
}

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_ten_and_of_two_are_told_apart() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("256 KiB", 262_144),
            ("1GiB", 1 << 30),
            ("16 MB", 16_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "x", "-1", "1.5 MiB", "1 K", "99999999999 GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
