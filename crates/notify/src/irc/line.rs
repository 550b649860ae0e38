//! One line of IRC: read from whatever a server sends, and made of what may be sent. Pure.

/// A message of a server, "Modern IRC" (ircdocs) §Message Format. What is no UTF-8 is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Who says it: `nick!user@host`, or a server.
    pub(crate) source: String,
    /// A word or three digits, in capitals.
    pub(crate) command: String,
    pub(crate) params: Vec<String>,
}

impl Line {
    /// A line without its end; `None` when nothing is said in it.
    pub(crate) fn read(bytes: &[u8]) -> Option<Line> {
        let text = String::from_utf8_lossy(bytes);
        let mut rest = text.trim_matches(['\r', '\n', ' ']);
        if rest.starts_with('@') {
            rest = rest.split_once(' ')?.1.trim_start();
        }
        let mut source = "";
        if let Some(after) = rest.strip_prefix(':') {
            (source, rest) = after.split_once(' ')?;
        }
        let (command, mut rest) = word(rest)?;
        let mut params = Vec::new();
        while params.len() < PARAMS_MAX {
            rest = rest.trim_start_matches(' ');
            if let Some(last) = rest.strip_prefix(':') {
                params.push(last.to_owned());
                break;
            }
            let Some((param, after)) = word(rest) else { break };
            params.push(param.to_owned());
            rest = after;
        }
        let (source, command) = (source.to_owned(), command.to_ascii_uppercase());
        Some(Line { source, command, params })
    }

    /// A parameter; empty when there is none.
    pub(crate) fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// The last parameter: the words for a person.
    pub(crate) fn words(&self) -> &str {
        self.params.last().map_or("", String::as_str)
    }

    /// The nick of who says it.
    pub(crate) fn nick(&self) -> &str {
        self.source.split('!').next().unwrap_or_default()
    }

    /// Of a numeric, its number.
    pub(crate) fn number(&self) -> Option<u16> {
        let is_number = self.command.len() == 3 && self.command.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| self.command.parse().ok()).flatten()
    }
}

fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(' ');
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (!word.is_empty()).then_some((word, rest))
}

/// Two names are one: RFC 2812 §2.2, which takes `{}|^` for the small letters of `[]\~`.
pub(crate) fn folded(name: &str) -> String {
    let fold = |c: char| match c {
        '[' => '{',
        ']' => '}',
        '\\' => '|',
        '~' => '^',
        _ => c.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}

const PARAMS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> (String, String, Vec<String>) {
        let Line { source, command, params } = Line::read(text.as_bytes()).unwrap();
        (source, command, params)
    }

    #[test]
    fn a_line_has_a_source_a_command_and_parameters() {
        let said = line(":irc.test 401 ada nobody :No such nick: really");
        let params = ["ada", "nobody", "No such nick: really"].map(str::to_owned).to_vec();
        assert_eq!(said, ("irc.test".to_owned(), "401".to_owned(), params));
        assert_eq!(line("ping  x \r").2, ["x"]);
        assert_eq!(line("@time=x;a=b :n!u@h JOIN #c").2, ["#c"]);
        assert_eq!(line("AUTHENTICATE :+").2, ["+"]);
        let line = Line::read(b":n!u@h QUIT :").unwrap();
        assert_eq!((line.nick(), line.words(), line.number()), ("n", "", None));
        assert_eq!(Line::read(b":s 433 * ada :used").unwrap().number(), Some(433));
    }

    #[test]
    fn whatever_a_server_sends_is_a_line_or_nothing() {
        for bytes in [&b""[..], b"\r", b"   ", b":only", b"@tags", b"@t :s", b":s "] {
            assert_eq!(Line::read(bytes), None, "{bytes:?}");
        }
        let many = format!("X{}", " y".repeat(1000));
        assert_eq!(Line::read(many.as_bytes()).unwrap().params.len(), PARAMS_MAX);
        assert_eq!(Line::read(b"PING \xff\xfe").unwrap().param(0), "\u{fffd}\u{fffd}");
        assert_eq!(Line::read("4€3 x".as_bytes()).unwrap().number(), None);
    }

    #[test]
    fn names_are_the_same_as_the_protocol_has_it() {
        assert_eq!(folded("Ada[m]\\~"), "ada{m}|^");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = Line::read(&bytes);
        }
    }
}
