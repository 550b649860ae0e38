//! How much an event matters, with fedora-messaging's numbers.

use std::{fmt, str::FromStr};

/// fedora-messaging: header `fedora_messaging_severity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Severity {
    /// 10: for those who look for a fault.
    Debug = 10,
    /// 20: the ordinary.
    #[default]
    Info = 20,
    /// 30: somebody may have to act.
    Warning = 30,
    /// 40: somebody has to act.
    Error = 40,
}

impl Severity {
    /// The number on the wire: 10, 20, 30 or 40.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The severity of a number on the wire.
    pub fn from_number(number: i64) -> Option<Severity> {
        [Severity::Debug, Severity::Info, Severity::Warning, Severity::Error]
            .into_iter()
            .find(|severity| i64::from(severity.number()) == number)
    }

    /// The name: `debug`, `info`, `warning`, `error`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Severity, String> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Severity::Debug),
            "info" => Ok(Severity::Info),
            "warning" => Ok(Severity::Warning),
            "error" => Ok(Severity::Error),
            _ => Err(format!("'{text}' is not a severity: debug, info, warning or error")),
        }
    }
}
