//! Text from strangers, made fit to be read: cut to a length, on one line, no control characters,
//! and the characters that reorder text (Trojan Source, CVE-2021-42574) made visible. What makes
//! it HTML is the template's escaping, or [`escape`] where HTML is built here.

use std::fmt::Write;

/// One line of at most `chars_max` characters; a longer one ends in an ellipsis.
pub(crate) fn line(text: &str, chars_max: usize) -> String {
    cut(text, chars_max, |c| if c.is_whitespace() { Some(' ') } else { None })
}

/// As [`line()`], but line breaks and tabs stay.
pub(crate) fn paragraph(text: &str, chars_max: usize) -> String {
    cut(text, chars_max, |c| matches!(c, '\n' | '\t').then_some(c))
}

/// Whether the character is not to be seen by itself, but changes how others are seen.
pub(crate) fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Appends `text` as HTML text or a quoted attribute's value.
pub(crate) fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

fn cut(text: &str, chars_max: usize, keep: impl Fn(char) -> Option<char>) -> String {
    let mut shown = String::with_capacity(text.len().min(chars_max));
    for (count, c) in text.chars().enumerate() {
        if count == chars_max {
            shown.push('…');
            break;
        }
        match keep(c) {
            Some(kept) => shown.push(kept),
            None if is_deceptive(c) => {
                let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
            }
            None if c.is_control() => shown.push('\u{FFFD}'),
            None => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_without_control_or_reordering_characters() {
        assert_eq!(line("a\nb\0c\u{202E}d", 100), "a b\u{FFFD}c⟨U+202E⟩d");
        assert_eq!(paragraph("a\n\tb\r", 100), "a\n\tb\u{FFFD}");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(line("äöüß", 3), "äöü…");
        assert_eq!(line("äöü", 3), "äöü");
    }

    #[test]
    fn escaping_leaves_no_markup() {
        let mut html = String::new();
        escape("<a href='x' title=\"y\">&", &mut html);
        assert_eq!(html, "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;");
    }
}
