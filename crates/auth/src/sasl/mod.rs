//! A login as an exchange of messages (SASL, RFC 4422), the same for every protocol: octets of the
//! client in, a challenge or a verdict out. Knows no sockets and no frames; how a mechanism's
//! messages travel is for the protocol.
//!
//! What takes its time (a password's hash) is handed out as a [`Check`], for a thread that has it.
//!
//! ```
//! use std::sync::Arc;
//! use auth::{Peer, Users, sasl::{self, Context, Exchange, Step}};
//!
//! # let directory = tempfile::tempdir()?;
//! let users = Arc::new(Users::open(directory.path().join("users.json"))?);
//! let context = Context { users, peer: Peer::Loopback, certificate: None };
//! let offered = sasl::offered(&context);
//! let mut exchange = Exchange::start("PLAIN", &offered, context)?;
//! let mut step = exchange.step(Some(b"\0guest\0guest"));
//! if let Step::Check(check) = step {
//!     step = exchange.resume(check.run());
//! }
//! assert!(matches!(step, Step::Success(success) if success.user.name == "guest"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    Peer, Refused, Secret, User, Users,
    scram::{ClientFinal, ClientFirst, Hash},
    users::Challenged,
};

mod failure;
mod plain;

pub use crate::scram::ServerError;
pub use failure::Failure;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// The certificate that the client showed in TLS (RFC 4422, appendix A).
    External,
    /// A proof that the client knows the password (RFC 5802).
    ScramSha512,
    /// As SHA-512's (RFC 7677).
    ScramSha256,
    /// The password (RFC 4616).
    Plain,
    /// Nothing (RFC 4505).
    Anonymous,
}

impl Mechanism {
    /// All, those that show least of a password first.
    pub const ALL: [Mechanism; 5] = [
        Mechanism::External,
        Mechanism::ScramSha512,
        Mechanism::ScramSha256,
        Mechanism::Plain,
        Mechanism::Anonymous,
    ];

    /// As clients name it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::External => "EXTERNAL",
            Mechanism::ScramSha512 => Hash::Sha512.mechanism(),
            Mechanism::ScramSha256 => Hash::Sha256.mechanism(),
            Mechanism::Plain => "PLAIN",
            Mechanism::Anonymous => "ANONYMOUS",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who is asking, as far as it is known before they say anything.
#[derive(Clone)]
pub struct Context {
    /// Who they may be.
    pub users: Arc<Users>,
    /// Where they come from.
    pub peer: Peer,
    /// The name in the certificate that they showed and that was verified, or why there is none in
    /// it.
    pub certificate: Option<Result<String, String>>,
}

/// What somebody like this may log in with, the best first.
pub fn offered(context: &Context) -> Vec<Mechanism> {
    let options = context.users.options();
    let is_offered = |mechanism: &Mechanism| match mechanism {
        Mechanism::External => context.certificate.is_some(),
        Mechanism::ScramSha512 | Mechanism::ScramSha256 => options.scram.is_some(),
        Mechanism::Plain => true,
        Mechanism::Anonymous => options.anonymous_user.is_some(),
    };
    Mechanism::ALL.into_iter().filter(is_offered).collect()
}

/// What follows from a message.
#[derive(Debug)]
pub enum Step {
    /// The client is to answer this.
    Challenge(Vec<u8>),
    /// This takes its time; then [`Exchange::resume`].
    Check(Check),
    /// They are who they say.
    Success(Success),
    /// They are not, for this reason.
    Failure(Failure),
}

/// A login that was proved.
#[derive(Debug)]
pub struct Success {
    /// Whose it is.
    pub user: User,
    /// What the client is told with the outcome: that the server knows the password as well. A
    /// protocol whose outcome has no room for it sends it as a challenge, which is answered with
    /// nothing.
    pub additional_data: Option<Vec<u8>>,
}

/// One login, from the mechanism to the verdict.
pub struct Exchange {
    context: Context,
    state: State,
}

enum State {
    Begun(Mechanism),
    /// A password that another than this module has read.
    Password(Login),
    /// The built-in guest is being made ready.
    GuestAwaited(Hash, ClientFirst),
    Challenged(Box<Conversation>),
    PasswordAwaited,
    Over,
}

struct Login {
    name: String,
    password: Secret,
}

/// What was said of SCRAM so far.
struct Conversation {
    challenged: Challenged,
    client_first: ClientFirst,
    server_first: String,
    nonce: String,
}

/// What takes its time: some ten milliseconds of a core, and a wait for it. For a thread that
/// serves nobody else.
pub struct Check {
    users: Arc<Users>,
    peer: Peer,
    of: Checking,
}

enum Checking {
    Password(Login),
    Guest,
}

/// What came of a [`Check`].
pub struct Checked(Outcome);

enum Outcome {
    Verdict(Result<User, Refused>),
    Guest(Result<(), getrandom::Error>),
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

impl Check {
    /// Does it.
    pub fn run(self) -> Checked {
        Checked(match (self.of, self.users.options().scram) {
            (Checking::Password(Login { name, password }), _) => {
                Outcome::Verdict(self.users.verify(&name, &password, self.peer))
            }
            (Checking::Guest, iterations) => {
                Outcome::Guest(self.users.derive_guest(iterations.unwrap_or_default()))
            }
        })
    }
}

impl Exchange {
    /// Begins with the mechanism that the client has chosen.
    ///
    /// # Errors
    /// It is not one of those that were `offered`.
    pub fn start(
        mechanism: &str,
        offered: &[Mechanism],
        context: Context,
    ) -> Result<Exchange, Failure> {
        match offered.iter().find(|it| it.name() == mechanism) {
            Some(mechanism) => Ok(Exchange { context, state: State::Begun(*mechanism) }),
            None if mechanism == Mechanism::External.name() && context.certificate.is_none() => {
                Err(Failure::NoCertificate)
            }
            None => Err(Failure::NotOffered { mechanism: mechanism.chars().take(80).collect() }),
        }
    }

    /// Begins with a name and a password, for a protocol that has a mechanism of its own to carry
    /// them, with the first step.
    pub fn of_password(name: &str, password: &[u8], context: Context) -> (Exchange, Step) {
        let begun = match std::str::from_utf8(password) {
            Ok(password) => {
                State::Password(Login { name: name.to_owned(), password: Secret::new(password) })
            }
            Err(_) => {
                let step = Step::Failure(Failure::Password);
                return (Exchange { context, state: State::Over }, step);
            }
        };
        let mut exchange = Exchange { context, state: begun };
        let step = exchange.step(None);
        (exchange, step)
    }

    /// The client says this; `None` with the choice of mechanism only: nothing came with it.
    pub fn step(&mut self, response: Option<&[u8]>) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        if response.is_some_and(|response| response.len() > MESSAGE_BYTES_MAX) {
            return Step::Failure(Failure::TooLong);
        }
        match (state, response) {
            (State::Begun(Mechanism::External), response) => {
                self.external(response.unwrap_or_default()).into()
            }
            (State::Begun(Mechanism::Anonymous), response) => {
                self.anonymous(response.unwrap_or_default()).into()
            }
            // RFC 4422 §4.3: nothing to say, so that the client does.
            (State::Begun(mechanism), None) => {
                self.state = State::Begun(mechanism);
                Step::Challenge(Vec::new())
            }
            (State::Begun(Mechanism::Plain), Some(response)) => match plain::login(response) {
                Ok(login) => self.password(login),
                Err(failure) => Step::Failure(failure),
            },
            (State::Begun(Mechanism::ScramSha256), Some(response)) => {
                self.client_first(Hash::Sha256, response)
            }
            (State::Begun(Mechanism::ScramSha512), Some(response)) => {
                self.client_first(Hash::Sha512, response)
            }
            (State::Password(login), _) => self.password(login),
            (State::Challenged(conversation), Some(response)) => {
                self.client_final(*conversation, response).into()
            }
            (
                State::Challenged(_)
                | State::GuestAwaited(..)
                | State::PasswordAwaited
                | State::Over,
                _,
            ) => Step::Failure(Failure::OutOfTurn),
        }
    }

    /// Goes on with what came of a check.
    pub fn resume(&mut self, checked: Checked) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (state, checked.0) {
            (State::PasswordAwaited, Outcome::Verdict(verdict)) => {
                verdict.map(Success::of).map_err(Failure::from).into()
            }
            (State::GuestAwaited(hash, first), Outcome::Guest(Ok(()))) => {
                self.challenge(hash, first)
            }
            (_, Outcome::Guest(Err(error))) => Step::Failure(Failure::Random(error)),
            _ => Step::Failure(Failure::OutOfTurn),
        }
    }

    fn external(&self, response: &[u8]) -> Result<Success, Failure> {
        let name = match &self.context.certificate {
            Some(Ok(name)) => name,
            Some(Err(reason)) => return Err(Failure::Nameless { reason: reason.clone() }),
            None => return Err(Failure::NoCertificate),
        };
        if !response.is_empty() && response != name.as_bytes() {
            return Err(Failure::acting(name, &String::from_utf8_lossy(response)));
        }
        Ok(Success::of(self.context.users.vouched(name)?))
    }

    // RFC 4505: what the response says is a trace, of an address for example, that nobody checks.
    fn anonymous(&self, trace: &[u8]) -> Result<Success, Failure> {
        let is_trace =
            std::str::from_utf8(trace).is_ok_and(|trace| trace.chars().count() <= TRACE_CHARS_MAX);
        let mechanism = Mechanism::Anonymous;
        let Some(name) = &self.context.users.options().anonymous_user else {
            return Err(Failure::NotOffered { mechanism: mechanism.to_string() });
        };
        match is_trace {
            true => Ok(Success::of(self.context.users.vouched(name)?)),
            false => Err(Failure::Malformed {
                mechanism,
                problem: "the trace is not UTF-8 of at most 255 characters",
                error: None,
            }),
        }
    }

    fn password(&mut self, login: Login) -> Step {
        let Context { users, peer, .. } = &self.context;
        if let Some(verdict) = users.verify_at_once(&login.name, &login.password, *peer) {
            return verdict.map(Success::of).map_err(Failure::from).into();
        }
        self.state = State::PasswordAwaited;
        self.check(Checking::Password(login))
    }

    fn check(&self, of: Checking) -> Step {
        Step::Check(Check { users: self.context.users.clone(), peer: self.context.peer, of })
    }

    fn client_first(&mut self, hash: Hash, response: &[u8]) -> Step {
        let first = match ClientFirst::parse(response) {
            Ok(first) => first,
            Err(fault) => return Step::Failure(Failure::scram(hash, fault)),
        };
        match &first.authorize_as {
            Some(other) if *other != first.name => {
                Step::Failure(Failure::acting(&first.name, other))
            }
            _ => self.challenge(hash, first),
        }
    }

    fn challenge(&mut self, hash: Hash, first: ClientFirst) -> Step {
        let mut nonce = [0; NONCE_BYTES];
        if let Err(error) = getrandom::fill(&mut nonce) {
            return Step::Failure(Failure::Random(error));
        }
        self.challenge_with(hash, first, &BASE64_STANDARD.encode(nonce))
    }

    fn challenge_with(&mut self, hash: Hash, first: ClientFirst, nonce: &str) -> Step {
        let Context { users, peer, .. } = &self.context;
        let iterations = users.options().scram.unwrap_or_default();
        let challenged = match users.scram_challenge(&first.name, hash, iterations, *peer) {
            Some(Ok(challenged)) => challenged,
            Some(Err(refused)) => return Step::Failure(refused.into()),
            None => {
                self.state = State::GuestAwaited(hash, first);
                return self.check(Checking::Guest);
            }
        };
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = BASE64_STANDARD.encode(challenged.verifier.salt());
        let server_first = format!("r={nonce},s={salt},i={}", challenged.verifier.iterations());
        let challenge = server_first.clone().into_bytes();
        let conversation = Conversation { challenged, client_first: first, server_first, nonce };
        self.state = State::Challenged(Box::new(conversation));
        Step::Challenge(challenge)
    }

    fn client_final(&self, said: Conversation, response: &[u8]) -> Result<Success, Failure> {
        let Conversation { challenged, client_first, server_first, nonce } = said;
        let hash = challenged.hash();
        let last = ClientFinal::parse(response).map_err(|fault| Failure::scram(hash, fault))?;
        let wrong =
            |problem, error| Err(Failure::scram(hash, crate::scram::Fault { problem, error }));
        if last.channel_binding != client_first.gs2_header.as_bytes() {
            return wrong(
                "the GS2 header is another than in the first message",
                ServerError::ChannelBindingsDontMatch,
            );
        }
        // An old proof, or another connection's.
        if last.nonce != nonce {
            return wrong("the nonce is not of this exchange", ServerError::OtherError);
        }
        let auth_message = format!("{},{server_first},{}", client_first.bare, last.without_proof);
        let signature = challenged.verifier.signature(auth_message.as_bytes());
        let Context { users, peer, .. } = &self.context;
        let user = users
            .scram_verdict(challenged, auth_message.as_bytes(), &last.proof, *peer)
            .map_err(|refused| Failure::Proof { refused })?;
        let told = format!("v={}", BASE64_STANDARD.encode(signature));
        Ok(Success { user, additional_data: Some(told.into_bytes()) })
    }
}

impl Success {
    fn of(user: User) -> Success {
        Success { user, additional_data: None }
    }
}

impl From<Result<Success, Failure>> for Step {
    fn from(verdict: Result<Success, Failure>) -> Step {
        match verdict {
            Ok(success) => Step::Success(success),
            Err(failure) => Step::Failure(failure),
        }
    }
}

/// Bytes of a message: a name, a password of the longest, and something over.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Random bytes of a challenge.
const NONCE_BYTES: usize = 24;

/// RFC 4505 §2.
const TRACE_CHARS_MAX: usize = 255;

#[cfg(test)]
mod tests;
