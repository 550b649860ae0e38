//! A browser's subscription: as the browser gives it (`PushSubscription.toJSON()`), and as the
//! address of a destination, `https://ENDPOINT#KEY.SECRET`.

use std::{fmt, str::FromStr};

use aws_lc_rs::agreement::{ECDH_P256, ParsedPublicKey, UnparsedPublicKey};
use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_URL_SAFE_NO_PAD,
};
use serde::Deserialize;
use url::Url;

use super::encryption;

/// Where one browser is told, and what encrypts for it. All of it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PushSubscription {
    endpoint: Url,
    key: [u8; KEY_BYTES],
    secret: [u8; SECRET_BYTES],
}

/// The Push API, §8.1.
#[derive(Deserialize)]
struct Json {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

impl PushSubscription {
    /// The one that a browser gives as JSON; keys that it has beside `endpoint` and `keys` are let
    /// be.
    ///
    /// # Errors
    /// What is wrong with it, and nothing of what it says.
    pub fn from_json(text: &str) -> Result<PushSubscription, String> {
        // serde's words would quote what is there.
        let json: Json = serde_json::from_str(text).map_err(|error| {
            format!("line {}, column {}: {MEND_JSON}", error.line(), error.column())
        })?;
        PushSubscription::new(&json.endpoint, &json.keys.p256dh, &json.keys.auth)
    }

    fn new(endpoint: &str, key: &str, secret: &str) -> Result<PushSubscription, String> {
        let endpoint = Url::parse(endpoint).map_err(|error| format!("endpoint: {error}"))?;
        let local = endpoint.host_str().is_some_and(crate::config::is_loopback);
        let scheme = endpoint.scheme();
        if !(endpoint.has_host() && (scheme == "https" || scheme == "http" && local)) {
            return Err("endpoint: is no address that begins with https://".to_owned());
        }
        if !endpoint.username().is_empty()
            || endpoint.password().is_some()
            || endpoint.fragment().is_some()
        {
            return Err("endpoint: has a login or a '#'".to_owned());
        }
        let key = bytes(key).ok_or("keys.p256dh: are no 65 bytes in base64")?;
        if !is_point(&key) {
            return Err("keys.p256dh: is no public key on P-256".to_owned());
        }
        let secret = bytes(secret).ok_or("keys.auth: are no 16 bytes in base64")?;
        Ok(PushSubscription { endpoint, key, secret })
    }

    /// The address of a destination, behind `push:`.
    pub fn address(&self) -> String {
        let base64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        format!("{}#{}.{}", self.endpoint, base64(&self.key), base64(&self.secret))
    }

    /// Where messages are posted.
    pub(super) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// Whom a signature is for (RFC 8292 §2): `https://push.example.org`.
    pub(super) fn origin(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }

    /// A message that this browser alone reads.
    pub(super) fn encrypted(&self, message: &[u8]) -> Option<Vec<u8>> {
        encryption::encrypt(message, &self.key, &self.secret)
    }
}

impl FromStr for PushSubscription {
    type Err = String;

    fn from_str(text: &str) -> Result<PushSubscription, String> {
        let (endpoint, keys) = text.split_once('#').ok_or(MEND)?;
        let (key, secret) = keys.split_once('.').ok_or(MEND)?;
        PushSubscription::new(endpoint, key, secret).map_err(|why| format!("{why}; {MEND}"))
    }
}

/// Without what lets others write there.
impl fmt::Debug for PushSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PushSubscription").field(&self.origin()).finish()
    }
}

fn bytes<const COUNT: usize>(text: &str) -> Option<[u8; COUNT]> {
    LENIENT.decode(text).ok()?.try_into().ok()
}

fn is_point(key: &[u8; KEY_BYTES]) -> bool {
    let parsed = ParsedPublicKey::try_from(UnparsedPublicKey::new(&ECDH_P256, key));
    parsed.is_ok_and(|key| key.alg() == &ECDH_P256)
}

/// Browsers leave the padding out, programs do not always.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An uncompressed point.
const KEY_BYTES: usize = 65;
const SECRET_BYTES: usize = 16;
const MEND: &str = "give the browser's subscription as JSON to: tubepost notify destination add \
                    OWNER push:";
const MEND_JSON: &str = "is no subscription; give what JSON.stringify(subscription) says in the \
                         browser";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6S\
                       RpkNtoIAiw4";

    fn json(endpoint: &str, key: &str, secret: &str) -> String {
        let keys = serde_json::json!({"p256dh": key, "auth": secret});
        serde_json::json!({"endpoint": endpoint, "expirationTime": null, "keys": keys}).to_string()
    }

    #[test]
    fn what_a_browser_gives_is_read_and_kept_as_an_address() {
        let endpoint = "https://push.example.org/wpush/v2/s3cret";
        let text = json(endpoint, KEY, "BTBZMqHH6r4Tts7J_aSIgg==");
        let subscription = PushSubscription::from_json(&text).unwrap();
        let address = subscription.address();
        assert_eq!(address, format!("{endpoint}#{KEY}.BTBZMqHH6r4Tts7J_aSIgg"));
        assert_eq!(address.parse::<PushSubscription>().unwrap(), subscription);
        assert_eq!(subscription.origin(), "https://push.example.org");
        assert!(!format!("{subscription:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_no_subscription_is_refused_without_its_secrets() {
        let (good, auth) = ("https://push.example.org/s3cret", "BTBZMqHH6r4Tts7J_aSIgg");
        let mut off = KEY.to_owned();
        off.replace_range(80..81, "A");
        for (text, said) in [
            (json("http://push.example.org/s3cret", KEY, auth), "begins with https://"),
            (json("s3cret", KEY, auth), "endpoint: "),
            (json("https://u:s3cret@push.example.org/", KEY, auth), "has a login"),
            (json(good, "s3cret", auth), "keys.p256dh: are no 65 bytes"),
            (json(good, &off, auth), "keys.p256dh: is no public key"),
            (json(good, KEY, "s3cret"), "keys.auth: are no 16 bytes"),
            ("{\"endpoint\": \"https://s3cret\"}".to_owned(), "is no subscription"),
            ("s3cret".to_owned(), "line 1, column 1"),
        ] {
            let error = PushSubscription::from_json(&text).unwrap_err();
            assert!(error.contains(said) && !error.contains("s3cret"), "{text}: {error}");
        }
        for text in [good.to_owned(), format!("{good}#{KEY}"), format!("{good}#x.y")] {
            let error = text.parse::<PushSubscription>().unwrap_err();
            assert!(error.contains("as JSON to:") && !error.contains("s3cret"), "{error}");
        }
    }
}
