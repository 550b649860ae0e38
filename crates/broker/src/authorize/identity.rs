//! Who wants to do something, as far as it matters to what they may.

use bytestring::ByteString;

/// Somebody who logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub name: ByteString,
    /// What they may administer.
    pub tags: Tags,
    /// They may do everything in the virtual host `/` as long as no permission there is written
    /// down for them. So it is for the services inside the server, for `guest` on this machine, and
    /// for users that an operator created without saying otherwise: nothing needs configuring to
    /// begin.
    pub default_access: bool,
}

/// The tags that mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tags {
    /// May administer everything.
    pub administrator: bool,
    /// May see everything.
    pub monitoring: bool,
    /// May set policies where they have access.
    pub policymaker: bool,
    /// May use the HTTP API for what they have access to.
    pub management: bool,
    /// May publish with another's `user-id`.
    pub impersonator: bool,
    /// Has the broker's data in hand, so that there is nothing to be kept from them: may do
    /// everything in every virtual host, whatever permissions say. No word gives it.
    pub owner: bool,
}

impl Tags {
    /// Reads RabbitMQ's words; others mean nothing here.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Tags {
        let mut tags = Tags::default();
        for word in words {
            match word {
                "administrator" => tags.administrator = true,
                "monitoring" => tags.monitoring = true,
                "policymaker" => tags.policymaker = true,
                "management" => tags.management = true,
                "impersonator" => tags.impersonator = true,
                _ => {}
            }
        }
        tags
    }

    /// RabbitMQ: `is_mgmt_user`.
    pub(super) fn may_manage(self) -> bool {
        self.administrator || self.monitoring || self.policymaker || self.management
    }

    /// RabbitMQ: `is_monitor`.
    pub(super) fn may_see_all(self) -> bool {
        self.administrator || self.monitoring
    }

    /// RabbitMQ: `is_policymaker`.
    pub(super) fn may_set_policies(self) -> bool {
        self.administrator || self.policymaker
    }
}
