//! Cuts a text into tokens. Knows words, not what they name.

use crate::{
    Dialect, Error,
    limits::FOUND_MAX,
    number::{self, Number},
    spelling,
};

/// One token, and the octets it takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lexeme<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'a> {
    Keyword(Keyword),
    /// An identifier without delimiters.
    Word(&'a str),
    /// An identifier with them, without them.
    Delimited(String),
    String(String),
    Number(Number),
    Symbol(Symbol),
    End,
}

macro_rules! keywords {
    ($($keyword:ident = $text:literal),* $(,)?) => {
        /// Words of the language, whatever their case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Keyword {
            $($keyword,)*
        }

        /// The keyword that a word is.
        pub(crate) fn keyword(word: &str) -> Option<Keyword> {
            $(if word.eq_ignore_ascii_case($text) {
                return Some(Keyword::$keyword);
            })*
            None
        }
    };
}

keywords! {
    And = "AND", Between = "BETWEEN", Escape = "ESCAPE", False = "FALSE", In = "IN", Is = "IS",
    Like = "LIKE", Not = "NOT", Null = "NULL", Or = "OR", True = "TRUE",
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Symbol {
    Opens,
    Closes,
    Comma,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer ones first.
const SYMBOLS: [(&str, Symbol); 15] = [
    ("<>", Symbol::NotEqual),
    ("!=", Symbol::NotEqual),
    ("<=", Symbol::LessOrEqual),
    (">=", Symbol::GreaterOrEqual),
    ("(", Symbol::Opens),
    (")", Symbol::Closes),
    (",", Symbol::Comma),
    ("+", Symbol::Plus),
    ("-", Symbol::Minus),
    ("*", Symbol::Star),
    ("/", Symbol::Slash),
    ("%", Symbol::Percent),
    ("=", Symbol::Equal),
    ("<", Symbol::Less),
    (">", Symbol::Greater),
];

/// JMS 2.0 §3.8.1.1: Java's letters begin an identifier.
pub(crate) fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | '$')
}

/// Dots are for Qpid's names and for RabbitMQ's sections.
pub(crate) fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '.')
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    /// The next token; at the end, the end again and again.
    ///
    /// # Errors
    /// What begins here is no token.
    pub(crate) fn next(&mut self) -> Result<Lexeme<'a>, Error> {
        let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c');
        let trimmed = self.rest().trim_start_matches(space);
        let start = self.text.len() - trimmed.len();
        self.at = start;
        let token = match trimmed.chars().next() {
            None => Token::End,
            Some('\'') => Token::String(self.delimited('\'', '\'')?),
            Some('"') if self.dialect == Dialect::AmqpSql => {
                Token::String(self.delimited('"', '"')?)
            }
            Some('"') => Token::Delimited(self.delimited('"', '"')?),
            Some('[') if self.dialect == Dialect::AmqpSql => {
                Token::Delimited(self.delimited('[', ']')?)
            }
            Some(c) if is_word_start(c) => self.word(trimmed),
            Some(c) if c.is_ascii_digit() => self.number(trimmed)?,
            Some('.') if trimmed.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => {
                self.number(trimmed)?
            }
            Some(c) => match SYMBOLS.iter().find(|(symbol, _)| trimmed.starts_with(symbol)) {
                Some((text, symbol)) => {
                    self.at += text.len();
                    Token::Symbol(*symbol)
                }
                None => return Err(self.no_token(c)),
            },
        };
        Ok(Lexeme { token, start, end: self.at })
    }

    /// The column of an octet, and what stands from there on, for an error.
    pub(crate) fn describe(&self, start: usize, end: usize) -> (usize, String) {
        let found = self.text(start, end);
        let found = match found.char_indices().nth(FOUND_MAX) {
            _ if found.is_empty() => "the end".to_owned(),
            Some((cut, _)) => format!("{}…", found.get(..cut).unwrap_or_default()),
            None => found.to_owned(),
        };
        // It goes into logs and onto terminals.
        (self.column(start), found.replace(char::is_control, " "))
    }

    /// What a lexeme was cut from.
    pub(crate) fn text(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(crate) fn column(&self, start: usize) -> usize {
        self.text.get(..start).unwrap_or_default().chars().count() + 1
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn word(&mut self, trimmed: &'a str) -> Token<'a> {
        let mut length = trimmed.find(|c| !is_word_part(c)).unwrap_or(trimmed.len());
        let (word, _) = trimmed.split_at(length);
        if self.dialect == Dialect::AmqpSql
            && let Some((section, field)) = word.split_once('.')
        {
            let field_at = length - field.len();
            let rest = trimmed.get(field_at..).unwrap_or_default();
            if let Some(hyphenated) = spelling::hyphenated(section, rest) {
                length = field_at + hyphenated;
            }
        }
        self.at += length;
        let (word, _) = trimmed.split_at(length);
        keyword(word).map_or(Token::Word(word), Token::Keyword)
    }

    fn number(&mut self, trimmed: &'a str) -> Result<Token<'a>, Error> {
        let start = self.at;
        let length = number::length(trimmed);
        self.at += length;
        let (text, _) = trimmed.split_at(length);
        number::parse(text, self.dialect).map(Token::Number).map_err(|reason| {
            let (column, text) = self.describe(start, self.at);
            Error::Number { column, text, reason }
        })
    }

    /// What is between two delimiters, in which a doubled delimiter is one of it.
    fn delimited(&mut self, opens: char, closes: char) -> Result<String, Error> {
        let start = self.at;
        let mut content = String::new();
        let mut chars = self.rest().char_indices().peekable();
        chars.next();
        while let Some((at, c)) = chars.next() {
            let doubled = chars.peek().is_some_and(|(_, next)| *next == c);
            match c {
                c if (c == closes || c == opens) && doubled => {
                    chars.next();
                    content.push(c);
                }
                c if c == closes => {
                    self.at = start + at + c.len_utf8();
                    return Ok(content);
                }
                // A lone `[` within brackets (RabbitMQ).
                c if c == opens => {
                    let (column, found) = self.describe(start + at, start + at + 1);
                    let expected = "']', or '[[' for a bracket of the name";
                    let mend = "double every bracket of the name";
                    return Err(Error::Unexpected { column, found, expected, mend });
                }
                c => content.push(c),
            }
        }
        Err(Error::Unclosed { column: self.column(start), opens })
    }

    fn no_token(&self, c: char) -> Error {
        let (column, found) = self.describe(self.at, self.at + c.len_utf8());
        let mend = match (c, self.dialect) {
            ('!', _) => "write NOT, or <> for what is not equal",
            ('&', _) => "write AND",
            ('|', _) => "write OR",
            ('[' | ']', Dialect::Jms) => "put unusual names in double quotes: \"my-name\"",
            ('‘' | '’' | '`', _) => "put text in single quotes: 'text'",
            _ => "take it out, or put it in quotes",
        };
        Error::Unexpected { column, found, expected: "a value or an operator", mend }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, dialect: Dialect) -> Vec<Token<'_>> {
        let mut lexer = Lexer::new(text, dialect);
        let mut tokens = Vec::new();
        loop {
            match lexer.next().unwrap().token {
                Token::End => return tokens,
                token => tokens.push(token),
            }
        }
    }

    #[test]
    fn words_numbers_and_symbols_need_no_space_between_them() {
        use Token::{Keyword as K, Symbol as S, Word as W};

        assert_eq!(
            tokens("a<=-b.c*.5 nOt\t$x_1", Dialect::Jms),
            [
                W("a"),
                S(Symbol::LessOrEqual),
                S(Symbol::Minus),
                W("b.c"),
                S(Symbol::Star),
                Token::Number(Number::Float(0.5)),
                K(Keyword::Not),
                W("$x_1"),
            ]
        );
        assert_eq!(tokens("p.reply-to-p.to", Dialect::AmqpSql)[0], W("p.reply-to"));
    }

    #[test]
    fn delimiters_are_doubled_within() {
        let string = |text: &str| Token::String(text.to_owned());
        let name = |text: &str| Token::Delimited(text.to_owned());
        assert_eq!(tokens("'it''s'''", Dialect::Jms), [string("it's'")]);
        assert_eq!(tokens(r#""a ""b"" ü""#, Dialect::Jms), [name(r#"a "b" ü"#)]);
        assert_eq!(tokens(r#""a""b'""#, Dialect::AmqpSql), [string(r#"a"b'"#)]);
        for (text, expected) in [
            ("[]", ""),
            ("[[[ key ]]]", "[ key ]"),
            ("[]]]", "]"),
            ("[]][[]", "]["),
            ("[🥕]", "🥕"),
        ] {
            assert_eq!(tokens(text, Dialect::AmqpSql), [name(expected)], "{text}");
        }
    }
}
