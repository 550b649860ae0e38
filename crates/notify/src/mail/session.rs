//! One connection to the mail server, and the transaction of one mail on it.
//!
//! The commands are sent one by one, so that it is known who was refused: the sender (a setting is
//! wrong, everybody waits), the recipient, or the mail. Reply codes are compared exactly: a server
//! whose answers have slipped by one must not make "go on" look like "taken".

use std::{fmt, time::Duration};

use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Rcpt, Rset},
        extension::{Extension, MailBodyParameter, MailParameter},
        response::Response,
    },
};
use tokio::time::timeout;

use crate::Failure;

/// A connection after greeting, TLS and login.
pub(crate) struct Session {
    connection: AsyncSmtpConnection,
    /// `mail server HOST:PORT`.
    at: String,
    sender: String,
    timeout: Duration,
}

/// Why a mail was not sent.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Who has to wait.
    pub(crate) failure: Failure,
    /// The server answered to this mail before it failed.
    pub(crate) begun: bool,
    /// The connection can take the next mail.
    pub(crate) usable: bool,
}

impl Session {
    pub(crate) fn new(
        connection: AsyncSmtpConnection,
        at: String,
        sender: String,
        timeout: Duration,
    ) -> Session {
        Session { connection, at, sender, timeout }
    }

    /// Hands one mail over. `Ok` after the server's 250 to the whole of it.
    ///
    /// # Errors
    /// [`Stop`].
    pub(crate) async fn send(&mut self, envelope: &Envelope, text: &[u8]) -> Result<(), Stop> {
        let mut options = Vec::new();
        let ascii = |address: &Address| <Address as AsRef<str>>::as_ref(address).is_ascii();
        if !envelope.from().into_iter().chain(envelope.to()).all(ascii) {
            if !self.connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let reason =
                    format!("{}: an address is not ASCII and the server has no SMTPUTF8", self.at);
                return Err(Stop { failure: Failure::Refused(reason), begun: true, usable: true });
            }
            options.push(MailParameter::SmtpUtfEight);
            // Such an address stands in the header as it is. A server with SMTPUTF8 has 8BITMIME
            // (RFC 6531 §3.1); everything else we write is ASCII.
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let mail = Mail::new(envelope.from().cloned(), options).to_string();
        self.step(Step::Mail, 250, mail.as_bytes()).await?;
        for recipient in envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new()).to_string();
            self.step(Step::Recipient, 250, recipient.as_bytes()).await?;
        }
        self.step(Step::Data, 354, Data.to_string().as_bytes()).await?;
        self.step(Step::Message, 250, text).await
    }

    /// Says goodbye, without waiting long for the answer.
    pub(crate) async fn quit(mut self) {
        let _ = timeout(QUIT_MAX, self.connection.abort()).await;
    }

    /// Sends a command, or the message, and judges the answer.
    async fn step(&mut self, step: Step, expected: u16, sent: &[u8]) -> Result<(), Stop> {
        let wait = match step {
            // RFC 5321 §4.5.3.2.6: the server may be delivering it. To give up early here means
            // to send it twice.
            Step::Message => self.timeout.saturating_mul(10),
            _ => self.timeout,
        };
        let answering = async {
            match step {
                Step::Message => self.connection.message(sent).await,
                _ => self.connection.command(String::from_utf8_lossy(sent)).await,
            }
        };
        let (code, reason) = match timeout(wait, answering).await {
            Err(_) => (None, format!("no answer to {step} within {} s", wait.as_secs_f32())),
            Ok(Ok(response)) if matches_code(&response, step, expected) => return Ok(()),
            Ok(Ok(response)) => (None, format!("unexpected answer {} to {step}", response.code())),
            Ok(Err(error)) => (error.status().map(u16::from), format!("{step} failed: {error}")),
        };
        Err(self.stop(step, code, &reason).await)
    }

    async fn stop(&mut self, step: Step, code: Option<u16>, reason: &str) -> Stop {
        let failure = judge(step, code, &self.at, &self.sender, reason);
        let begun = step != Step::Mail || matches!(code, Some(code) if code != 421);
        let usable = matches!(code, Some(code) if code != 421) && self.reset().await;
        Stop { failure, begun, usable }
    }

    /// Ends the transaction that failed, so that the next can begin.
    async fn reset(&mut self) -> bool {
        matches!(timeout(self.timeout, self.connection.command(Rset)).await, Ok(Ok(_)))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.at).finish()
    }
}

/// Where in the transaction of a mail we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Mail,
    Recipient,
    Data,
    Message,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Mail => "the sender (MAIL)",
            Step::Recipient => "the recipient (RCPT)",
            Step::Data => "DATA",
            Step::Message => "the mail itself",
        })
    }
}

fn matches_code(response: &Response, step: Step, expected: u16) -> bool {
    let code = u16::from(response.code());
    // RFC 5321 §3.3: 251 and 252 are also yes to a recipient.
    code == expected || (step == Step::Recipient && matches!(code, 251 | 252))
}

/// Who has to wait. `code` is `None` when there was no answer, or none that makes sense.
fn judge(step: Step, code: Option<u16>, at: &str, sender: &str, reason: &str) -> Failure {
    let reason = format!("{at}: {reason}");
    match (step, code) {
        // RFC 5321 §3.8: the service is closing, or wants a login or TLS first (RFC 4954 §6).
        (_, Some(421)) => Failure::Away(reason),
        (_, Some(530 | 538)) => {
            Failure::Away(format!("{reason}; check notify.mail.user, password and tls"))
        }
        (Step::Mail, Some(500..)) => {
            Failure::Away(format!("{reason}; check notify.mail.from ({sender})"))
        }
        (Step::Mail, _) => Failure::Away(reason),
        // RFC 5321 §3.3: no such mailbox, or it takes nothing from us.
        (Step::Recipient, Some(500..)) => Failure::Bounced(reason),
        (_, Some(500..)) => Failure::Refused(reason),
        // Lost after the server took the sender: it may be this mail that breaks it, so only this
        // address waits. If the server is gone, the next connection will say so.
        (_, _) => Failure::Deferred(reason),
    }
}

/// How long a server may take to say goodbye.
const QUIT_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_depends_on_what_was_refused() {
        use Step::{Data, Mail, Message, Recipient};
        fn kind(step: Step, code: Option<u16>) -> &'static str {
            match judge(step, code, "mail server x:25", "a@b.org", "no") {
                Failure::Away(_) => "away",
                Failure::Deferred(_) => "deferred",
                Failure::Refused(_) => "refused",
                Failure::Bounced(_) => "bounced",
            }
        }
        for (step, code, expected) in [
            (Mail, None, "away"),
            (Mail, Some(451), "away"),
            (Mail, Some(553), "away"),
            (Recipient, Some(421), "away"),
            (Recipient, Some(530), "away"),
            (Recipient, Some(450), "deferred"),
            (Recipient, Some(550), "bounced"),
            (Recipient, None, "deferred"),
            (Data, Some(451), "deferred"),
            (Data, Some(554), "refused"),
            (Message, Some(552), "refused"),
            (Message, Some(452), "deferred"),
            (Message, None, "deferred"),
        ] {
            assert_eq!(kind(step, code), expected, "{step:?} {code:?}");
        }
    }
}
