//! Who wants to hear of what, as the configuration file says it: a rule of one destination.

use lettre::message::Mailbox;

use crate::{
    Place,
    rule::{Condition, Outlet, Owner, Rule, When},
};

/// One subscription, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Shown to the person in every mail it causes.
    pub name: String,
    /// Where it is told.
    pub to: Mailbox,
    /// What is told.
    pub what: Condition,
}

impl Subscription {
    /// It as a rule, the `number`th of the file. Its owner is the address in its one spelling
    /// ([`crate::Place::key`]), which owns nothing else, and its destination too.
    pub(crate) fn rule(&self, number: usize) -> Rule {
        let place = Place::from(self.to.clone()).key();
        let address = place.strip_prefix("mail:").unwrap_or(&place).to_owned();
        let outlet =
            Outlet { severities: Vec::new(), to: vec![self.to.to_string()], when: When::default() };
        Rule {
            version: crate::rule::VERSION,
            id: format!("{FILE_ID}{number:06}"),
            owner: Owner::Person(address),
            name: self.name.clone(),
            enabled: true,
            what: self.what.clone(),
            outlets: vec![outlet],
        }
    }
}

/// What the ids of the file's rules begin with. A store gives none such: ids of its own are UUIDs,
/// and it refuses this beginning.
pub(crate) const FILE_ID: &str = "file.";
