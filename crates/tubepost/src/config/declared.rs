//! What an option declares of itself: flag, key, variable, default, help and an example, side by
//! side; and the check that turns its text into a value.

use super::settings::Settings;

/// An option of type `T`.
pub(crate) struct Declared<T> {
    /// Everything that does not depend on the type.
    pub(crate) declaration: Declaration,
    /// Checks the text. The fault reads behind the quoted text: `is not an address: expected …`.
    pub(crate) parse: fn(&str) -> Result<T, String>,
}

/// An option, whatever its type.
pub(crate) struct Declaration {
    /// Dotted TOML key.
    pub(crate) key: &'static str,
    /// Long flag without dashes; `None` for secrets, which would show in the process list.
    pub(crate) flag: Option<&'static str>,
    /// Environment variable.
    pub(crate) variable: &'static str,
    /// What stands for the value in help: `HOST:PORT`.
    pub(crate) value: &'static str,
    /// What holds when nobody says anything.
    pub(crate) default: Fallback,
    /// One sentence.
    pub(crate) help: &'static str,
    /// A value someone could write.
    pub(crate) example: &'static str,
    /// What of it must not be shown.
    pub(crate) mask: Mask,
    /// The commands that take the flag.
    pub(crate) verbs: &'static [Verb],
}

/// An option, whatever its type, as lists of options hold it.
pub(crate) trait AnyDeclared: Sync {
    /// What it declares.
    fn declaration(&self) -> &Declaration;
    /// Whether the text is a value of it.
    fn check(&self, text: &str) -> Result<(), String>;
}

impl<T> AnyDeclared for Declared<T> {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn check(&self, text: &str) -> Result<(), String> {
        (self.parse)(text).map(drop)
    }
}

/// Options that belong together in help and listings.
pub(crate) struct Group {
    /// The heading.
    pub(crate) title: &'static str,
    /// In the order they are shown.
    pub(crate) options: &'static [&'static dyn AnyDeclared],
}

/// What holds when an option is not set.
pub(crate) enum Fallback {
    /// This text.
    Text(&'static str),
    /// Nothing, which means what is said here.
    Unset(&'static str),
    /// Computed from the surroundings, as said here.
    Derived(fn(&Settings) -> Option<String>, &'static str),
}

/// How much of a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mask {
    /// All.
    Nothing,
    /// Nothing of it.
    Whole,
    /// A URL without its password.
    UrlPassword,
}

impl Mask {
    /// The text as it may be shown.
    pub(crate) fn apply(self, text: &str) -> String {
        match self {
            Mask::Nothing => text.to_owned(),
            Mask::Whole => MASKED.to_owned(),
            Mask::UrlPassword => mask_url_password(text),
        }
    }
}

/// The commands that options belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `tubepost serve`
    Serve,
    /// `tubepost config`
    Config,
    /// `tubepost user …`
    User,
    /// `tubepost journal check`
    JournalCheck,
    /// `tubepost vhost`, `queue` and the others that use the management API
    Management,
    /// `tubepost publish`
    Publish,
    /// `tubepost tail`
    Tail,
    /// `tubepost desktop`
    Desktop,
    /// `tubepost on`
    On,
    /// `tubepost agent`
    Agent,
    /// `tubepost notify …`
    Notify,
    /// `tubepost verify`
    Verify,
    /// `tubepost event render`
    EventRender,
    /// `tubepost schema check` and `test`
    Schema,
    /// `tubepost hook git install` and `run`
    HookGit,
}

// The password ends at the last '@' before the path: a password may hold an '@' that nobody
// escaped, and what is not understood is masked rather than shown.
fn mask_url_password(text: &str) -> String {
    let Some(scheme_end) = text.find("://").map(|at| at + 3) else { return text.to_owned() };
    let (scheme, rest) = text.split_at(scheme_end);
    let Some(at) = rest.rfind('@') else { return text.to_owned() };
    let (login, host) = rest.split_at(at);
    match login.split_once(':') {
        Some((user, _)) => format!("{scheme}{user}:{MASKED}{host}"),
        None => text.to_owned(),
    }
}

const MASKED: &str = "********";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("amqp://ada:s3cret@host/v", "amqp://ada:********@host/v"),
            ("amqp://ada:s@3:c/ret@host", "amqp://ada:********@host"),
            ("amqp://ada@host", "amqp://ada@host"),
            ("amqp://host:5672/", "amqp://host:5672/"),
        ] {
            assert_eq!(Mask::UrlPassword.apply(url), shown);
        }
        assert_eq!(Mask::Whole.apply("hunter2"), "********");
    }
}
