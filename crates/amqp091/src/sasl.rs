//! What a client's login response says in AMQPLAIN, the mechanism that is this protocol's own. It
//! reads it and judges nobody.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Error, FieldTable, FieldValue, Secret, fault::Fault};

/// Who wants in, and with what password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user who logs in.
    pub user: ByteString,
    /// The password.
    pub password: Secret,
}

/// Reads AMQPLAIN: the fields `LOGIN` and `PASSWORD` of a table without its length (RabbitMQ:
/// `rabbit_auth_mechanism_amqplain`).
///
/// # Errors
/// 502 when it is no table or a field is missing. The error says nothing of the response.
pub fn amqplain(response: &Secret) -> Result<Credentials, Error> {
    let table = FieldTable::decode(response.expose())
        .map_err(|_| malformed("expected a field table without its length"))?;
    let field = |name| match table.get(name) {
        Some(FieldValue::LongStr(octets)) => Some(octets.clone()),
        _ => None,
    };
    match (field("LOGIN"), field("PASSWORD")) {
        (Some(user), Some(password)) => {
            Ok(Credentials { user: text(user)?, password: Secret::new(password) })
        }
        (None, _) => Err(malformed("LOGIN is missing or no long string")),
        (_, None) => Err(malformed("PASSWORD is missing or no long string")),
    }
}

fn text(octets: Bytes) -> Result<ByteString, Error> {
    ByteString::try_from(octets).map_err(|_| malformed("a user's name is not UTF-8"))
}

fn malformed(problem: &'static str) -> Error {
    Fault::Sasl { mechanism: "AMQPLAIN", problem }.into()
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
