//! PLAIN: the password as it is (RFC 4616).

use super::{Failure, Login, Mechanism};
use crate::Secret;

/// Reads `[authzid] NUL authcid NUL passwd`. What is wrong is said without the response.
pub(super) fn login(response: &[u8]) -> Result<Login, Failure> {
    let malformed =
        |problem| Failure::Malformed { mechanism: Mechanism::Plain, problem, error: None };
    let mut parts = response.split(|octet| *octet == 0);
    let (Some(authorize_as), Some(name), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("expected two NULs, around the user's name"));
    };
    let text =
        |octets| std::str::from_utf8(octets).map_err(|_| malformed("a user's name is not UTF-8"));
    let (authorize_as, name) = (text(authorize_as)?, text(name)?);
    let password = std::str::from_utf8(password).map_err(|_| Failure::Password)?;
    if !authorize_as.is_empty() && authorize_as != name {
        return Err(Failure::acting(name, authorize_as));
    }
    Ok(Login { name: name.to_owned(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password_are_read() {
        for response in [b"\0guest\0pass word".as_slice(), b"guest\0guest\0pass word"] {
            let login = login(response).ok().unwrap();
            assert_eq!((&*login.name, login.password.expose()), ("guest", "pass word"));
        }
    }

    #[test]
    fn a_malformed_response_is_refused_without_being_quoted() {
        for response in [
            b"".as_slice(),
            b"hunter2",
            b"\0hunter2",
            b"\0guest\0hunter2\0",
            b"\0\xff\0hunter2",
            b"\xff\0guest\0hunter2",
            b"\0guest\0hunter2\xff",
            b"root\0guest\0hunter2",
        ] {
            let failure = login(response).err().unwrap();
            assert!(!format!("{failure} {failure:?}").contains("hunter2"), "{failure}");
        }
    }
}
