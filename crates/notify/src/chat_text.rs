//! What a notice says in a chat: a few plain lines, bounded, without anything that a medium would
//! obey. How a medium marks text is for the medium.

use std::{borrow::Cow, sync::Arc};

use event::{Description, Event};
use url::Url;

use crate::{
    Kind, Notice, Templates,
    mail::{one_line, turns_text},
};

/// The lines of a notice. No control characters but the line breaks of `text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChatText {
    /// `[git] ada pushed to kernel`; of a digest, how many events it has.
    pub(crate) title: String,
    /// More lines, 1,000 characters at most; maybe empty.
    pub(crate) text: String,
    /// Where to read more: http or https.
    pub(crate) link: Option<Url>,
    /// In a digest, each event; at the end how many are left out.
    pub(crate) lines: Vec<String>,
}

impl ChatText {
    /// Those of a notice, in the operator's words where there are any.
    pub(crate) fn by(templates: &Templates, notice: &Notice) -> ChatText {
        let kind = notice.to.kind();
        let Some(said) = templates.say_in_chat(kind, notice) else { return ChatText::of(notice) };
        let said = said.trim();
        let (title, text) = said.split_once('\n').unwrap_or((said, ""));
        let title = one_line(&without_colours(title), SUMMARY_CHARS_MAX);
        if title.is_empty() {
            return ChatText::of(notice);
        }
        let text = cut(&lines(text));
        // On IRC each of them is a message.
        let (text, lines) = match kind {
            Kind::Irc => {
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                (String::new(), lines.map(str::to_owned).collect())
            }
            _ => (text, Vec::new()),
        };
        ChatText { link: link(notice), title, text, lines }
    }

    /// Those of a notice.
    pub(crate) fn of(notice: &Notice) -> ChatText {
        if notice.is_digest() {
            return digest(notice);
        }
        let description = &notice.description;
        ChatText {
            title: summary(description),
            text: cut(&lines(description.text.as_deref().unwrap_or_default())),
            link: link(notice),
            lines: Vec::new(),
        }
    }
}

/// Of a digest there is none.
fn link(notice: &Notice) -> Option<Url> {
    let link = notice.description.link.as_deref().filter(|_| !notice.is_digest());
    link.and_then(web_link)
}

fn digest(notice: &Notice) -> ChatText {
    let count = notice.more.len() + 1;
    let said = |(_, description): (&Arc<Event>, &Arc<Description>)| summary(description);
    let mut lines: Vec<String> = notice.matters().take(DIGEST_LINES_MAX).map(said).collect();
    if count > lines.len() {
        lines.push(format!("… and {} more", count - lines.len()));
    }
    ChatText { title: format!("{count} events"), text: String::new(), link: None, lines }
}

fn summary(description: &Description) -> String {
    let app = one_line(&description.app, 40);
    let summary = one_line(&without_colours(&description.summary), SUMMARY_CHARS_MAX);
    match app.is_empty() {
        true => summary,
        false => format!("[{app}] {summary}"),
    }
}

/// Without the colours of IRC: their control characters go with the rest, but not their numbers.
/// `\x03` has fore and background of two digits, `\x04` of six ("IRC Formatting", ircdocs).
fn without_colours(text: &str) -> Cow<'_, str> {
    if !text.contains(['\u{3}', '\u{4}']) {
        return text.into();
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{3}', '\u{4}']) {
        kept.push_str(&rest[..at]);
        let (digits_max, radix) = if rest[at..].starts_with('\u{3}') { (2, 10) } else { (6, 16) };
        rest = &rest[at + 1..];
        let digits =
            |text: &str| text.chars().take(digits_max).take_while(|c| c.is_digit(radix)).count();
        let fore = digits(rest);
        rest = &rest[fore..];
        if let Some(back) = rest.strip_prefix(',').filter(|back| fore > 0 && digits(back) > 0) {
            rest = &back[digits(back)..];
        }
    }
    kept.push_str(rest);
    kept.into()
}

/// An address that a program may be told to open, and nothing else: no `javascript:`, no `file:`.
pub(crate) fn web_link(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (is_web && url.as_str().len() <= LINK_BYTES_MAX).then_some(url)
}

/// Line breaks stay; control characters and what turns text round go.
fn lines(text: &str) -> String {
    let kept = |c: &char| *c == '\n' || !(c.is_control() || turns_text(*c));
    text.replace("\r\n", "\n").replace('\t', "    ").chars().filter(kept).collect()
}

fn cut(text: &str) -> String {
    let text = text.trim_matches('\n');
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

const SUMMARY_CHARS_MAX: usize = 300;
const TEXT_CHARS_MAX: usize = 1000;
const LINK_BYTES_MAX: usize = 1000;
const DIGEST_LINES_MAX: usize = 20;

#[cfg(test)]
pub(crate) fn notice_of(change: impl FnOnce(&mut Description)) -> Notice {
    let (event, mut description) = crate::notice::sample();
    change(&mut description);
    Notice {
        event: event.into(),
        description: description.into(),
        more: Vec::new(),
        to: "irc:ada".parse().unwrap(),
        reasons: vec![crate::Reason {
            subscription: "mine".to_owned(),
            pattern: "#".to_owned(),
            rule: None,
        }],
        received_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matter;

    #[test]
    fn a_notice_is_a_title_some_lines_and_a_link() {
        let said = ChatText::of(&notice_of(|_| {}));
        assert_eq!(said.title, "[git] ada pushed to kernel (main): fix the scheduler");
        assert_eq!(said.text, "fix the scheduler\n\nIt woke the wrong task.");
        assert_eq!(said.link.unwrap().as_str(), "https://git.example.org/kernel/c/1f2e3d");
    }

    #[test]
    fn what_an_event_says_is_bounded_and_obeyed_by_nothing() {
        let said = ChatText::of(&notice_of(|d| {
            d.summary = format!("a\r\nQUIT\u{1b}[31m\u{202e}{}", "x".repeat(10_000));
            d.text = Some(format!("\u{7}one\r\ntwo\u{0}\u{9b}{}", "ä".repeat(10_000)));
            d.app = "g\nit".to_owned();
            d.link = Some("javascript:alert(1)".to_owned());
        }));
        assert!(said.title.starts_with("[g it] a QUIT [31mxxx"), "{}", said.title);
        assert!(said.title.chars().count() < 350 && said.text.chars().count() <= 1001);
        assert!(said.text.starts_with("one\ntwoä"), "{}", said.text);
        let shown = |c: char| c == '\n' || !c.is_control();
        assert!(said.title.chars().chain(said.text.chars()).all(shown));
        assert_eq!(said.link, None);
        for link in ["file:///etc/passwd", "data:text/html,x", "//x", "", "https://"] {
            assert_eq!(web_link(link), None, "{link}");
        }
        assert_eq!(
            web_link("https://x.org/a b<c>\n").unwrap().as_str(),
            "https://x.org/a%20b%3Cc%3E"
        );
    }

    #[test]
    fn a_digest_says_how_many_and_the_first_of_them() {
        let mut notice = notice_of(|_| {});
        let matter = Matter {
            event: Arc::clone(&notice.event),
            description: Arc::clone(&notice.description),
        };
        notice.more = vec![matter; 99];
        let said = ChatText::of(&notice);
        assert_eq!((said.title.as_str(), said.lines.len()), ("100 events", 21));
        assert_eq!(said.lines.last().unwrap(), "… and 80 more");
    }
}
