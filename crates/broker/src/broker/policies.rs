//! Policies: set and cleared by administrators, written down before they are in force, and in force
//! on all that is there when the call returns.

use std::sync::Arc;

use crate::{
    Broker, Error,
    ledger::Change,
    policy::{Policies, Policy, PolicyKind},
};

impl Broker {
    /// The policies and operator policies of all virtual hosts, as they are now.
    pub fn policies(&self) -> Arc<Policies> {
        self.policies.now()
    }

    /// Sets a policy or an operator policy, in place of any of its kind and name. Says whether
    /// there was one.
    ///
    /// # Errors
    /// [`crate::error::Kind::NotFound`]: no such virtual host.
    /// [`crate::error::Kind::DiskFull`].
    pub fn set_policy(&self, policy: Policy) -> Result<bool, Error> {
        let _turn = self.ledger.turn();
        let vhost = self.known_vhost(&policy.vhost)?;
        let now = self.policies.now();
        let before = now.get(policy.kind, &policy.vhost, &policy.name);
        if before == Some(&policy) {
            return Ok(true);
        }
        self.ledger.record(&[Change::Policy(policy.clone())])?;
        let replaced = self.policies.change(|policies| policies.set(policy));
        vhost.refresh_policies();
        Ok(replaced)
    }

    /// Deletes a policy or an operator policy; says whether there was one.
    ///
    /// # Errors
    /// As [`Broker::set_policy`].
    pub fn clear_policy(&self, kind: PolicyKind, vhost: &str, name: &str) -> Result<bool, Error> {
        let _turn = self.ledger.turn();
        let known = self.known_vhost(vhost)?;
        if self.policies.now().get(kind, vhost, name).is_none() {
            return Ok(false);
        }
        let change = Change::PolicyDeleted { vhost: vhost.into(), kind, name: name.into() };
        self.ledger.record(&[change])?;
        self.policies.change(|policies| policies.delete(kind, vhost, name));
        known.refresh_policies();
        Ok(true)
    }
}
