//! What somebody may see and change: their own; of a group, its owners may change it and its
//! members see it; operators all of it, and that is logged. The one place where that is decided.

use notify::{
    rule::Owner,
    store::{Group, Store},
};

use super::{call::Call, refusal::Refusal};

/// What somebody wants to do with what is an owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    See,
    Change,
}

impl Call {
    /// The owner of the address, if who asks may do that.
    ///
    /// # Errors
    /// They may not; what is asked for and is not there is told from it by nobody.
    pub(crate) fn authorized(&self, store: &Store, act: Act) -> Result<Owner, Refusal> {
        let owner = self.owner()?;
        self.authorize(store, &owner, act)?;
        Ok(owner)
    }

    /// Whether who asks may do that with what is this owner's.
    ///
    /// # Errors
    /// As [`Call::authorized`].
    pub(crate) fn authorize(&self, store: &Store, owner: &Owner, act: Act) -> Result<(), Refusal> {
        let account = &self.visitor.account;
        let is_theirs = match owner {
            Owner::Person(name) => *name == account.name,
            Owner::Group(name) => {
                let group = store.group(name)?.unwrap_or_default();
                let is_in = |names: &[String]| names.contains(&account.name);
                is_in(&group.owners) || (act == Act::See && is_in(&group.members))
            }
        };
        if is_theirs {
            return Ok(());
        }
        if !account.operator {
            return Err(Refusal::forbidden(format!("This is {owner}'s; {}", mend(owner))));
        }
        tracing::info!(operator = account.name, %owner, ?act, "an operator acts for somebody else");
        Ok(())
    }

    /// Whether who asks is an operator; it is logged.
    ///
    /// # Errors
    /// They are not.
    pub(crate) fn operator(&self, what: &str) -> Result<(), Refusal> {
        let account = &self.visitor.account;
        if !account.operator {
            return Err(Refusal::forbidden("This is for operators (tag administrator)."));
        }
        tracing::info!(operator = account.name, what, "an operator looks at what is others'");
        Ok(())
    }

    /// The groups that who asks owns or is in, by name; an operator's: all there are.
    pub(crate) fn groups(&self, store: &Store) -> Result<Vec<(String, Group)>, Refusal> {
        let account = &self.visitor.account;
        let mut groups = store.groups()?;
        let is_in = |names: &[String]| names.contains(&account.name);
        groups
            .retain(|(_, group)| account.operator || is_in(&group.owners) || is_in(&group.members));
        Ok(groups)
    }
}

fn mend(owner: &Owner) -> &'static str {
    match owner {
        Owner::Person(_) => "sign in as them, or ask an operator.",
        Owner::Group(_) => "ask one of the group's owners, or an operator.",
    }
}
