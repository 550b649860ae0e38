//! A JSON body as HTML: indented, coloured by class, every number and key order as published.
//!
//! Works on the text and not on parsed values, which would lose the digits of large numbers. The
//! text is known to be JSON (an event's body was parsed); anything else is shown as it is. No
//! recursion, and an end to the output: indentation can make much of little.

use std::fmt::Write;

use crate::{
    limits::{JSON_SHOWN_BYTES_MAX, JSON_STRING_CHARS_MAX},
    shown::{escape, is_deceptive},
};

/// HTML made of a text.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) html: String,
    /// It is not the whole.
    pub(crate) cut: bool,
}

/// Renders a JSON text.
pub(crate) fn render(json: &str) -> Rendered {
    let mut html = String::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let mut rest = json.trim();
    let mut cut = false;
    while let Some(first) = rest.chars().next() {
        if html.len() > JSON_SHOWN_BYTES_MAX {
            html.push_str("\n…");
            return Rendered { html, cut: true };
        }
        let length = token_length(rest, first);
        let (token, after) = rest.split_at(length);
        let after = after.trim_start();
        match first {
            '{' | '[' => {
                html.push(first);
                if after.starts_with(['}', ']']) {
                    html.push_str(after.get(..1).unwrap_or_default());
                    rest = after.get(1..).unwrap_or_default().trim_start();
                    continue;
                }
                depth += 1;
                line_break(depth, &mut html);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line_break(depth, &mut html);
                html.push(first);
            }
            ',' => {
                html.push(',');
                line_break(depth, &mut html);
            }
            ':' => html.push_str(": "),
            '"' => {
                let class = if after.starts_with(':') { "key" } else { "str" };
                cut |= string(token, class, &mut html);
            }
            't' | 'f' | 'n' => span("lit", token, &mut html),
            _ => span("num", token, &mut html),
        }
        rest = after;
    }
    Rendered { html, cut }
}

/// Bytes of the token at the start of `text`, at least one character.
fn token_length(text: &str, first: char) -> usize {
    match first {
        '{' | '}' | '[' | ']' | ',' | ':' => 1,
        '"' => {
            let mut escaped = false;
            for (at, byte) in text.bytes().enumerate().skip(1) {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => return at + 1,
                    _ => {}
                }
            }
            text.len()
        }
        _ => text
            .char_indices()
            .skip(1)
            .find(|(_, c)| c.is_whitespace() || "{}[],:\"".contains(*c))
            .map_or(text.len(), |(at, _)| at),
    }
}

/// A string with its escapes taken back where the character can be read (`\u00e9` is é) and put
/// where it cannot or would deceive. Tells whether it was cut.
fn string(token: &str, class: &str, html: &mut String) -> bool {
    let Ok(text) = serde_json::from_str::<String>(token) else {
        span(class, token, html);
        return false;
    };
    let count = text.chars().count();
    let cut = count > JSON_STRING_CHARS_MAX;
    let mut shown = String::with_capacity(text.len().min(JSON_STRING_CHARS_MAX) + 2);
    shown.push('"');
    for c in text.chars().take(JSON_STRING_CHARS_MAX) {
        match c {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            c if c.is_control() || is_deceptive(c) || matches!(c, '\u{2028}' | '\u{2029}') => {
                // All of these are below U+10000: one escape.
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown.push_str(if cut { "…\"" } else { "\"" });
    span(class, &shown, html);
    if cut {
        let _ = write!(
            html,
            "<span class=\"more\"> {} more characters</span>",
            count - JSON_STRING_CHARS_MAX
        );
    }
    cut
}

fn span(class: &str, text: &str, html: &mut String) {
    let _ = write!(html, "<span class=\"{class}\">");
    escape(text, html);
    html.push_str("</span>");
}

fn line_break(depth: usize, html: &mut String) {
    html.push('\n');
    html.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::HOSTILE;
    use proptest::prelude::*;

    /// What a browser shows of the HTML.
    fn text_of(html: &str) -> String {
        let mut text = String::new();
        let mut in_tag = false;
        for c in html.chars() {
            match c {
                '<' => in_tag = true,
                '>' if in_tag => in_tag = false,
                c if !in_tag => text.push(c),
                _ => {}
            }
        }
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        text.replace("&#39;", "'").replace("&amp;", "&")
    }

    fn tags_of(html: &str) -> Vec<&str> {
        html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap()).collect()
    }

    #[test]
    fn it_is_indented_with_numbers_and_order_as_published() {
        let json = r#"{"z":1.50,"a":[true,null,{}],"n":123456789012345678901234567890,"e":[]}"#;
        let expected = "{\n  \"z\": 1.50,\n  \"a\": [\n    true,\n    null,\n    {}\n  ],\n  \
                        \"n\": 123456789012345678901234567890,\n  \"e\": []\n}";
        let rendered = render(json);
        assert_eq!(text_of(&rendered.html), expected);
        assert!(!rendered.cut);
        assert!(rendered.html.contains("<span class=\"key\">&quot;z&quot;</span>: "));
        assert!(rendered.html.contains("<span class=\"num\">1.50</span>"));
    }

    #[test]
    fn readable_escapes_are_read_and_deceiving_characters_are_escaped() {
        let rendered = render("{\"a\":\"Zo\\u00eb \u{202E}x\\u0000\"}");
        assert!(rendered.html.contains("Zoë \\u202ex\\u0000"), "{}", rendered.html);
    }

    #[test]
    fn a_long_string_and_a_deep_body_are_cut() {
        let rendered = render(&format!("{{\"a\":\"{}\"}}", "é".repeat(3000)));
        assert!(rendered.cut);
        assert!(rendered.html.contains("1000 more characters"));
        let deep = format!("{}{}{}", "[".repeat(100), "[],".repeat(100_000) + "1", "]".repeat(100));
        let rendered = render(&deep);
        assert!(rendered.cut);
        assert!(rendered.html.len() < JSON_SHOWN_BYTES_MAX + 10_000);
    }

    #[test]
    fn hostile_strings_and_keys_yield_no_markup() {
        for name in HOSTILE {
            let rendered = render(&serde_json::json!({*name: [*name]}).to_string());
            for tag in tags_of(&rendered.html) {
                assert!(tag == "/span" || tag.starts_with("span class=\""), "{name}: {tag}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_the_same_json(keys in proptest::collection::vec(".{0,20}", 0..8), n: i64) {
            let mut value = serde_json::json!({"n": n});
            for key in keys {
                value = serde_json::json!({key.clone(): value, "list": [key, n, []]});
            }
            let shown = text_of(&render(&value.to_string()).html);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }

        #[test]
        fn whatever_the_text_it_ends_and_has_no_markup(text in "(?s).{0,200}") {
            for tag in tags_of(&render(&text).html) {
                prop_assert!(tag == "/span" || tag.starts_with("span class=\""));
            }
        }
    }
}
