//! What is said of a virtual host as a whole: words about it, and its limits.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use super::VirtualHost;
use crate::{
    Error,
    error::Kind,
    limits::{DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX, VHOST_TAGS_MAX},
    policy::QueueType,
    sync::{read, write},
};

/// What RabbitMQ's definitions call `metadata` of a virtual host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualHostMetadata {
    /// A sentence for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words of the operator's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The type of durable queues that name none. `None` is classic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_queue_type: Option<QueueType>,
    /// It cannot be deleted until this is taken back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub protected_from_deletion: bool,
}

/// What there may be at most in a virtual host; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct VirtualHostLimits {
    /// Connections; with 0 nobody comes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u64>,
    /// Queues; with 0 none can be declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queues: Option<u64>,
}

/// Both, as the ledger keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) metadata: VirtualHostMetadata,
    pub(crate) limits: VirtualHostLimits,
}

impl VirtualHostMetadata {
    /// Checks what an operator says.
    ///
    /// # Errors
    /// [`Kind::PreconditionFailed`]: a text is too long, or there are too many tags.
    fn check(&self) -> Result<(), Error> {
        if self.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(Error::precondition(format!(
                "the description of a virtual host has {} bytes; {DESCRIPTION_BYTES_MAX} are the \
                 most",
                self.description.len()
            )));
        }
        let too_long = self.tags.iter().any(|tag| tag.is_empty() || tag.len() > NAME_BYTES_MAX);
        if self.tags.len() > VHOST_TAGS_MAX || too_long {
            return Err(Error::precondition(format!(
                "a virtual host has at most {VHOST_TAGS_MAX} tags, each of 1 to {NAME_BYTES_MAX} \
                 bytes"
            )));
        }
        Ok(())
    }
}

/// Checks a name for a new virtual host.
fn check_name(name: &str) -> Result<(), Error> {
    let fault = match name {
        "" => "is empty",
        _ if name.len() > NAME_BYTES_MAX => "has more than 255 bytes",
        _ if name.chars().any(char::is_control) => "has a control character",
        _ => return Ok(()),
    };
    let name: String = name.chars().take(80).collect();
    Err(Error::precondition(format!("virtual host name '{}' {fault}", name.escape_debug())))
}

impl VirtualHost {
    /// Whether [`crate::Broker::create_vhost`] would take this name and these words.
    ///
    /// # Errors
    /// [`Kind::PreconditionFailed`].
    pub fn check(name: &str, metadata: &VirtualHostMetadata) -> Result<(), Error> {
        check_name(name)?;
        metadata.check()
    }

    /// What is said about it.
    pub fn metadata(&self) -> VirtualHostMetadata {
        read(&self.settings).metadata.clone()
    }

    /// Its limits.
    pub fn limits(&self) -> VirtualHostLimits {
        read(&self.settings).limits
    }

    /// The type of durable queues that name none.
    pub(super) fn default_queue_type(&self) -> QueueType {
        read(&self.settings).metadata.default_queue_type.unwrap_or_default()
    }

    pub(crate) fn settings(&self) -> Settings {
        read(&self.settings).clone()
    }

    pub(crate) fn set_settings(&self, settings: Settings) {
        *write(&self.settings) = settings;
    }

    /// Connections that are open to it.
    pub fn connections(&self) -> u64 {
        self.connections.load(SeqCst)
    }

    /// Whether one more connection may be open; `None` when the limit is reached.
    pub(crate) fn take_place(self: &Arc<Self>) -> Result<Place, u64> {
        let limit = self.limits().max_connections.unwrap_or(u64::MAX);
        let more = |open: u64| (open < limit).then_some(open + 1);
        match self.connections.fetch_update(SeqCst, SeqCst, more) {
            Ok(_) => Ok(Place(self.clone())),
            Err(_) => Err(limit),
        }
    }

    /// RabbitMQ: `check_vhost_queue_limit`.
    pub(super) fn check_queue_limit(&self, name: &ByteString) -> Result<(), Error> {
        match self.limits().max_queues {
            Some(limit) if read(&self.topology).queue_count() as u64 >= limit => {
                let vhost = &self.name;
                Err(Error::new(
                    Kind::PreconditionFailed,
                    format!(
                        "cannot declare queue '{name}': queue limit in vhost '{vhost}' ({limit}) \
                         is reached"
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// One open connection, among those that the limit counts.
#[derive(Debug)]
pub(crate) struct Place(Arc<VirtualHost>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, SeqCst);
    }
}
