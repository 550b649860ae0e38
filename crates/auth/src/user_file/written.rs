//! The users file as it is written: JSON of either format.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{Content, Entry, FORMAT, FORMAT_WITH_SCRAM};
use crate::{Tags, UserLimits, scram::Verifiers, stored_hash::StoredHash};

#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) format: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content1 {
    #[serde(rename = "format")]
    _format: u32,
    users: Vec<User1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User1 {
    name: String,
    password_hash: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content2 {
    format: u32,
    users: Vec<User2>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    departed: BTreeSet<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scram_secret: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct User2 {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hashing_algorithm: Option<String>,
    /// As RFC 5803 has them: of SHA-256, of SHA-512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scram: Option<[String; 2]>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    default_access: bool,
    #[serde(default, skip_serializing_if = "UserLimits::is_none")]
    limits: UserLimits,
    /// In hex: JSON's numbers end at 2⁵³.
    id: String,
    password_number: u32,
}

impl TryFrom<Content1> for Content {
    type Error = String;

    fn try_from(written: Content1) -> Result<Content, String> {
        let mut users = BTreeMap::new();
        for User1 { name, password_hash } in written.users {
            let hash = StoredHash::parse(&password_hash, Some("argon2id"))
                .map_err(|error| format!("user '{name}': {error}"))?;
            let entry = Entry {
                hash: Some(hash),
                scram: None,
                tags: Tags::default(),
                default_access: true,
                limits: UserLimits::default(),
                id: 0,
                password_number: 0,
            };
            users.insert(name, entry);
        }
        Ok(Content { users, ..Content::default() })
    }
}

impl TryFrom<Content2> for Content {
    type Error = String;

    fn try_from(written: Content2) -> Result<Content, String> {
        let mut users = BTreeMap::new();
        for user in written.users {
            let name = user.name;
            let hash = user
                .password_hash
                .map(|text| StoredHash::parse(&text, user.hashing_algorithm.as_deref()))
                .transpose()
                .map_err(|error| format!("user '{name}': {error}"))?;
            let scram = match user.scram {
                None => None,
                Some(texts) => Some(Verifiers::parse(&texts).ok_or_else(|| {
                    format!("user '{name}': scram is not what RFC 5803 has for it")
                })?),
            };
            let id = u64::from_str_radix(&user.id, 16)
                .map_err(|_| format!("user '{name}': id '{}' is not a number in hex", user.id))?;
            let entry = Entry {
                hash,
                scram,
                tags: user.tags,
                default_access: user.default_access,
                limits: user.limits,
                id,
                password_number: user.password_number,
            };
            users.insert(name, entry);
        }
        let secret = |code: String| BASE64_STANDARD.decode(code).ok()?.try_into().ok();
        let scram_secret = match written.scram_secret {
            None => None,
            Some(code) => Some(secret(code).ok_or("scram_secret is not 32 bytes in base64")?),
        };
        Ok(Content { users, departed: written.departed, scram_secret })
    }
}

impl From<&Content> for Content2 {
    fn from(content: &Content) -> Content2 {
        let user = |(name, entry): (&String, &Entry)| User2 {
            name: name.clone(),
            password_hash: entry.hash.as_ref().map(StoredHash::text),
            hashing_algorithm: entry.hash.as_ref().map(|hash| hash.algorithm().to_owned()),
            scram: entry.scram.as_ref().map(Verifiers::texts),
            tags: entry.tags.clone(),
            default_access: entry.default_access,
            limits: entry.limits,
            id: format!("{:x}", entry.id),
            password_number: entry.password_number,
        };
        Content2 {
            format: if content.has_scram() { FORMAT_WITH_SCRAM } else { FORMAT },
            users: content.users.iter().map(user).collect(),
            departed: content.departed.clone(),
            scram_secret: content.scram_secret.map(|secret| BASE64_STANDARD.encode(secret)),
        }
    }
}
