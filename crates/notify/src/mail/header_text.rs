//! Text of an event made fit for a header: one line, bounded, nothing that a mail program would
//! take for more than text. Folding and RFC 2047 come after, from lettre.

/// One line of at most `chars_max` characters; a longer one ends in `…`. Control characters, line
/// and paragraph separators become spaces, direction overrides vanish (they let a text end look
/// like its beginning), runs of spaces become one.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(chars_max * 4));
    let mut chars = 0;
    for word in text.split(is_break) {
        let word = word.chars().filter(|&c| !turns_text(c));
        for (index, c) in word.enumerate() {
            if index == 0 && !line.is_empty() {
                line.push(' ');
                chars += 1;
            }
            if chars >= chars_max {
                shorten(&mut line, chars_max);
                return line;
            }
            line.push(c);
            chars += 1;
        }
    }
    // What looks like an encoded word (RFC 2047 §2) would be decoded, and may hold anything.
    match line.contains("=?") {
        true => line.replace("=?", "= ?"),
        false => line,
    }
}

/// Names with commas between; when they are too many for `chars_max`, the last item is the
/// number of those left out, `+12`.
pub(crate) fn list(names: &[String], chars_max: usize) -> String {
    let mut line = String::new();
    for (index, name) in names.iter().enumerate() {
        let name = one_line(name, 100);
        if line.chars().count() + name.chars().count() + 10 > chars_max {
            line.push_str(&format!(", +{}", names.len() - index));
            break;
        }
        if index > 0 {
            line.push_str(", ");
        }
        line.push_str(&name);
    }
    line
}

fn shorten(line: &mut String, chars_max: usize) {
    let kept: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    *line = kept.trim_end().replace("=?", "= ?") + "…";
}

fn is_break(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Unicode UAX #9: embeddings, overrides and isolates; and the marks that nobody sees.
pub(crate) fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_comes_is_one_bounded_line() {
        for (text, expected) in [
            ("plain", "plain"),
            ("  a \t b\u{a0}c ", "a b c"),
            ("a\r\nBcc: evil@example.org\r\n\r\nbody", "a Bcc: evil@example.org body"),
            ("a\u{2028}b\u{2029}c\u{85}d\0e\u{1b}[31mf", "a b c d e [31mf"),
            ("safe\u{202e}gpj.exe", "safegpj.exe"),
            ("=?utf-8?q?a=0D=0ABcc:_evil?=", "= ?utf-8?q?a=0D=0ABcc:_evil?="),
            ("", ""),
            ("\r\n", ""),
            ("ääöö", "ääöö"),
        ] {
            assert_eq!(one_line(text, 60), expected, "{text:?}");
        }
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("abcd efg", 6), "abcd…");
        assert_eq!(one_line(&"ä".repeat(1000), 10).chars().count(), 10);
        assert_eq!(one_line(&"=?".repeat(1000), 10), "= ?= ?= ?= ?=…");
    }

    #[test]
    fn a_long_list_says_how_many_are_left_out() {
        let names: Vec<String> = (0..100).map(|n| format!("person{n}")).collect();
        let line = list(&names, 50);
        assert_eq!(line, "person0, person1, person2, person3, +96");
        assert_eq!(list(&names[..2], 50), "person0, person1");
        assert_eq!(list(&[], 50), "");
        assert!(list(&["x\r\ny".to_owned()], 50) == "x y");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_second_line_or_exceeds_the_bound(text in "\\PC*|[\\x00-\\xff]*|(=\\?)*") {
            let line = one_line(&text, 40);
            proptest::prop_assert!(!line.contains(char::is_control) && !line.contains("=?"));
            proptest::prop_assert!(line.chars().count() <= 60);
        }
    }
}
