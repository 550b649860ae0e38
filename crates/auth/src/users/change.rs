//! What changes users: created, deleted, given another password or other tags, imported, exported.

use super::Users;
use crate::{
    Credential, Error, Imported, NewUser, Secret, StoredHash, Tags, User, UserDefinition,
    UserLimits,
    hashing::Kept,
    scram::Verifiers,
    user_file::{Content, Entry},
};

impl Users {
    /// Creates a user with a password, no tags, and the run of the virtual host `/`. Takes as long
    /// as a password hash.
    ///
    /// # Errors
    /// As [`Users::create`].
    pub fn add(&self, name: &str, password: &Secret) -> Result<User, Error> {
        let new = NewUser {
            credential: Credential::Password(password.clone()),
            tags: Tags::default(),
            default_access: true,
        };
        self.create(name, &new)
    }

    /// Creates a user. With a password it takes as long as a password hash.
    ///
    /// # Errors
    /// A name or password that cannot be one, a user of that name, a file that cannot be written.
    pub fn create(&self, name: &str, new: &NewUser) -> Result<User, Error> {
        User::check_name(name)?;
        let given = self.given(&new.credential)?;
        let id = new_id()?;
        self.change(|content| match content.users.contains_key(name) {
            true => Err(Error::Exists { name: name.to_owned() }),
            false => Ok(content.insert(name, id, given, new)),
        })
    }

    /// Creates a user, or makes the one of that name so: the HTTP API's `PUT /api/users/NAME`. An
    /// existing one keeps their default access. Says whether it was created.
    ///
    /// # Errors
    /// As [`Users::create`], but for a user that is there.
    pub fn put(&self, name: &str, new: &NewUser) -> Result<bool, Error> {
        User::check_name(name)?;
        let given = self.given(&new.credential)?;
        let id = new_id()?;
        self.change(|content| match content.users.get_mut(name) {
            Some(entry) => {
                entry.give(given);
                entry.tags = new.tags.clone();
                Ok(false)
            }
            None => {
                content.insert(name, id, given, new);
                Ok(true)
            }
        })
    }

    /// A new hash of a password, for [`Credential::Hash`]. Takes as long as a password hash.
    ///
    /// # Errors
    /// It cannot be a password.
    pub fn hash_password(&self, password: &Secret) -> Result<StoredHash, Error> {
        self.hashing.hash(password)
    }

    /// Gives a user another password. Who is logged in with the old one is to go:
    /// [`Users::recheck`].
    ///
    /// # Errors
    /// As [`Users::create`], but for a user that is not there.
    pub fn set_password(&self, name: &str, password: &Secret) -> Result<(), Error> {
        let given = self.hashing.kept(password, self.options.scram)?.into();
        self.change_user(name, |entry| entry.give(given))
    }

    /// Takes a user's password away: they can log in by certificate only.
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be written.
    pub fn clear_password(&self, name: &str) -> Result<(), Error> {
        self.change_user(name, |entry| entry.give(Given::default()))
    }

    /// Gives a user these tags and no other.
    ///
    /// # Errors
    /// As [`Users::clear_password`].
    pub fn set_tags(&self, name: &str, tags: Tags) -> Result<(), Error> {
        self.change_user(name, |entry| entry.tags = tags)
    }

    /// Changes what a user may have open from now on.
    ///
    /// # Errors
    /// As [`Users::clear_password`], or the change's own.
    pub fn change_limits(
        &self,
        name: &str,
        change: impl FnOnce(&mut UserLimits) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.change(|content| match content.users.get_mut(name) {
            Some(entry) => change(&mut entry.limits),
            None => Err(Error::Unknown { name: name.to_owned() }),
        })
    }

    /// Says whether a user without a permission in the virtual host `/` may do everything there.
    ///
    /// # Errors
    /// As [`Users::clear_password`].
    pub fn set_default_access(&self, name: &str, default_access: bool) -> Result<(), Error> {
        self.change_user(name, |entry| entry.default_access = default_access)
    }

    /// Removes a user.
    ///
    /// # Errors
    /// As [`Users::clear_password`].
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        self.change(|content| match content.users.remove(name) {
            Some(_) => {
                content.departed.insert(name.to_owned());
                Ok(())
            }
            None => Err(Error::Unknown { name: name.to_owned() }),
        })
    }

    /// Says that nothing is left of what was allowed to these deleted users
    /// ([`Users::departed`]).
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget_departed(&self, names: &[String]) -> Result<(), Error> {
        self.change(|content| {
            content.departed.retain(|name| !names.contains(name));
            Ok(())
        })
    }

    /// The users that operators created, as definitions.
    pub fn export(&self) -> Vec<UserDefinition> {
        let state = self.fresh_state();
        let definition = |(name, entry): (&String, &Entry)| UserDefinition {
            name: name.clone(),
            password_hash: entry.hash.as_ref().map(StoredHash::text).unwrap_or_default(),
            hashing_algorithm: entry.hash.as_ref().map(|hash| hash.algorithm().to_owned()),
            tags: entry.tags.clone(),
            limits: entry.limits.definition(),
        };
        state.content.users.iter().map(definition).collect()
    }

    /// Creates or changes all these users, or none. Their permissions are definitions of their
    /// own, so new ones have no default access.
    ///
    /// # Errors
    /// [`Error::Import`] names the first that cannot be; or the file cannot be written.
    pub fn import(&self, definitions: &[UserDefinition]) -> Result<Imported, Error> {
        let mut users = Vec::new();
        for definition in definitions {
            let at = |source| Error::Import {
                name: definition.name.chars().take(80).collect(),
                source: Box::new(source),
            };
            let hash = User::check_name(&definition.name).and_then(|()| definition.hash());
            let limits = UserLimits::of_definition(&definition.limits).map_err(at)?;
            users.push((definition, hash.map_err(at)?, limits, new_id()?));
        }
        self.change(|content| {
            let mut imported = Imported::default();
            for (definition, hash, limits, id) in users {
                let tags = definition.tags.clone();
                if let Some(entry) = content.users.get_mut(&definition.name) {
                    entry.give(hash.into());
                    entry.tags = tags;
                    entry.limits = limits;
                    imported.updated += 1;
                } else {
                    let credential = Credential::NoPassword;
                    let new = NewUser { credential, tags, default_access: false };
                    content.insert(&definition.name, id, hash.into(), &new);
                    if let Some(entry) = content.users.get_mut(&definition.name) {
                        entry.limits = limits;
                    }
                    imported.created += 1;
                }
            }
            Ok(imported)
        })
    }

    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Content) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (result, content, stamp) = self.file.change(change)?;
        self.take(&mut self.lock(), content, stamp);
        Ok(result)
    }

    fn change_user(&self, name: &str, change: impl FnOnce(&mut Entry)) -> Result<(), Error> {
        self.change(|content| match content.users.get_mut(name) {
            Some(entry) => {
                change(entry);
                Ok(())
            }
            None => Err(Error::Unknown { name: name.to_owned() }),
        })
    }

    fn given(&self, credential: &Credential) -> Result<Given, Error> {
        match credential {
            Credential::Password(password) => {
                self.hashing.kept(password, self.options.scram).map(Given::from)
            }
            Credential::Hash(hash) => Ok(Some(hash.clone()).into()),
            Credential::NoPassword => Ok(Given::default()),
        }
    }
}

/// What a user is given to log in with.
#[derive(Default)]
struct Given {
    hash: Option<StoredHash>,
    scram: Option<Verifiers>,
}

impl From<Kept> for Given {
    fn from(kept: Kept) -> Given {
        Given { hash: Some(kept.hash), scram: kept.scram }
    }
}

/// Whoever brings a hash does not bring the password that verifiers are derived from: they are, at
/// the first login with it.
impl From<Option<StoredHash>> for Given {
    fn from(hash: Option<StoredHash>) -> Given {
        Given { hash, scram: None }
    }
}

impl Content {
    fn insert(&mut self, name: &str, id: u64, given: Given, new: &NewUser) -> User {
        let entry = Entry {
            hash: given.hash,
            scram: given.scram,
            tags: new.tags.clone(),
            default_access: new.default_access,
            limits: UserLimits::default(),
            id,
            password_number: 0,
        };
        let user = entry.user(name);
        self.users.insert(name.to_owned(), entry);
        user
    }
}

impl Entry {
    fn give(&mut self, given: Given) {
        if self.hash != given.hash {
            self.hash = given.hash;
            self.scram = given.scram;
            self.password_number = self.password_number.wrapping_add(1);
        }
    }
}

fn new_id() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::Peer;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    fn users() -> (TempDir, Users) {
        let directory = tempfile::tempdir().unwrap();
        let users = Users::open(directory.path().join("users.json")).unwrap();
        (directory, users)
    }

    #[test]
    fn users_are_added_changed_listed_and_deleted() {
        let (_directory, users) = users();
        assert!(!users.has_operator_users());
        users.add("bob", &secret("b")).unwrap();
        users.add("ada", &secret("a")).unwrap();
        assert!(matches!(users.add("ada", &secret("x")), Err(Error::Exists { .. })));
        assert_eq!(
            users.list().into_iter().map(|user| user.name).collect::<Vec<_>>(),
            ["ada", "bob"]
        );
        users.set_password("ada", &secret("new")).unwrap();
        assert!(users.verify("ada", &secret("a"), Peer::Loopback).is_err());
        assert_eq!(users.verify("ada", &secret("new"), Peer::Remote).unwrap().name, "ada");
        users.set_tags("ada", Tags::parse("administrator,ops").unwrap()).unwrap();
        assert!(users.get("ada").unwrap().tags.has("ops"));
        users.clear_password("ada").unwrap();
        assert!(users.verify("ada", &secret("new"), Peer::Remote).is_err());
        assert!(!users.get("ada").unwrap().has_password);
        users.set_default_access("ada", false).unwrap();
        assert!(!users.get("ada").unwrap().default_access);
        users.delete("ada").unwrap();
        assert!(matches!(users.delete("ada"), Err(Error::Unknown { .. })));
        assert!(matches!(users.set_password("ada", &secret("x")), Err(Error::Unknown { .. })));
        assert!(matches!(users.set_tags("ada", Tags::default()), Err(Error::Unknown { .. })));
        assert!(users.has_operator_users());
    }

    #[test]
    fn put_creates_once_and_then_changes() {
        let (_directory, users) = users();
        let new = |password: &str, tags: &str| NewUser {
            credential: Credential::Password(secret(password)),
            tags: Tags::parse(tags).unwrap(),
            default_access: false,
        };
        assert!(users.put("ada", &new("a", "monitoring")).unwrap());
        users.set_default_access("ada", true).unwrap();
        assert!(!users.put("ada", &new("b", "")).unwrap());
        let ada = users.get("ada").unwrap();
        assert!(ada.tags.is_empty() && ada.default_access);
        assert!(users.verify("ada", &secret("a"), Peer::Remote).is_err());
        assert!(users.verify("ada", &secret("b"), Peer::Remote).is_ok());
        assert!(users.put("", &new("b", "")).is_err());
    }

    #[test]
    fn what_was_exported_is_imported_elsewhere_and_the_passwords_work() {
        let ((_one, from), (_other, to)) = (users(), users());
        from.add("ada", &secret("a")).unwrap();
        from.set_tags("ada", Tags::parse("administrator").unwrap()).unwrap();
        let nobody = NewUser {
            credential: Credential::NoPassword,
            tags: Tags::default(),
            default_access: true,
        };
        from.create("ci", &nobody).unwrap();
        let text = serde_json::to_string(&from.export()).unwrap();
        let definitions: Vec<UserDefinition> = serde_json::from_str(&text).unwrap();
        assert_eq!(to.import(&definitions).unwrap(), Imported { created: 2, updated: 0 });
        assert_eq!(to.export(), from.export());
        let ada = to.verify("ada", &secret("a"), Peer::Remote).unwrap();
        assert!(ada.tags.has(Tags::ADMINISTRATOR) && !ada.default_access);
        assert!(to.vouched("ci").is_ok());
        // Once more changes nothing, so nobody is thrown out.
        let generation = to.generation();
        assert_eq!(to.import(&definitions).unwrap(), Imported { created: 0, updated: 2 });
        assert_eq!(to.generation(), generation);
    }

    #[test]
    fn an_import_is_all_or_nothing_and_names_who_cannot_be() {
        let (_directory, users) = users();
        let definitions: Vec<UserDefinition> = serde_json::from_str(
            r#"[{"name": "ada", "password_hash": "", "tags": []},
                {"name": "old", "password_hash": "BwcHBwcHBwcHBwcHBwcHBwcHBwc=",
                 "hashing_algorithm": "rabbit_password_hashing_md5", "tags": ""}]"#,
        )
        .unwrap();
        let said = users.import(&definitions).unwrap_err().to_string();
        assert!(said.contains("user 'old'") && said.contains("is MD5"), "{said}");
        assert!(users.list().is_empty());
    }
}
