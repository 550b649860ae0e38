//! The beginning of a connection, without the socket: capabilities, SASL (IRCv3 sasl-3.1), a nick
//! that is free, and the welcome. Lines in, lines out.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Login, line::Line};
use crate::mail::one_line;

/// One beginning.
#[derive(Debug)]
pub(crate) struct Registration<'a> {
    login: &'a Login,
    nick: &'a str,
    nicks_tried: u16,
    capabilities: String,
    logged_in: bool,
}

/// What a line of the server leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Say these, and wait.
    Say(Vec<String>),
    /// The server welcomed a nick: the one that was asked for, or what it made of it.
    Welcome(String),
    /// It will not: why, and the mend.
    Refused(String),
}

impl<'a> Registration<'a> {
    /// The first lines.
    pub(crate) fn begin(login: &'a Login, nick: &'a str) -> (Registration<'a>, Vec<String>) {
        let mut lines = Vec::new();
        if *login != Login::None {
            lines.push("CAP LS 302".to_owned());
        }
        lines.push(format!("NICK {nick}"));
        lines.push(format!("USER {USER} 0 * :Tubepost"));
        let capabilities = String::new();
        let logged_in = false;
        (Registration { login, nick, nicks_tried: 0, capabilities, logged_in }, lines)
    }

    /// What a line of the server leads to.
    pub(crate) fn hear(&mut self, line: &Line) -> Step {
        let nothing = Step::Say(Vec::new());
        match (line.command.as_str(), line.number()) {
            ("PING", _) => Step::Say(vec![format!("PONG :{}", line.words())]),
            ("CAP", _) => self.capability(line),
            ("AUTHENTICATE", _) => self.authenticate(line.param(0)),
            ("ERROR", _) => Step::Refused(self.said("the server ended the connection", line)),
            (_, Some(1)) if self.must_log_in() => {
                Step::Refused(format!("the server knows no SASL; {}", self.mend()))
            }
            (_, Some(1)) => Step::Welcome(line.param(0).to_owned()),
            // RFC 2812 §5.2: in use, collision, held back.
            (_, Some(433 | 436 | 437)) => self.another_nick(line),
            (_, Some(432 | 431 | 468)) => {
                Step::Refused(self.said("the nick is refused", line) + "; check notify.irc.nick")
            }
            (_, Some(903 | 907)) => {
                self.logged_in = true;
                Step::Say(vec!["CAP END".to_owned()])
            }
            (_, Some(902 | 904 | 905 | 906 | 908)) => Step::Refused(format!(
                "{}; {}",
                self.said("the login is refused", line),
                self.mend()
            )),
            (_, Some(421)) if line.param(1).eq_ignore_ascii_case("CAP") => {
                Step::Refused(format!("the server knows no SASL; {}", self.mend()))
            }
            (_, Some(451)) => nothing,
            (_, Some(461..=465 | 484 | 691)) => {
                Step::Refused(self.said("the server refuses", line))
            }
            _ => nothing,
        }
    }

    fn must_log_in(&self) -> bool {
        *self.login != Login::None && !self.logged_in
    }

    /// `CAP * LS * :some of them`, `CAP * LS :the last of them`, `CAP nick ACK :sasl`.
    fn capability(&mut self, line: &Line) -> Step {
        match line.param(1).to_ascii_uppercase().as_str() {
            "LS" => {
                if self.capabilities.len() < CAPABILITIES_BYTES_MAX {
                    self.capabilities.push_str(line.words());
                    self.capabilities.push(' ');
                }
                if line.params.len() > 3 {
                    return Step::Say(Vec::new());
                }
                match offers(&self.capabilities, self.login.mechanism()) {
                    true => Step::Say(vec!["CAP REQ :sasl".to_owned()]),
                    false => Step::Refused(format!(
                        "the server offers no SASL {}; {}",
                        self.login.mechanism(),
                        self.mend()
                    )),
                }
            }
            "ACK" => Step::Say(vec![format!("AUTHENTICATE {}", self.login.mechanism())]),
            "NAK" => Step::Refused(format!("the server refuses SASL; {}", self.mend())),
            _ => Step::Say(Vec::new()),
        }
    }

    fn authenticate(&self, challenge: &str) -> Step {
        if challenge != "+" {
            return Step::Refused("the server's challenge is none of this mechanism".to_owned());
        }
        match self.login {
            Login::Plain { account, password } => {
                // RFC 4616 §2: no authorization identity.
                let text = STANDARD.encode(format!("\0{account}\0{}", password.expose()));
                Step::Say(in_pieces(&text))
            }
            Login::External | Login::None => Step::Say(vec!["AUTHENTICATE +".to_owned()]),
        }
    }

    fn another_nick(&mut self, line: &Line) -> Step {
        self.nicks_tried += 1;
        match self.nicks_tried {
            tried @ 1..=NICKS_MAX => {
                let tail = match tried {
                    1 | 2 => "_".repeat(tried.into()),
                    // A server that cuts nicks leaves no room for the last of it.
                    _ => format!("{}", tried - 2),
                };
                let head = self.nick.len().min(NICK_BYTES_SAFE.saturating_sub(tail.len()));
                let head = self.nick.get(..head).unwrap_or(self.nick);
                Step::Say(vec![format!("NICK {head}{tail}")])
            }
            _ => Step::Refused(self.said("every nick is in use", line) + "; check notify.irc.nick"),
        }
    }

    fn mend(&self) -> &'static str {
        match self.login {
            Login::Plain { .. } => "check notify.irc.account and password_file",
            Login::External | Login::None => {
                "check notify.irc.certificate_file, and that the account knows its fingerprint"
            }
        }
    }

    fn said(&self, what: &str, line: &Line) -> String {
        format!("{what}: {}", one_line(line.words(), WORDS_CHARS_MAX))
    }
}

/// Whether `sasl` is there, with the mechanism if it names any.
fn offers(capabilities: &str, mechanism: &str) -> bool {
    capabilities.split(' ').any(|one| match one.split_once('=') {
        Some(("sasl", mechanisms)) => mechanisms.split(',').any(|name| name == mechanism),
        _ => one == "sasl",
    })
}

/// 400 bytes a line; the last has less, so that it is known for the last.
fn in_pieces(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .as_bytes()
        .chunks(PIECE_BYTES)
        .map(|piece| format!("AUTHENTICATE {}", String::from_utf8_lossy(piece)))
        .collect();
    if text.len().is_multiple_of(PIECE_BYTES) {
        lines.push("AUTHENTICATE +".to_owned());
    }
    lines
}

const USER: &str = "tubepost";
const PIECE_BYTES: usize = 400;
const CAPABILITIES_BYTES_MAX: usize = 16 * 1024;
const NICKS_MAX: u16 = 9;
/// Nine letters are allowed everywhere (RFC 2812 §1.2.1), thirty nearly so.
const NICK_BYTES_SAFE: usize = 30;
pub(super) const WORDS_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(registration: &mut Registration<'_>, text: &str) -> Step {
        registration.hear(&Line::read(text.as_bytes()).unwrap())
    }

    fn say(lines: &[&str]) -> Step {
        Step::Say(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    fn plain() -> Login {
        Login::Plain { account: "tubepost".to_owned(), password: "s3cret".to_owned().into() }
    }

    #[test]
    fn without_a_login_a_nick_is_all_it_takes() {
        let (mut registration, lines) = Registration::begin(&Login::None, "bot");
        assert_eq!(lines, ["NICK bot", "USER tubepost 0 * :Tubepost"]);
        assert_eq!(hear(&mut registration, "PING :x y"), say(&["PONG :x y"]));
        assert_eq!(hear(&mut registration, ":s NOTICE * :*** Looking up"), say(&[]));
        let welcome = hear(&mut registration, ":s 001 bot :Welcome");
        assert_eq!(welcome, Step::Welcome("bot".to_owned()));
    }

    #[test]
    fn a_password_goes_by_sasl_and_never_without_it() {
        let login = plain();
        let (mut registration, lines) = Registration::begin(&login, "bot");
        assert_eq!(lines[0], "CAP LS 302");
        assert_eq!(hear(&mut registration, ":s CAP * LS * :a sasl=EXTERNAL,PLAIN"), say(&[]));
        assert_eq!(hear(&mut registration, ":s CAP * LS :b c"), say(&["CAP REQ :sasl"]));
        assert_eq!(hear(&mut registration, ":s CAP bot ACK :sasl"), say(&["AUTHENTICATE PLAIN"]));
        let secret = STANDARD.encode("\0tubepost\0s3cret");
        let step = hear(&mut registration, "AUTHENTICATE :+");
        assert_eq!(step, say(&[&format!("AUTHENTICATE {secret}")]));
        assert_eq!(hear(&mut registration, ":s 903 bot :ok"), say(&["CAP END"]));
        assert!(matches!(hear(&mut registration, ":s 001 bot_ :hi"), Step::Welcome(_)));

        for said in [
            ":s 001 bot :Welcome",
            ":s 421 bot CAP :Unknown command",
            ":s CAP * LS :multi-prefix sasl=EXTERNAL",
            ":s CAP * LS :saslx",
            ":s CAP * NAK :sasl",
            ":s 904 bot :SASL authentication failed",
            "ERROR :Closing link",
            "AUTHENTICATE abc",
        ] {
            let (mut registration, _) = Registration::begin(&login, "bot");
            let Step::Refused(why) = hear(&mut registration, said) else { panic!("{said}") };
            assert!(!why.contains("s3cret"), "{why}");
        }
    }

    #[test]
    fn a_certificate_is_the_login_when_it_says_so() {
        let (mut registration, _) = Registration::begin(&Login::External, "bot");
        assert_eq!(hear(&mut registration, ":s CAP * LS :sasl"), say(&["CAP REQ :sasl"]));
        hear(&mut registration, ":s CAP bot ACK :sasl");
        assert_eq!(hear(&mut registration, "AUTHENTICATE +"), say(&["AUTHENTICATE +"]));
    }

    #[test]
    fn a_nick_in_use_is_changed_and_not_for_ever() {
        let (mut registration, _) = Registration::begin(&Login::None, "bot");
        let taken = ":s 433 * bot :Nickname is already in use";
        assert_eq!(hear(&mut registration, taken), say(&["NICK bot_"]));
        assert_eq!(hear(&mut registration, taken), say(&["NICK bot__"]));
        for _ in 2..NICKS_MAX {
            assert!(matches!(hear(&mut registration, taken), Step::Say(_)));
        }
        let Step::Refused(why) = hear(&mut registration, taken) else { panic!() };
        assert!(why.contains("notify.irc.nick"), "{why}");
    }

    #[test]
    fn a_long_secret_is_said_in_pieces() {
        let lengths = |bytes: usize| {
            let pieces = in_pieces(&"x".repeat(bytes));
            pieces.iter().map(|piece| piece.len() - 13).collect::<Vec<_>>()
        };
        assert_eq!(lengths(10), [10]);
        assert_eq!(lengths(400), [400, 1]);
        assert_eq!(lengths(900), [400, 400, 100]);
    }
}
