//! Who wants to hear of what: a rule and an address.

use lettre::message::Mailbox;

use crate::Rule;

/// One subscription, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Shown to the person in every mail it causes.
    pub name: String,
    /// Where it is told.
    pub to: Mailbox,
    /// What is told.
    pub rule: Rule,
}
