//! Standard output: written as a whole line, flushed at once, coloured only for a terminal that
//! wants it (`NO_COLOR`, `CLICOLOR`, `TERM=dumb`: anstream knows them).

use std::{borrow::Cow, io::Write};

use crate::failure::Failure;

/// Writes a line and flushes it: who reads a pipe sees each line when it comes.
///
/// # Errors
/// [`Failure::NobodyReads`] when the reader is gone.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| Failure::of_output(&error))
}

/// Text of a stranger as a terminal may show it: no control characters, so no escape sequences,
/// and no marks that turn the direction of what follows.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.contains(is_unsafe) {
        true => Cow::Owned(text.replace(is_unsafe, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_cannot_command_the_terminal() {
        assert_eq!(shown("a\x1b[2Jb\u{202e}c\n"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(shown("plain ünï"), "plain ünï");
    }
}
