//! A unified diff as HTML: each line in an element with the class of what it is.
//!
//! Hunk headers say how many lines follow, so a removed line `-- x` is not taken for a file's
//! header. Without hunks it is just lines.

use crate::{
    json_view::Rendered,
    limits::{PATCH_BYTES_MAX, PATCH_LINE_CHARS_MAX, PATCH_LINES_MAX},
    shown,
};

/// Renders a patch, or the first lines of a long one.
pub(crate) fn render(patch: &str) -> Rendered {
    let mut html = String::with_capacity(patch.len().min(PATCH_BYTES_MAX) * 2);
    let mut hunk = Hunk::default();
    let mut size_bytes = 0;
    for (count, line) in patch.lines().enumerate() {
        size_bytes += line.len();
        if count == PATCH_LINES_MAX || size_bytes > PATCH_BYTES_MAX {
            return Rendered { html, cut: true };
        }
        let class = hunk.class_of(line);
        html.push_str("<span class=\"");
        html.push_str(class);
        html.push_str("\">");
        shown::escape(&shown::paragraph(line, PATCH_LINE_CHARS_MAX), &mut html);
        html.push_str("\n</span>");
    }
    Rendered { html, cut: false }
}

/// Lines the hunk still has, of the old and of the new file.
#[derive(Debug, Default)]
struct Hunk {
    old: u64,
    new: u64,
}

impl Hunk {
    fn class_of(&mut self, line: &str) -> &'static str {
        if self.old > 0 || self.new > 0 {
            match line.as_bytes().first() {
                Some(b'+') => {
                    self.new = self.new.saturating_sub(1);
                    return "add";
                }
                Some(b'-') => {
                    self.old = self.old.saturating_sub(1);
                    return "del";
                }
                // A mailer may have taken the space of an empty line.
                Some(b' ') | None => {
                    self.old = self.old.saturating_sub(1);
                    self.new = self.new.saturating_sub(1);
                    return "ctx";
                }
                Some(b'\\') => return "meta",
                Some(_) => *self = Hunk::default(),
            }
        }
        if let Some(hunk) = Hunk::parse(line) {
            *self = hunk;
            return "hunk";
        }
        let file = ["diff ", "--- ", "+++ "].iter().any(|start| line.starts_with(start));
        if file { "file" } else { "meta" }
    }

    /// `@@ -12,7 +12,9 @@ fn main`; a count left out is 1.
    fn parse(line: &str) -> Option<Hunk> {
        let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
        let (old, new) = ranges.split_once(" +")?;
        let count = |range: &str| match range.split_once(',') {
            Some((_, count)) => count.parse().ok(),
            None => Some(1),
        };
        Some(Hunk { old: count(old)?, new: count(new)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::HOSTILE;

    fn classes(patch: &str) -> Vec<String> {
        let html = render(patch).html;
        html.split("<span class=\"")
            .skip(1)
            .map(|line| line.split('"').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn lines_are_what_the_hunk_says() {
        let patch = "diff --git a/q.sql b/q.sql\nindex 1..2 100644\n--- a/q.sql\n+++ b/q.sql\n\
                     @@ -1,3 +1,3 @@ x\n select\n--- old comment\n+++ new\n\n\
                     \\ No newline at end of file\n--- a/z\n+++ b/z\n@@ -0,0 +1 @@\n+z\n-- \n2.51\n";
        assert_eq!(
            classes(patch),
            [
                "file", "meta", "file", "file", "hunk", "ctx", "del", "add", "ctx", "meta", "file",
                "file", "hunk", "add", "meta", "meta"
            ]
        );
    }

    #[test]
    fn a_long_patch_is_cut_by_lines_and_by_bytes() {
        let rendered = render(&"+\n".repeat(PATCH_LINES_MAX + 1));
        assert!(rendered.cut);
        assert_eq!(rendered.html.matches("<span").count(), PATCH_LINES_MAX);
        assert!(render(&"x".repeat(PATCH_BYTES_MAX + 1)).cut);
        assert!(!render("+x").cut);
    }

    #[test]
    fn hostile_lines_yield_no_markup_and_deceiving_characters_are_seen() {
        for name in HOSTILE {
            let html = render(&format!("@@ -1,9 +1,9 @@ {name}\n+{name}\n{name}")).html;
            for tag in html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap()) {
                assert!(tag == "/span" || tag.starts_with("span class=\""), "{name}: {tag}");
            }
            assert!(!html.contains('\u{202E}'));
        }
    }
}
