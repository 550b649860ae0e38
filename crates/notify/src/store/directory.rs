//! Who is in which group, as the store has it, for who asks once: no rule is read for it.

use super::{Error, Group, Store, all, one};
use crate::rule::{Directory, Maintainers};

impl Store {
    /// Groups and maintainers as they are now.
    ///
    /// # Errors
    /// The database's; [`Error::Kept`] when one cannot be read any more.
    pub fn directory(&self) -> Result<Directory, Error> {
        self.read(|session| {
            let mut directory = Directory::default();
            let groups = all::<Group>(session, "SELECT body, name FROM people_group")?;
            for (name, group) in groups {
                directory.set_group(&name, &group.members);
            }
            let packages = all::<Maintainers>(session, "SELECT body, package FROM maintainers")?;
            for (package, maintainers) in packages {
                directory.set_maintainers(&package, maintainers);
            }
            Ok(directory)
        })
    }

    /// A group; `None` when nobody is in it.
    ///
    /// # Errors
    /// As [`Store::directory`].
    pub fn group(&self, name: &str) -> Result<Option<Group>, Error> {
        self.read(|session| one(session, "SELECT body FROM people_group WHERE name = $1", name))
    }
}
