//! What a request is about: the path and the query of a URI (RFC 3986).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::answer::Refusal;

/// Path and query, not decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The parts between slashes.
    pub(super) path: Vec<&'a str>,
    query: &'a str,
}

impl<'a> Target<'a> {
    /// # Errors
    /// It is no URI, or has no absolute path.
    pub(super) fn parse(text: &'a str) -> Result<Target<'a>, Refusal> {
        if !is_uri(text) {
            // RabbitMQ's words.
            let text = format!("failed to normalize URI '{text}': invalid_uri \"{text}\"");
            return Err(Refusal::bad_request(text));
        }
        let whole = text.split_once('#').map_or(text, |(whole, _)| whole);
        let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
        let Some(path) = path.strip_prefix('/') else {
            let text = format!("the target '{text}' does not begin with a slash: /queues/QUEUE");
            return Err(Refusal::bad_request(text));
        };
        Ok(Target { path: path.split('/').collect(), query })
    }

    /// What the query says of a name. Of two the last counts (RabbitMQ).
    ///
    /// # Errors
    /// It is not UTF-8.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<String>, Refusal> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.rfind(|(found, _)| *found == name).map(|(_, value)| value);
        // RabbitMQ: as a form has it, a plus is a space.
        value.map(|value| decoded(&value.replace('+', " "))).transpose()
    }

    /// As the peer said it.
    pub(super) fn query(&self) -> &'a str {
        self.query
    }
}

/// A part of a target without its percent-encoding.
///
/// # Errors
/// It is not UTF-8.
pub(super) fn decoded(part: &str) -> Result<String, Refusal> {
    match percent_decode_str(part).decode_utf8() {
        Ok(text) => Ok(Cow::into_owned(text)),
        Err(_) => Err(Refusal::bad_request(format!("'{part}' is not percent-encoded UTF-8"))),
    }
}

/// RFC 3986 §2: whether it is made of what a URI is made of.
fn is_uri(text: &str) -> bool {
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let is_right = match octet {
            b'%' => (0..2).all(|_| octets.next().is_some_and(|it| it.is_ascii_hexdigit())),
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@' | b'!'
            | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !is_right {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_are_parted_and_decoded() {
        let target = Target::parse("/queues/a%2Fb%20c/messages").unwrap();
        assert_eq!(target.path, ["queues", "a%2Fb%20c", "messages"]);
        assert_eq!(decoded("a%2Fb%20c"), Ok("a/b c".to_owned()));
        let target = Target::parse("/bindings?src=x&key=a%2Bb+c&src=y#z").unwrap();
        assert_eq!(target.path, ["bindings"]);
        assert_eq!(target.parameter("src"), Ok(Some("y".to_owned())));
        assert_eq!(target.parameter("key"), Ok(Some("a+b c".to_owned())));
        assert_eq!(target.parameter("dstq"), Ok(None));
        assert!(target.parameter("src").is_ok());
        assert!(Target::parse("/bindings?src=%FF").unwrap().parameter("src").is_err());
        assert_eq!(Target::parse("/").unwrap().path, [""]);
    }

    #[test]
    fn what_is_no_uri_is_refused_in_rabbitmqs_words() {
        for text in ["👎", "/queues/%", "/queues/%1", "/queues/%zz", "/queues/a b", "/a\"", "\n"]
        {
            let refused = Target::parse(text).unwrap_err();
            let words = format!("failed to normalize URI '{text}': invalid_uri \"{text}\"");
            assert_eq!(refused, Refusal::bad_request(words));
        }
        for text in ["", "queues/q", "?src=x"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
