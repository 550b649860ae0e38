//! What a notice says on IRC: one line with its link, of a digest a few; each cut so that the
//! server does not.

use crate::{Notice, Templates, chat_text::ChatText};

/// The lines, none of more than `bytes_max` bytes, which are more than a word's.
pub(crate) fn lines(notice: &Notice, templates: &Templates, bytes_max: usize) -> Vec<String> {
    let ChatText { title, link, lines, .. } = ChatText::by(templates, notice);
    let mut said = vec![match link {
        Some(link) => format!("{title} {link}"),
        None => title,
    }];
    // A template says as many lines as it likes; ours of a digest are of the first events.
    let all = lines.len().max(notice.more.len() + 1);
    if lines.len() > DIGEST_LINES_MAX {
        said.extend(lines.into_iter().take(DIGEST_LINES_MAX - 1));
        said.push(format!("… and {} more", all - (DIGEST_LINES_MAX - 1)));
    } else {
        said.extend(lines);
    }
    said.iter().flat_map(|line| split(&harmless(line), bytes_max)).collect()
}

/// Programs in a channel listen for lines that begin with a sign of theirs: `!op`, `.quit`.
fn harmless(line: &str) -> String {
    match line.starts_with(|c: char| c.is_alphanumeric() || "[…".contains(c)) {
        true => line.to_owned(),
        false => format!("· {line}"),
    }
}

/// A line in pieces, between words where there is one in the last quarter, never in a character.
fn split(line: &str, bytes_max: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = line;
    loop {
        let mark = if pieces.is_empty() { "" } else { CONTINUED };
        let room = bytes_max.saturating_sub(mark.len()).max(4);
        if rest.len() <= room {
            pieces.push(format!("{mark}{rest}"));
            return pieces;
        }
        let whole = rest.floor_char_boundary(room);
        let (head, _) = rest.split_at(whole);
        let end = head.rfind(' ').filter(|space| *space >= room / 4 * 3).unwrap_or(whole);
        let (piece, after) = rest.split_at(end);
        pieces.push(format!("{mark}{piece}"));
        rest = after.trim_start_matches(' ');
    }
}

const CONTINUED: &str = "… ";
const DIGEST_LINES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Matter, chat_text::notice_of};

    fn lines(notice: &Notice, bytes_max: usize) -> Vec<String> {
        super::lines(notice, &Templates::default(), bytes_max)
    }

    #[test]
    fn a_notice_is_one_line_with_its_link() {
        let said = lines(&notice_of(|_| {}), 400);
        let line = "[git] ada pushed to kernel (main): fix the scheduler \
                    https://git.example.org/kernel/c/1f2e3d";
        assert_eq!(said, [line]);
    }

    #[test]
    fn a_digest_is_a_few_lines_and_says_how_many_more() {
        let mut notice = notice_of(|_| {});
        let matter =
            Matter { event: notice.event.clone(), description: notice.description.clone() };
        notice.more = vec![matter.clone(); 99];
        let said = lines(&notice, 400);
        assert_eq!((said.len(), said[0].as_str()), (9, "100 events"));
        assert_eq!(said[8], "… and 93 more");
        notice.more = vec![matter; 7];
        assert_eq!(lines(&notice, 400).len(), 9, "eight events need nothing left out");
    }

    #[test]
    fn a_long_text_is_cut_between_words_or_characters_and_marked() {
        let said = lines(&notice_of(|d| d.summary = "ä".repeat(300)), 100);
        assert!(said.len() > 5 && said.iter().all(|line| line.len() <= 100), "{said:?}");
        assert!(said[1].starts_with("… ä"), "{said:?}");
        let whole: String = said.iter().map(|line| line.trim_start_matches("… ")).collect();
        assert_eq!(whole.matches('ä').count(), 300);
        assert_eq!(split("one two three four", 14), ["one two three", "… four"]);
        assert_eq!(split("", 14), [""]);
    }

    #[test]
    fn nothing_an_event_says_is_a_command_or_a_colour() {
        for (text, expected) in [
            ("\u{3}04,12red\u{3} \u{2}bold\u{f} \u{3}5five", "[git] red bold five"),
            ("\u{4}ff0000hex\u{1}ACTION x\u{1}", "[git] hex ACTION x"),
            ("a\r\nQUIT :x\u{0}y", "[git] a QUIT :x y"),
            ("\u{202e}!op", "[git] !op"),
        ] {
            let said = lines(
                &notice_of(|d| {
                    d.summary = text.to_owned();
                    d.link = None;
                }),
                400,
            );
            assert_eq!(said, [expected]);
        }
        let bare = lines(
            &notice_of(|d| (d.app, d.link, d.summary) = (String::new(), None, "!op eve".into())),
            400,
        );
        assert_eq!(bare, ["· !op eve"]);
    }
}
