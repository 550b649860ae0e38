//! Text from outside made fit for a person: one line or several, bounded, without characters that
//! move a terminal's cursor or turn the reading direction. Knows nothing of events.

/// Characters that are never seen but change what is seen: bidirectional controls, zero-width
/// spaces and the tag block. Joiners stay, scripts need them.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// One line of at most `chars_max` characters. Each run of line breaks and tabs becomes one
/// space, other controls are left out, what is too long ends in `…`.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let text = text.trim();
    if text.len() <= chars_max && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len().min(chars_max * 4));
    let (mut chars, mut broken) = (0, false);
    for c in text.chars() {
        if is_line_break(c) {
            broken = true;
            continue;
        }
        if c.is_control() || is_deceptive(c) {
            continue;
        }
        if broken && !line.is_empty() {
            line.push(' ');
            chars += 1;
        }
        broken = false;
        if chars >= chars_max {
            // The last character makes room for the ellipsis.
            while line.chars().count() >= chars_max {
                line.pop();
            }
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        line.push(c);
        chars += 1;
    }
    line.truncate(line.trim_end().len());
    line
}

/// Whether all of it is printable ASCII, or one of `others`: then nothing in it hides or turns
/// anything. Most text is, and is not looked at character by character.
fn is_plain(text: &str, others: &[u8]) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') || others.contains(&byte))
}

/// Several lines: `\n` and tabs stay, `\r\n` is `\n`, other controls are left out.
pub(crate) fn lines(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max && is_plain(&text, b"\n\t") {
        return text;
    }
    let mut lines = String::with_capacity(text.len().min(bytes_max));
    for c in text.chars() {
        let c = match c {
            '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
            '\n' | '\t' => c,
            _ if c.is_control() || is_deceptive(c) => continue,
            _ => c,
        };
        if lines.len() + c.len_utf8() > bytes_max {
            lines.push('…');
            break;
        }
        lines.push(c);
    }
    lines
}

/// A patch, as it is, but for characters that hide what it does: those are spelled out,
/// `<U+202E>`.
pub(crate) fn patch(text: String) -> String {
    if is_plain(&text, b"\n\t\r") {
        return text;
    }
    let hides = |c: char| (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || is_deceptive(c);
    if !text.contains(hides) {
        return text;
    }
    let mut patch = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if hides(c) {
            patch.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            patch.push(c);
        }
    }
    patch
}

/// An address on the web, `None` when it is anything else (`javascript:`, a path, empty).
pub(crate) fn link(text: &str) -> Option<String> {
    let text = text.trim();
    let web = ["http://", "https://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)));
    let hides = |c: char| c.is_control() || is_line_break(c) || is_deceptive(c);
    let clean = is_plain(text, b"") || !text.contains(hides);
    (web && clean && text.len() <= LINK_BYTES_MAX).then(|| text.to_owned())
}

/// What browsers and mail programs take without trouble.
const LINK_BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_breaks_controls_or_direction_marks_and_is_bounded() {
        for (text, expected) in [
            ("plain  as it is", "plain  as it is"),
            (" a\r\n\tb ", "a b"),
            ("a\0b\u{1b}[31mc", "ab[31mc"),
            ("\u{202e}evil\u{2066}", "evil"),
            ("a\u{2028}b\u{85}c", "a b c"),
            ("naïve – 日本", "naïve – 日本"),
            ("\n\n", ""),
            ("1234567890", "1234567890"),
            ("12345678901", "123456789…"),
            ("äääääääääää", "äääääääää…"),
            ("12345678 \n9012345", "12345678…"),
        ] {
            assert_eq!(one_line(text, 10.max(expected.chars().count())), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_keep_breaks_and_a_patch_shows_what_hides() {
        let lines = |text: &str, bytes_max| lines(text.to_owned(), bytes_max);
        let patch = |text: &str| patch(text.to_owned());
        assert_eq!(lines("a\r\nb\tc\0\u{202e}", 100), "a\nb\tc");
        assert_eq!(lines("äää", 4), "ää…");
        assert_eq!((lines("a\n\tb", 4), lines("abcd", 3)), ("a\n\tb".into(), "abc…".into()));
        assert_eq!(patch("+a\u{202e}b\0\r\n"), "+a<U+202E>b<U+0000>\r\n");
        assert_eq!((patch("+a\r\n\t-b"), patch("+é")), ("+a\r\n\t-b".into(), "+é".into()));
    }

    #[test]
    fn only_addresses_on_the_web_are_links() {
        assert_eq!(link(" https://a.example/x y"), Some("https://a.example/x y".to_owned()));
        for text in ["javascript:alert(1)", "/etc/passwd", "", "https://a\nb", "https:/é"] {
            assert_eq!(link(text), None, "{text:?}");
        }
        assert_eq!(link(&format!("https://{}", "a".repeat(LINK_BYTES_MAX))), None);
    }
}
