//! What an operator decides of logins.

use crate::Iterations;

/// How users may log in, beside passwords and certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Keep SCRAM verifiers beside the password's hash, of so many rounds, and offer it.
    pub scram: Option<Iterations>,
    /// Whom a login without any proof is taken for; nobody if there is none.
    pub anonymous_user: Option<String>,
}
