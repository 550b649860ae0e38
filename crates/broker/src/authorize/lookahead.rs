//! Looks ahead at the very beginning of a pattern. RabbitMQ's users write `^(?!amq\.).*` for "all
//! but the system's own", which an engine of linear time cannot know; taken off the front, each is
//! a pattern of its own that must fit, or must not, at the beginning.

/// One look ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lookahead<'a> {
    /// What is looked for at the beginning.
    pub(super) inner: &'a str,
    /// Whether it must be there, `(?=…)`, or must not, `(?!…)`.
    pub(super) wanted: bool,
}

/// Splits `^(?!a)(?=b)rest` into its looks and `rest`, which then is to be searched from the
/// beginning. Without looks there, or with an alternative beside them (`^(?!a)b|c`), there is
/// nothing to split.
pub(super) fn split(pattern: &str) -> Option<(Vec<Lookahead<'_>>, &str)> {
    let mut rest = pattern.strip_prefix('^')?;
    let mut looks = Vec::new();
    loop {
        let wanted = match rest.get(..3) {
            Some("(?!") => false,
            Some("(?=") => true,
            _ => break,
        };
        let end = group_end(rest)?;
        looks.push(Lookahead { inner: rest.get(3..end)?, wanted });
        rest = rest.get(end + 1..)?;
    }
    // A count behind a look would belong to it.
    let counted = rest.starts_with(['*', '+', '?', '{']);
    (!looks.is_empty() && !counted && !has_alternatives(rest)).then_some((looks, rest))
}

/// Where the group ends that `text` begins with.
fn group_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in outside_classes(text) {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn has_alternatives(text: &str) -> bool {
    let mut depth = 0_usize;
    outside_classes(text).any(|(_, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '|' && depth == 0
    })
}

/// The characters that are neither escaped nor in a class `[…]`.
fn outside_classes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut escaped, mut class) = (false, None::<usize>);
    text.char_indices().filter(move |&(at, c)| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match (class, c) {
            (_, '\\') => {
                escaped = true;
                false
            }
            (None, '[') => {
                class = Some(at);
                false
            }
            // "[]" and "[^]" begin with a bracket that is one of the class.
            (Some(begun), ']') => {
                let first = text.get(begun + 1..at).is_some_and(|it| it.is_empty() || it == "^");
                class = class.filter(|_| first);
                false
            }
            (class, _) => class.is_none(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_the_beginning_are_taken_off() {
        let look = |inner, wanted| Lookahead { inner, wanted };
        for (pattern, looks, rest) in [
            (r"^(?!amq\.).*", vec![look(r"amq\.", false)], ".*"),
            ("^(?!a|(b)|c)x", vec![look("a|(b)|c", false)], "x"),
            ("^(?!a)(?=b)(c|d)$", vec![look("a", false), look("b", true)], "(c|d)$"),
            (r"^(?![)(]|\))", vec![look(r"[)(]|\)", false)], ""),
            ("^(?!a)[|]", vec![look("a", false)], "[|]"),
            ("^(?![]|])x", vec![look("[]|]", false)], "x"),
        ] {
            assert_eq!(split(pattern), Some((looks, rest)), "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_taken_off_stays() {
        for pattern in
            ["", "^a", "(?!a)b", "^(?!a)b|c", "^(?!a", "^(?!a)*b", "^(?<!a)b", "a(?!b)", "^|(?!a)"]
        {
            assert_eq!(split(pattern), None, "{pattern}");
        }
    }
}
