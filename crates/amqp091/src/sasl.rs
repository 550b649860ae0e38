//! What a client's login response says: the two mechanisms that carry a password. It reads them and
//! judges nobody.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Error, FieldTable, FieldValue, Secret, fault::Fault};

/// Who wants in, and with what password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user to act as, when PLAIN names one; it is for the server to refuse one that is not
    /// `user`.
    pub authorize_as: Option<ByteString>,
    /// The user who logs in.
    pub user: ByteString,
    /// The password.
    pub password: Secret,
}

/// Reads PLAIN: `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
///
/// # Errors
/// 502 when there are not exactly two NULs or a name is not UTF-8. The error says nothing of the
/// response.
pub fn plain(response: &Secret) -> Result<Credentials, Error> {
    const MECHANISM: &str = "PLAIN";
    let octets = response.expose();
    let mut parts = octets.split(|octet| *octet == 0).map(|part| octets.slice_ref(part));
    let (Some(authorize_as), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed(MECHANISM, "expected two NULs, around the user's name"));
    };
    let authorize_as = text(MECHANISM, authorize_as)?;
    Ok(Credentials {
        authorize_as: (!authorize_as.is_empty()).then_some(authorize_as),
        user: text(MECHANISM, user)?,
        password: Secret::new(password),
    })
}

/// Reads AMQPLAIN: the fields `LOGIN` and `PASSWORD` of a table without its length (RabbitMQ:
/// `rabbit_auth_mechanism_amqplain`).
///
/// # Errors
/// 502 when it is no table or a field is missing. The error says nothing of the response.
pub fn amqplain(response: &Secret) -> Result<Credentials, Error> {
    const MECHANISM: &str = "AMQPLAIN";
    let table = FieldTable::decode(response.expose())
        .map_err(|_| malformed(MECHANISM, "expected a field table without its length"))?;
    let field = |name| match table.get(name) {
        Some(FieldValue::LongStr(octets)) => Some(octets.clone()),
        _ => None,
    };
    match (field("LOGIN"), field("PASSWORD")) {
        (Some(user), Some(password)) => Ok(Credentials {
            authorize_as: None,
            user: text(MECHANISM, user)?,
            password: Secret::new(password),
        }),
        (None, _) => Err(malformed(MECHANISM, "LOGIN is missing or no long string")),
        (_, None) => Err(malformed(MECHANISM, "PASSWORD is missing or no long string")),
    }
}

fn text(mechanism: &'static str, octets: Bytes) -> Result<ByteString, Error> {
    ByteString::try_from(octets).map_err(|_| malformed(mechanism, "a user's name is not UTF-8"))
}

fn malformed(mechanism: &'static str, problem: &'static str) -> Error {
    Fault::Sasl { mechanism, problem }.into()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::{ReplyCode, ShortStr};

    fn secret(octets: &'static [u8]) -> Secret {
        Secret::new(Bytes::from_static(octets))
    }

    #[test]
    fn plain_gives_user_and_password() {
        let credentials = plain(&secret(b"\0guest\0pass word")).unwrap();
        assert_eq!(credentials.user, "guest");
        assert_eq!(&credentials.password.expose()[..], b"pass word");
        assert_eq!(credentials.authorize_as, None);
        let other = plain(&secret(b"root\0guest\0")).unwrap();
        assert_eq!(other.authorize_as.as_deref(), Some("root"));
        assert!(other.password.expose().is_empty());
    }

    #[test]
    fn a_malformed_plain_response_is_refused_without_being_quoted() {
        for response in
            [&b""[..], b"hunter2", b"\0hunter2", b"\0guest\0hunter2\0", b"\0\xff\0hunter2"]
        {
            let error = plain(&secret(response)).unwrap_err();
            assert_eq!(error.reply_code(), ReplyCode::SyntaxError);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn amqplain_gives_user_and_password() {
        let mut table = FieldTable::new();
        table.insert(ShortStr::from_static("LOGIN"), "guest");
        table.insert(ShortStr::from_static("PASSWORD"), "hunter2");
        let mut out = BytesMut::new();
        table.encode(&mut out);
        let fields = out.freeze().slice(4..);
        let credentials = amqplain(&Secret::new(fields.clone())).unwrap();
        assert_eq!(credentials.user, "guest");
        assert_eq!(&credentials.password.expose()[..], b"hunter2");
        let cut = amqplain(&Secret::new(fields.slice(..fields.len() - 1))).unwrap_err();
        assert_eq!(cut.reply_code(), ReplyCode::SyntaxError);
        let missing = amqplain(&secret(b"\x05LOGINS\0\0\0\x01x")).unwrap_err();
        assert!(missing.to_string().contains("PASSWORD"));
        assert!(!format!("{credentials:?} {cut:?}").contains("hunter2"));
    }
}
