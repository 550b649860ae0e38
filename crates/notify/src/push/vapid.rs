//! Who sends: VAPID (RFC 8292). A key pair on P-256, kept in a file, whose public half browsers are
//! subscribed with; and a token signed with it for each request.

use std::{
    fmt,
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

use aws_lc_rs::{
    hmac::{self, HMAC_SHA256},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use serde_json::json;

use crate::key_file;

/// The key.
#[derive(Clone)]
pub struct VapidKey {
    pair: Arc<EcdsaKeyPair>,
    topics: hmac::Key,
}

impl VapidKey {
    /// The one in a file (PEM), which is made when it is not there. With another one every browser
    /// has to subscribe anew, so notifiers that share their work share it, too.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds no key on P-256.
    pub fn in_file(file: &Path) -> io::Result<VapidKey> {
        let pem = key_file::read_or_make(file, || {
            let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1());
            let der = made.map_err(|_| io::Error::other("no key could be made"))?;
            let lines = BASE64_STANDARD.encode(der.as_ref());
            let lines = lines.as_bytes().chunks(64).map(String::from_utf8_lossy);
            let lines = lines.collect::<Vec<_>>().join("\n");
            Ok(format!("{BEGIN}\n{lines}\n{END}\n").into_bytes())
        })?;
        VapidKey::from_pem(&pem).ok_or_else(|| {
            let said = "it holds no private key on P-256 in PEM, PKCS #8; remove it, and another \
                        is made";
            io::Error::new(ErrorKind::InvalidData, said)
        })
    }

    fn from_pem(pem: &[u8]) -> Option<VapidKey> {
        let text = std::str::from_utf8(pem).ok()?;
        let inside = text.split_once(BEGIN)?.1.split_once(END)?.0;
        let der: String = inside.chars().filter(|c| !c.is_whitespace()).collect();
        let der = BASE64_STANDARD.decode(der).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?;
        let topics = hmac::Key::new(HMAC_SHA256, &der);
        Some(VapidKey { pair: Arc::new(pair), topics })
    }

    /// What a page subscribes with (`applicationServerKey`), in base64url.
    pub fn public(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    /// The header `Authorization` for a push service (§3).
    pub(super) fn token(&self, audience: &str, contact: &str, now: Timestamp) -> Option<String> {
        let base64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let head = base64(br#"{"typ":"JWT","alg":"ES256"}"#);
        // §2: a day at most, and clocks differ.
        let expires = now.as_second().saturating_add(TOKEN_S);
        let claims = json!({"aud": audience, "exp": expires, "sub": contact}).to_string();
        let signed = format!("{head}.{}", base64(claims.as_bytes()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("vapid t={signed}.{}, k={}", base64(signature.as_ref()), self.public()))
    }

    /// A name of an object that tells the push service nothing: 32 characters (RFC 8030 §5.4).
    pub(super) fn topic(&self, object: &str) -> String {
        let tag = hmac::sign(&self.topics, object.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref().get(..24).unwrap_or_default())
    }
}

/// Without the private half.
impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VapidKey").field(&self.public()).finish()
    }
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
const TOKEN_S: i64 = 12 * 3600;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("push.key");
        let key = VapidKey::in_file(&file).unwrap();
        assert_eq!(VapidKey::in_file(&file).unwrap().public(), key.public());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let point = BASE64_URL_SAFE_NO_PAD.decode(key.public()).unwrap();
        assert_eq!((point.len(), point[0]), (65, 4));
        fs::write(&file, "hello").unwrap();
        assert!(VapidKey::in_file(&file).unwrap_err().to_string().contains("remove it"));
    }

    #[test]
    fn a_token_is_for_one_service_and_some_hours() {
        let directory = tempfile::tempdir().unwrap();
        let key = VapidKey::in_file(&directory.path().join("push.key")).unwrap();
        let now = "2026-11-25T09:00:00Z".parse().unwrap();
        let token = key.token("https://push.example.org", "mailto:a@example.org", now).unwrap();
        let token = token.strip_prefix("vapid t=").unwrap();
        let (token, public) = token.split_once(", k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(public))
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        let claims = decode(signed.split_once('.').unwrap().1);
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let expected = json!({"aud": "https://push.example.org", "exp": 1_795_640_400_i64,
            "sub": "mailto:a@example.org"});
        assert_eq!(claims, expected);
        assert_eq!(key.topic("git/kernel").len(), 32);
        assert_ne!(key.topic("git/kernel"), key.topic("git/bash"));
    }
}
