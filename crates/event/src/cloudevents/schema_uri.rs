//! `dataschema`: a schema's name and version as the URI that CloudEvents asks for,
//! `urn:tubepost:schema:git.receive:1`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::plain_text;

/// A name that is a URI itself, as other publishers have it, stays as it is.
pub(super) fn of(schema: Option<&str>, version: Option<u32>) -> Option<String> {
    let name = match (schema, version) {
        (None, None) => return None,
        (Some(uri), None) if is_uri(uri) && !uri.starts_with(PREFIX) => {
            return Some(uri.to_owned());
        }
        (name, _) => utf8_percent_encode(name.unwrap_or_default(), ENCODED),
    };
    Some(match version {
        Some(version) => format!("{PREFIX}{name}:{version}"),
        None => format!("{PREFIX}{name}"),
    })
}

/// The name and the version.
pub(super) fn read(uri: &str) -> Result<(Option<String>, Option<u32>), String> {
    let Some(rest) = uri.strip_prefix(PREFIX) else { return Ok((Some(uri.to_owned()), None)) };
    let (name, version) = match rest.split_once(':') {
        Some((name, version)) => (name, Some(version)),
        None => (rest, None),
    };
    let malformed = || {
        format!("is '{}', not {PREFIX}NAME or {PREFIX}NAME:VERSION", plain_text::one_line(uri, 80))
    };
    let name = percent_decode_str(name).decode_utf8().map_err(|_| malformed())?;
    let version = match version {
        Some(version) => {
            Some(version.parse().ok().filter(|version| *version > 0).ok_or_else(malformed)?)
        }
        None => None,
    };
    Ok(((!name.is_empty()).then(|| name.into_owned()), version))
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let of_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(of_scheme)
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic())
}

const PREFIX: &str = "urn:tubepost:schema:";
/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_version_are_a_uri_and_come_back() {
        for (name, version, uri) in [
            (Some("git.receive"), Some(1), "urn:tubepost:schema:git.receive:1"),
            (Some("a b:ö"), None, "urn:tubepost:schema:a%20b%3A%C3%B6"),
            (Some("https://example.org/s.json"), None, "https://example.org/s.json"),
            (
                Some("urn:tubepost:schema:x"),
                None,
                "urn:tubepost:schema:urn%3Atubepost%3Aschema%3Ax",
            ),
            (None, Some(7), "urn:tubepost:schema::7"),
        ] {
            assert_eq!(of(name, version).as_deref(), Some(uri));
            assert_eq!(read(uri), Ok((name.map(str::to_owned), version)), "{uri}");
        }
        for uri in ["urn:tubepost:schema:a:b", "urn:tubepost:schema:a:0", "urn:tubepost:schema:%ff"]
        {
            assert!(read(uri).unwrap_err().contains("not urn:tubepost:schema:NAME"), "{uri}");
        }
    }
}
