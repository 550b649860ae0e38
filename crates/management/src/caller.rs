//! Who makes a request.

use std::fs;

use broker::{
    ConnectionId,
    authorize::{Identity, Tags},
};
use rustix::process::{Uid, getuid};

/// Somebody who logged in, or opened the socket.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    /// All their tags, as `whoami` shows them.
    pub(crate) tags: Vec<String>,
    /// What stands for a connection: an exclusive queue is none of its.
    pub(crate) connection: ConnectionId,
}

impl Caller {
    pub(crate) fn of_user(user: &auth::User, connection: ConnectionId) -> Caller {
        let tags = user.tags.iter().map(str::to_owned).collect();
        Caller { identity: server::identity(user), tags, connection }
    }

    /// Whoever could open the socket owns the data directory: nothing can be kept from them.
    pub(crate) fn owner(connection: ConnectionId) -> Caller {
        let tags = Tags { administrator: true, owner: true, ..Tags::default() };
        let identity = Identity { name: process_user().into(), tags, default_access: true };
        Caller { identity, tags: vec!["administrator".to_owned()], connection }
    }
}

/// The name of the user that this process runs as; `uid 1000` where it has none.
fn process_user() -> String {
    let uid = getuid();
    let known = fs::read_to_string("/etc/passwd").ok();
    known.and_then(|known| name_of(uid, &known)).unwrap_or_else(|| format!("uid {}", uid.as_raw()))
}

/// passwd(5): name, password, number.
fn name_of(uid: Uid, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(uid.as_raw())).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_has_the_name_of_the_processs_user() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nbroken\n";
        assert_eq!(name_of(Uid::from_raw(1000), passwd).as_deref(), Some("ada"));
        assert_eq!(name_of(Uid::from_raw(7), passwd), None);
        let owner = Caller::owner(ConnectionId(1));
        assert!(owner.identity.tags.owner && owner.identity.tags.administrator);
    }
}
