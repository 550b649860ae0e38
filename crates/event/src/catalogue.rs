//! The list of a registry's schemas, as it is served at `/schemas.json` and read by who keeps a
//! copy. What tells two versions of a file apart is in it, so a copy asks for what changed only.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::{Pattern, Registry, Schema};

/// All schemas of a registry. Readers ignore keys they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// How many there are.
    pub count: usize,
    /// By name.
    pub schemas: Vec<Listed>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// What happened, in some words.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// The patterns of its topics.
    pub topics: Vec<String>,
    /// What header `fedora_messaging_schema` says.
    pub wire_name: String,
    /// Whether it is only for reading old events.
    pub deprecated: bool,
    /// Where its file is, from the server's root.
    pub path: String,
    /// [`content_tag`] of its file.
    pub etag: String,
}

impl Catalogue {
    /// The list of a registry, and the list's own tag.
    pub fn of(registry: &Registry) -> (Catalogue, String) {
        let schemas: Vec<Listed> =
            registry.schemas().iter().map(|schema| Listed::of(schema)).collect();
        let tags: String = schemas.iter().map(|listed| listed.etag.as_str()).collect();
        (Catalogue { count: schemas.len(), schemas }, content_tag(tags.as_bytes()))
    }
}

impl Listed {
    fn of(schema: &Schema) -> Listed {
        Listed {
            name: schema.name().to_owned(),
            version: schema.version(),
            title: schema.title().to_owned(),
            owner: schema.owner().to_owned(),
            topics: schema.topics().iter().map(Pattern::as_str).map(str::to_owned).collect(),
            wire_name: schema.wire_name().to_owned(),
            deprecated: schema.is_deprecated(),
            path: format!("/schemas/{}.json", schema_segment(schema.name())),
            etag: schema.tag(),
        }
    }
}

/// A schema's name as a segment of a path, percent-encoded. Dots stand as they are, but for those
/// that mean a folder.
pub fn schema_segment(name: &str) -> String {
    let encoded = utf8_percent_encode(name, SEGMENT).to_string();
    match name.split('.').any(str::is_empty) {
        true => encoded.replace('.', "%2E"),
        false => encoded,
    }
}

/// An entity tag (RFC 9110 §8.8.3) for some content: FNV-1a of 64 bits, sixteen hexadecimal digits
/// in quotation marks. Tells versions apart; guards nothing.
pub fn content_tag(content: &[u8]) -> String {
    format!("\"{:016x}\"", fnv_1a(content))
}

/// FNV-1a of 64 bits.
pub fn fnv_1a(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_that_of_the_published_algorithm_and_a_list_s_changes_with_any_file() {
        // http://www.isthe.com/chongo/tech/comp/fnv/, test vectors.
        assert_eq!(content_tag(b""), "\"cbf29ce484222325\"");
        assert_eq!(content_tag(b"foobar"), "\"85944171f73967e8\"");
        let (whole, tag) = Catalogue::of(&Registry::builtin());
        assert_eq!(whole.count, Registry::builtin().schemas().len());
        let mut other = Registry::builtin();
        let text = whole.schemas.first().and_then(|it| other.schema(&it.name)).unwrap();
        let text = format!("{} ", text.text());
        other.add("changed", &text).unwrap();
        let (changed, other_tag) = Catalogue::of(&other);
        assert_eq!((changed.count, tag == other_tag), (whole.count, false));
    }

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(schema_segment("a.b/c d~_-"), "a.b%2Fc%20d~_-");
        assert_eq!(schema_segment(".."), "%2E%2E");
    }
}
