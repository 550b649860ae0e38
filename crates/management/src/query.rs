//! What stands behind the question mark.

use percent_encoding::percent_decode_str;

use crate::refusal::Refusal;

/// Names and values in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(name), decoded(value))
                })
                .collect(),
        )
    }

    /// The value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// All values of that name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = self.0.iter().filter(move |(it, _)| it == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// Whether it is there and says yes.
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1" | ""))
    }

    /// A number.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Refusal::bad_request(format!("'{name}' is no number: '{}'", shortened(text)))
        })
    }
}

/// As forms are written, where a space is a plus.
fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// A stranger's text for a sentence.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_read_as_forms_write_them() {
        let query = Query::parse("page=2&name=a+b%2Fc&use_regex=true&x&&sort=");
        assert_eq!(query.number("page").unwrap(), Some(2));
        assert_eq!(query.get("name"), Some("a b/c"));
        assert!(query.is("use_regex") && query.is("x") && !query.is("page"));
        assert_eq!(query.number("sort").unwrap(), None);
        assert!(query.number("name").is_err());
        assert!(Query::parse("").get("page").is_none());
    }
}
