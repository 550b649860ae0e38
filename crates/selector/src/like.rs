//! Patterns of `LIKE`, made ready once and then matched in one pass: what `%` separates is looked
//! for from left to right, each piece at its first place, which is never wrong and never goes back.

use std::fmt::{self, Write as _};

use crate::limits::WILD_SEGMENT_MAX;

/// A pattern: pieces with `%` between them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    first: Segment,
    /// None without any `%`: then the first piece is all of it.
    rest: Option<Rest>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rest {
    middle: Box<[Piece]>,
    last: Segment,
}

/// A piece at one of the ends.
#[derive(Debug, Clone, PartialEq)]
enum Segment {
    Exact(Box<str>),
    /// With a `_` somewhere, which is a None.
    Wild(Box<[Option<char>]>),
}

/// A piece between two `%`.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Exact(Box<str>),
    Wild(Search),
}

/// Looks for a piece with a `_` in it, all of its beginnings at once: bit `i` of the state is set
/// when the characters so far end in the piece's first `i + 1` (Baeza-Yates and Gonnet: shift-and).
#[derive(Debug, Clone, PartialEq)]
struct Search {
    piece: Box<[Option<char>]>,
    /// For each of its characters, sorted, where in the piece it may stand.
    masks: Box<[(char, u64)]>,
    /// Where any character may stand.
    any: u64,
    /// The piece's last place.
    end: u64,
}

impl Pattern {
    /// Reads a pattern; `escape` takes from the character behind it what it means, from any.
    ///
    /// # Errors
    /// What is wrong with it, and the mend.
    pub(crate) fn parse(text: &str, escape: Option<char>) -> Result<Pattern, &'static str> {
        let mut pieces = vec![Vec::new()];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let one = match c {
                c if Some(c) == escape => {
                    Some(chars.next().ok_or("ends in its escape character; double it to mean it")?)
                }
                '%' => {
                    pieces.push(Vec::new());
                    continue;
                }
                '_' => None,
                c => Some(c),
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(one);
            }
        }
        let last = pieces.pop().map(Segment::new).unwrap_or(Segment::Exact("".into()));
        if pieces.is_empty() {
            return Ok(Pattern { first: last, rest: None });
        }
        let first = Segment::new(pieces.remove(0));
        // Two `%` in a row are one.
        let middle = pieces.into_iter().filter(|piece| !piece.is_empty()).map(Piece::new);
        let middle = middle.collect::<Result<_, _>>()?;
        Ok(Pattern { first, rest: Some(Rest { middle, last }) })
    }

    /// Whether all of the text is as the pattern says.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some(mut text) = self.first.strip_prefix(text) else { return false };
        let Some(rest) = &self.rest else { return text.is_empty() };
        match rest.last.strip_suffix(text) {
            Some(middle) => text = middle,
            None => return false,
        }
        for piece in &rest.middle {
            match piece.skip_first(text) {
                Some(behind) => text = behind,
                None => return false,
            }
        }
        true
    }
}

/// The text of a piece without `_`.
fn exact(piece: &[Option<char>]) -> Option<Box<str>> {
    piece.iter().copied().collect::<Option<String>>().map(String::into_boxed_str)
}

impl Segment {
    fn new(piece: Vec<Option<char>>) -> Segment {
        exact(&piece).map_or_else(|| Segment::Wild(piece.into()), Segment::Exact)
    }

    fn strip_prefix<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Segment::Exact(piece) => text.strip_prefix(&**piece),
            Segment::Wild(piece) => {
                let mut chars = text.chars();
                let mut piece = piece.iter();
                piece
                    .all(|one| chars.next().is_some_and(|c| one.is_none_or(|one| one == c)))
                    .then_some(chars.as_str())
            }
        }
    }

    fn strip_suffix<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Segment::Exact(piece) => text.strip_suffix(&**piece),
            Segment::Wild(piece) => {
                let mut chars = text.chars();
                let mut piece = piece.iter().rev();
                piece
                    .all(|one| chars.next_back().is_some_and(|c| one.is_none_or(|one| one == c)))
                    .then_some(chars.as_str())
            }
        }
    }

    fn ones(&self) -> Box<dyn Iterator<Item = Option<char>> + '_> {
        match self {
            Segment::Exact(piece) => Box::new(piece.chars().map(Some)),
            Segment::Wild(piece) => Box::new(piece.iter().copied()),
        }
    }
}

impl Piece {
    fn new(piece: Vec<Option<char>>) -> Result<Piece, &'static str> {
        if let Some(text) = exact(&piece) {
            return Ok(Piece::Exact(text));
        }
        if piece.len() > WILD_SEGMENT_MAX {
            return Err("has more than 64 characters between two %, with a _ among them; \
                 write fewer, or % for the _");
        }
        let mut masks: Vec<(char, u64)> = Vec::new();
        let mut any = 0;
        for (at, one) in piece.iter().enumerate() {
            let bit = 1 << at;
            match one {
                None => any |= bit,
                Some(c) => match masks.binary_search_by_key(c, |(other, _)| *other) {
                    Ok(found) => masks.iter_mut().skip(found).take(1).for_each(|m| m.1 |= bit),
                    Err(place) => masks.insert(place, (*c, bit)),
                },
            }
        }
        let end = 1 << (piece.len() - 1);
        Ok(Piece::Wild(Search { piece: piece.into(), masks: masks.into(), any, end }))
    }

    /// What is behind the first place where the piece stands.
    fn skip_first<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Piece::Exact(piece) => {
                let at = text.find(&**piece)?;
                text.get(at + piece.len()..)
            }
            Piece::Wild(search) => search.skip_first(text),
        }
    }

    fn ones(&self) -> Box<dyn Iterator<Item = Option<char>> + '_> {
        match self {
            Piece::Exact(piece) => Box::new(piece.chars().map(Some)),
            Piece::Wild(search) => Box::new(search.piece.iter().copied()),
        }
    }
}

impl Search {
    fn skip_first<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut state = 0_u64;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let place = self.masks.binary_search_by_key(&c, |(other, _)| *other).ok();
            let mask = place.and_then(|place| self.masks.get(place)).map_or(0, |(_, mask)| *mask);
            state = (state << 1 | 1) & (mask | self.any);
            if state & self.end != 0 {
                return Some(chars.as_str());
            }
        }
        None
    }
}

/// What a canonical pattern escapes with, when it has to.
const ESCAPE: char = '\\';

impl Pattern {
    /// The pattern's text, and whether its wildcards are escaped by a backslash.
    pub(crate) fn text(&self) -> (String, Option<char>) {
        let parts = || {
            let (middle, last) = match &self.rest {
                Some(rest) => (&*rest.middle, Some(&rest.last)),
                None => (&[][..], None),
            };
            std::iter::once(self.first.ones())
                .chain(middle.iter().map(Piece::ones))
                .chain(last.map(Segment::ones))
        };
        let meant = |one: Option<char>| matches!(one, Some('%' | '_'));
        let escape = parts().flatten().any(meant).then_some(ESCAPE);
        let mut text = String::new();
        for (at, part) in parts().enumerate() {
            if at > 0 {
                text.push('%');
            }
            for one in part {
                if meant(one) || one.is_some() && one == escape {
                    text.push(ESCAPE);
                }
                text.push(one.unwrap_or('_'));
            }
        }
        (text, escape)
    }
}

/// Writes text as a string literal of both dialects.
pub(crate) fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('\'')?;
    for c in text.chars() {
        if c == '\'' {
            f.write_char(c)?;
        }
        f.write_char(c)?;
    }
    f.write_char('\'')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the definition, going back as often as it takes.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            (['%', pattern @ ..], text) => {
                (0..=text.len()).any(|skipped| naive(pattern, &text[skipped..]))
            }
            ([one, pattern @ ..], [c, text @ ..]) => {
                (*one == '_' || one == c) && naive(pattern, text)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matches_what_the_definition_matches(pattern in "[ab_%ü]{0,10}", text in "[abü]{0,12}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = naive(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Pattern::parse(&pattern, None).unwrap().matches(&text), expected);
        }

        #[test]
        fn is_written_as_what_is_read_the_same(pattern in r"[ab_%\\!]{0,10}") {
            let Ok(parsed) = Pattern::parse(&pattern, Some('!')) else { return Ok(()) };
            let (text, escape) = parsed.text();
            prop_assert_eq!(Pattern::parse(&text, escape), Ok(parsed));
        }
    }

    #[test]
    fn a_pattern_of_many_wildcards_takes_one_pass() {
        let text = "a".repeat(100_000);
        let sixty = "a".repeat(60);
        for pattern in
            ["%a".repeat(20_000) + "b", format!("%{sixty}_b%"), "%a_".repeat(9_000) + "%b"]
        {
            assert!(!Pattern::parse(&pattern, None).unwrap().matches(&text));
        }
        assert!(Pattern::parse(&format!("%{sixty}aaaaa_%"), None).is_err());
        assert!(
            Pattern::parse(&format!("{sixty}aaaaa_%_{sixty}aaaaa"), None).unwrap().matches(&text)
        );
    }

    #[test]
    fn an_escape_at_the_end_is_refused() {
        assert!(Pattern::parse("a!", Some('!')).is_err());
        assert!(Pattern::parse("a%%", Some('%')).unwrap().matches("a%"));
    }
}
