//! Users as RabbitMQ's definitions and HTTP API write them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Secret, StoredHash, Tags, user::GUEST};

/// One user of a definitions file. Fields that RabbitMQ adds and that mean nothing here are
/// ignored when read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserDefinition {
    /// The name.
    pub name: String,
    /// Base64 of RabbitMQ's salt and hash, or an argon2id hash; empty when the user has no
    /// password.
    #[serde(default)]
    pub password_hash: String,
    /// What the hash is: `rabbit_password_hashing_sha256`, `…_sha512`, or `argon2id`, which
    /// RabbitMQ does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashing_algorithm: Option<String>,
    /// The tags; also read as a text with commas.
    #[serde(default)]
    pub tags: Tags,
    /// Limits of connections and channels ([`crate::UserLimits`]).
    #[serde(default)]
    pub limits: Map<String, Value>,
}

impl UserDefinition {
    /// Whether this is RabbitMQ's `guest` with the password `guest`, as every RabbitMQ has it for
    /// its own machine. Imported as any other user it could log in from everywhere.
    pub fn is_default_guest(&self) -> bool {
        self.name == GUEST
            && matches!(self.hash(), Ok(Some(hash)) if hash.is_salted_of(&Secret::new(GUEST)))
    }

    /// The hash; `None` without a password.
    ///
    /// # Errors
    /// As [`StoredHash::parse`].
    pub(crate) fn hash(&self) -> Result<Option<StoredHash>, Error> {
        match &*self.password_hash {
            "" => Ok(None),
            text => StoredHash::parse(text, self.hashing_algorithm.as_deref()).map(Some),
        }
    }
}

/// What a user proves to be them with.
#[derive(Clone)]
pub enum Credential {
    /// This password.
    Password(Secret),
    /// The password that this is the hash of.
    Hash(StoredHash),
    /// No password: another than they vouches for them, a certificate for example.
    NoPassword,
}

/// A user to be.
#[derive(Clone)]
pub struct NewUser {
    /// What they log in with.
    pub credential: Credential,
    /// What they may administer.
    pub tags: Tags,
    /// They may do everything in the virtual host `/` until a permission there says otherwise.
    pub default_access: bool,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Users that were not there before.
    pub created: usize,
    /// Users that were there, changed or not.
    pub updated: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RabbitMQ 3.13 exports it.
    const EXPORTED: &str = r#"{
        "name": "ada",
        "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["administrator"],
        "limits": {"max-connections": 5}
    }"#;

    #[test]
    fn what_rabbitmq_exported_is_read_and_written_the_same() {
        let definition: UserDefinition = serde_json::from_str(EXPORTED).unwrap();
        assert!(definition.hash().unwrap().is_some());
        let written = serde_json::to_value(&definition).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(EXPORTED).unwrap());
    }

    #[test]
    fn the_guest_that_every_rabbitmq_has_is_known_by_name_and_password() {
        // RabbitMQ: base64(salt ‖ SHA-256(salt ‖ "guest")).
        let text = r#"{"name": "guest", "tags": "administrator",
                       "password_hash": "AAAAAPEoQ8a3jY6DABRiJzkoKooQbXiBp2iGLke7d+FVKzJx"}"#;
        let guest: UserDefinition = serde_json::from_str(text).unwrap();
        assert!(guest.is_default_guest());
        assert!(!UserDefinition { name: "ada".to_owned(), ..guest.clone() }.is_default_guest());
        let other = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR".to_owned();
        assert!(!UserDefinition { password_hash: other, ..guest }.is_default_guest());
    }

    #[test]
    fn a_user_without_password_has_an_empty_hash() {
        let definition: UserDefinition =
            serde_json::from_str(r#"{"name": "c", "password_hash": "", "tags": ""}"#).unwrap();
        assert_eq!(definition.hash().unwrap(), None);
        assert!(definition.tags.is_empty());
    }
}
