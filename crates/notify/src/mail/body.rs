//! The text of a mail: summary, text, link, patch, and why it came; of a digest what happened to
//! what. Pure.

use std::fmt::Write;

use event::Description;

use crate::{
    Digest, Notice, Reason,
    limits::TEXT_BYTES_MAX,
    mail::{
        header_text::{one_line, turns_text},
        patches::{Patch, Patches},
        shortened,
    },
};

/// What a mail has beside its notice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sheet<'a> {
    pub(crate) patch_bytes_max: usize,
    pub(crate) page_url: Option<&'a str>,
    /// Where the reader ends what made this mail.
    pub(crate) unsubscribe_url: Option<&'a str>,
}

/// The body, line breaks as `\n`. What the event says can use no control character but tab.
pub(crate) fn render(notice: &Notice, sheet: &Sheet<'_>) -> String {
    let patches = Patches::of(notice, sheet.patch_bytes_max);
    let mut body = match notice.is_digest() {
        true => digest(notice),
        false if patches.are_several() => event(&notice.description, None),
        false => event(&notice.description, Some(sheet.patch_bytes_max)),
    };
    push_patches(&mut body, &patches);
    push_footer(&mut body, notice, sheet);
    body
}

/// As [`render`], with the operator's words for all but the foot.
pub(crate) fn render_said(said: &str, notice: &Notice, sheet: &Sheet<'_>) -> String {
    let mut body = String::with_capacity(said.len() + 512);
    push_visible(&mut body, said.trim_end());
    push_footer(&mut body, notice, sheet);
    body
}

fn digest(notice: &Notice) -> String {
    let digest = Digest::of(notice);
    let mut body = format!("{} events\n", digest.events);
    for group in shortened::groups(&digest) {
        let _ = write!(body, "\n{}\n", group.line());
        for (_, told) in shortened::matters(group) {
            let _ = writeln!(body, "  {}", one_line(&told.summary, shortened::LINE_CHARS_MAX));
            if let Some(link) = &told.link {
                let _ = writeln!(body, "    {}", one_line(link, LINK_CHARS_MAX));
            }
        }
        if let Some(rest) = shortened::rest_of(group) {
            let _ = writeln!(body, "  {rest}");
        }
    }
    if let Some(rest) = shortened::rest(&digest) {
        let _ = writeln!(body, "\n{rest}");
    }
    body
}

/// Each behind its heading and what it changes.
fn push_patches(body: &mut String, patches: &Patches<'_>) {
    for Patch { heading, stat, whole, kept, .. } in &patches.shown {
        let _ = writeln!(body, "\n{heading}\n {stat}\n");
        push_visible(body, kept);
        if kept.len() < whole.len() {
            let rest = whole.len() - kept.len();
            let _ = writeln!(body, "[{rest} of {} bytes of this patch are left out]", whole.len());
        }
    }
    if let Some(left_out) = &patches.left_out {
        let _ = writeln!(body, "\n[{left_out}]");
    }
}

/// Without a bound there is no patch.
fn event(description: &Description, patch_bytes_max: Option<usize>) -> String {
    let mut body = one_line(&description.summary, SUMMARY_CHARS_MAX);
    body.push('\n');
    if let Some(text) = description.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        body.push('\n');
        push_cut(&mut body, text, TEXT_BYTES_MAX, "text", description.link.as_deref());
    }
    if let Some(link) = &description.link {
        body.push('\n');
        body.push_str(&one_line(link, LINK_CHARS_MAX));
        body.push('\n');
    }
    let patch = description.patch.as_deref().filter(|patch| !patch.trim().is_empty());
    if let (Some(patch), Some(bytes_max)) = (patch, patch_bytes_max) {
        body.push('\n');
        push_cut(&mut body, patch, bytes_max, "patch", description.link.as_deref());
    }
    body
}

/// Lines of an event for another medium, cut and cleaned as those of a mail.
pub(crate) fn visible(text: &str, bytes_max: usize) -> String {
    let mut lines = String::new();
    push_cut(&mut lines, text, bytes_max, "text", None);
    lines
}

/// Adds `text`, up to `bytes_max` at a line's end, and says what is missing.
fn push_cut(body: &mut String, text: &str, bytes_max: usize, what: &str, link: Option<&str>) {
    let kept = cut_at_line(text, bytes_max);
    push_visible(body, kept);
    if kept.len() < text.len() {
        let rest = text.len() - kept.len();
        let _ = write!(body, "[{rest} of {} bytes of this {what} are left out", text.len());
        match link {
            Some(_) => body.push_str("; the whole is at the link above]\n"),
            None => body.push_str("]\n"),
        }
    }
}

/// The longest start of `text` that ends with a line and has at most `bytes_max` bytes.
pub(super) fn cut_at_line(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let head = text.as_bytes().get(..bytes_max).unwrap_or_default();
    let end = head.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
    text.get(..end).unwrap_or_default()
}

/// Adds `text` with a line break at its end. Control characters are shown as their pictures, so
/// that no terminal obeys them and no patch silently loses them.
pub(super) fn push_visible(body: &mut String, text: &str) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => body.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\0'..='\x1f' => body.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f' => body.push('\u{2421}'),
            _ if c.is_control() || turns_text(c) => body.push(char::REPLACEMENT_CHARACTER),
            _ => body.push(c),
        }
    }
    if !text.is_empty() && !body.ends_with('\n') {
        body.push('\n');
    }
}

/// RFC 3676 §4.3: what follows `-- ` is no part of the text; mail programs leave it out of answers.
fn push_footer(body: &mut String, notice: &Notice, sheet: &Sheet<'_>) {
    if notice.is_tubeposts_own() {
        body.push_str("\n-- \nYou get this mail because:\n");
        for Reason { subscription, .. } in &notice.reasons {
            let _ = writeln!(body, "  {subscription}");
        }
        return push_ways(body, sheet);
    }
    body.push_str("\n-- \nYou get this mail because you subscribed:\n");
    for Reason { subscription, pattern, .. } in &notice.reasons {
        let _ = writeln!(body, "  {subscription} (topic {pattern})");
    }
    let _ =
        writeln!(body, "Topic {}, event {}", notice.event.topic, one_line(&notice.event.id, 100));
    if notice.reasons.iter().any(|reason| reason.rule.is_none()) {
        body.push_str("To change it: [[notify.subscription]] in Tubepost's configuration.\n");
    }
    for rule in notice.reasons.iter().filter_map(|reason| reason.rule.as_deref()) {
        let _ = writeln!(body, "To change it: tubepost notify rule edit {rule}");
    }
    push_ways(body, sheet);
}

/// The way out, and to the pages.
fn push_ways(body: &mut String, sheet: &Sheet<'_>) {
    if let Some(url) = sheet.unsubscribe_url {
        let _ = writeln!(body, "To unsubscribe: {url}");
    }
    if let Some(url) = sheet.page_url {
        let _ = writeln!(body, "{url}");
    }
}

pub(super) const SUMMARY_CHARS_MAX: usize = 1000;
pub(super) const LINK_CHARS_MAX: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::sample;
    use event::Description;

    fn reason(subscription: &str, pattern: &str, rule: Option<&str>) -> Reason {
        let (subscription, pattern) = (subscription.to_owned(), pattern.to_owned());
        Reason { subscription, pattern, rule: rule.map(str::to_owned) }
    }

    fn rendered(patch_bytes_max: usize, change: impl FnOnce(&mut Description)) -> String {
        let (event, mut description) = sample();
        change(&mut description);
        let notice = Notice {
            event: event.into(),
            description: description.into(),
            more: Vec::new(),
            to: "mail:ada@example.org".parse().unwrap(),
            reasons: vec![reason("kernel", "#.git.*", None), reason("all of it", "#", Some("r7"))],
            received_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let page_url = Some("https://bus.example.org/");
        render(&notice, &Sheet { patch_bytes_max, page_url, unsubscribe_url: None })
    }

    #[test]
    fn a_whole_mail_reads_well() {
        let golden = "\
ada pushed to kernel (main): fix the scheduler

fix the scheduler

It woke the wrong task.

https://git.example.org/kernel/c/1f2e3d

diff --git a/s.c b/s.c
-\twake(a);
+\twake(b);

-- 
You get this mail because you subscribed:
  kernel (topic #.git.*)
  all of it (topic #)
Topic org.example.git.receive, event 0199d0c4-7b1e-7000-8000-00000000002a
To change it: [[notify.subscription]] in Tubepost's configuration.
To change it: tubepost notify rule edit r7
https://bus.example.org/
";
        assert_eq!(rendered(10_000, |_| {}), golden);
    }

    #[test]
    fn an_event_of_a_summary_only_is_short() {
        let body = rendered(10_000, |d| (d.text, d.link, d.patch) = (None, None, None));
        assert!(
            body.starts_with("ada pushed to kernel (main): fix the scheduler\n\n-- \n"),
            "{body}"
        );
        let body = rendered(10_000, |d| {
            (d.text, d.link, d.patch) = (Some(" \n".to_owned()), None, Some("\n".to_owned()));
        });
        assert!(
            body.starts_with("ada pushed to kernel (main): fix the scheduler\n\n-- \n"),
            "{body}"
        );
    }

    #[test]
    fn a_digest_is_by_object_and_counts_what_it_leaves_out() {
        let notice = crate::digest::tests::digest(30, |number, _, told| {
            told.summary = format!("push {number}\n-- \n");
            told.link = None;
            if number % 6 == 0 {
                told.object = Some("git/bash".to_owned());
                told.severity = event::Severity::Error;
            }
        });
        let sheet =
            Sheet { patch_bytes_max: 0, page_url: None, unsubscribe_url: Some("https://u") };
        let body = render(&notice, &sheet);
        assert!(
            body.starts_with(
                "30 events\n\ngit/bash: 5 git.receive, 5 failed\n  push 0 --\n  push 6 --\n"
            ),
            "{body}"
        );
        assert!(body.contains("\n\ngit/kernel: 25 git.receive\n  push 1 --\n"), "{body}");
        assert!(body.contains("  push 23 --\n  and 5 more\n\n-- \nYou get"), "{body}");
        assert!(body.ends_with("To unsubscribe: https://u\n"), "{body}");
    }

    #[test]
    fn patches_of_several_commits_have_headings_and_say_what_they_change() {
        let notice = crate::digest::tests::digest(3, |number, _, told| {
            told.summary = format!("push {number}\u{1b}\n-- \n");
            told.link = None;
            told.patch = Some(format!("diff --git a/x b/x\n@@ -0,0 +1 @@\n+{number}\u{7}\n"));
            if number == 1 {
                told.patch = Some(format!("diff --git a/x b/x\n{}", "+a\n".repeat(1000)));
            }
        });
        let sheet = Sheet { patch_bytes_max: 300, page_url: None, unsubscribe_url: None };
        let body = render(&notice, &sheet);
        let first = "\n\npush 0 --\n 1 file changed, 1 insertion(+)\n\n\
                     diff --git a/x b/x\n@@ -0,0 +1 @@\n+0␇\n\npush 1 --\n 1 file changed\n\n";
        assert!(body.contains(first), "{body}");
        assert!(body.contains(" of 3019 bytes of this patch are left out]\n\npush 2"), "{body}");
        let none = Sheet { patch_bytes_max: 0, ..sheet };
        assert!(!render(&notice, &none).contains("diff"));
        let two = rendered(10_000, |d| {
            d.patch = Some("commit a one\ndiff --git a b\ncommit b two\ndiff --git c d\n".into());
        });
        assert!(
            two.contains("1f2e3d\n\na one\n 1 file changed\n\ndiff --git a b\n\nb two\n"),
            "{two}"
        );
    }

    #[test]
    fn a_patch_is_cut_at_a_line_and_says_so() {
        let patch = "first line\nsecond line\nthird ö line\n";
        let body = |max| rendered(max, |d| d.patch = Some(patch.to_owned()));
        let (whole, two, none) = (body(patch.len()), body(patch.len() - 1), body(10));
        assert!(whole.contains(patch) && !whole.contains("left out"), "{whole}");
        let notice = "second line\n[14 of 37 bytes of this patch are left out; the whole is at the link above]\n";
        assert!(two.contains(notice), "{two}");
        assert!(none.contains("1f2e3d\n\n[37 of 37 bytes of this patch are left out;"), "{none}");
        // A bound in the middle of a character is no bound to fear.
        for max in 0..patch.len() {
            assert!(body(max).contains("left out"));
        }
        let body = rendered(12, |d| (d.patch, d.link) = (Some(patch.to_owned()), None));
        assert!(
            body.contains("first line\n[26 of 37 bytes of this patch are left out]\n"),
            "{body}"
        );
    }

    #[test]
    fn control_characters_of_an_event_are_shown_not_obeyed() {
        let body = rendered(1000, |d| {
            d.summary = "a\u{1b}[2Jb\nc".to_owned();
            d.text = Some("x\u{1b}]0;owned\u{7}y\r\nz\u{9b}1m\u{202e}".to_owned());
            d.patch = Some("+a\rb\0\n".to_owned());
            d.link = Some("https://x/\r\n-- \r\nfooter".to_owned());
        });
        assert!(
            body.starts_with(
                "a [2Jb c\n\nx␛]0;owned␇y\nz\u{fffd}1m\u{fffd}\n\nhttps://x/ -- footer\n"
            ),
            "{body:?}"
        );
        assert!(body.contains("+a␍b␀\n"));
        let bad = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!body.contains(bad));
    }
}
