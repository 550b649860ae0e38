//! Values as RabbitMQ prints them in a refusal (Erlang's `~tp`): a text is `<<"text">>`.

use serde_json::Value;

/// A value of JSON, as RabbitMQ has it in memory.
pub(super) fn term(value: &Value) -> String {
    match value {
        Value::String(text) => binary(text),
        Value::Array(values) => format!("[{}]", joined(values.iter().map(term))),
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{} => {}", binary(name), term(value));
            format!("#{{{}}}", joined(fields.iter().map(field)))
        }
        Value::Number(number) => {
            let text = number.to_string();
            // Erlang: a float has a point.
            match (number.is_f64(), text.split_once('e')) {
                (true, Some((digits, power))) if !digits.contains('.') => {
                    format!("{digits}.0e{}", power.trim_start_matches('+'))
                }
                _ => text,
            }
        }
        Value::Bool(_) | Value::Null => value.to_string(),
    }
}

/// Names with their values: `[{<<"a">>,1}]`.
pub(super) fn pairs<'a>(pairs: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let pair = |(name, value): (&String, &Value)| format!("{{{},{}}}", binary(name), term(value));
    format!("[{}]", joined(pairs.map(pair)))
}

/// A sentence that is itself a value: in quotes, or as numbers when it cannot be shown.
pub(super) fn string(text: &str) -> String {
    match text.chars().all(is_printable) {
        true => format!("\"{}\"", escaped(text)),
        false => format!("[{}]", joined(text.chars().map(|c| u32::from(c).to_string()))),
    }
}

/// A name: in quotes, unless it is of letters, digits, `_` and `@` and begins with a small letter.
pub(crate) fn atom(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@';
    match name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

/// A text: `<<"text">>`.
pub fn binary(text: &str) -> String {
    match text.chars().all(is_printable) {
        true if text.is_empty() => "<<>>".to_owned(),
        true if text.is_ascii() => format!("<<\"{}\">>", escaped(text)),
        true => format!("<<\"{}\"/utf8>>", escaped(text)),
        false => format!("<<{}>>", joined(text.bytes().map(|byte| byte.to_string()))),
    }
}

/// Erlang: `io_lib:printable_unicode_list`; RabbitMQ starts its machine with `+pc unicode`.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{fffd}' | '\u{10000}'.. | '\u{8}'..='\u{d}' | '\u{1b}')
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            c => out.push(c),
        }
    }
    out
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_quoted_when_it_has_to_be() {
        for (name, expected) in
            [("direct", "direct"), ("x-random", "'x-random'"), ("X", "'X'"), ("a'b", r"'a\'b'")]
        {
            assert_eq!(atom(name), expected);
        }
    }

    /// The expected ones were printed by Erlang/OTP 25 with `+pc unicode`.
    #[test]
    fn values_are_printed_as_erlang_does() {
        for (value, expected) in [
            (json!("abc"), r#"<<"abc">>"#),
            (json!(""), "<<>>"),
            (json!("é"), r#"<<"é"/utf8>>"#),
            (json!("ж\"\n"), r#"<<"ж\"\n"/utf8>>"#),
            (json!("\u{85}"), "<<194,133>>"),
            (json!("\t\u{1b}\0"), "<<9,27,0>>"),
            (json!("a\"\\\n"), r#"<<"a\"\\\n">>"#),
            (json!(-5), "-5"),
            (json!(1.5), "1.5"),
            (json!(1e22), "1.0e22"),
            (json!(true), "true"),
            (json!(null), "null"),
            (json!([1, "a"]), r#"[1,<<"a">>]"#),
            (json!([]), "[]"),
            (json!({"a": 1}), r#"#{<<"a">> => 1}"#),
            (json!({}), "#{}"),
        ] {
            assert_eq!(term(&value), expected);
        }
        assert_eq!(string("unsupported queue type 'foo'"), "\"unsupported queue type 'foo'\"");
        assert_eq!(string("é\""), "\"é\\\"\"");
        assert_eq!(string("ж\n"), "\"ж\\n\"");
        assert_eq!(string("ж\0"), "[1078,0]");
    }
}
