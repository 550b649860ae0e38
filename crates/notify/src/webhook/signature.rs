//! Who sent a webhook, by the Standard Webhooks specification 1.0: HMAC-SHA256 over the notice's
//! key, the time and the body. Each address has a secret of its own, derived from the operator's,
//! so that who receives can forge nothing for others.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{Place, Secret};

/// An address's secret.
pub(crate) struct SigningSecret([u8; 32]);

impl SigningSecret {
    /// That of an address.
    pub(crate) fn of(operators: &Secret, to: &Place) -> SigningSecret {
        let key = Key::new(HMAC_SHA256, operators.expose().as_bytes());
        let derived = sign(&key, format!("tubepost webhook 1\n{}", to.key()).as_bytes());
        let mut secret = [0; 32];
        secret.copy_from_slice(derived.as_ref());
        SigningSecret(secret)
    }

    /// As the receiver's library wants it: `whsec_…`.
    pub(crate) fn text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }

    /// The header `webhook-signature`.
    pub(crate) fn signature(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{seconds}.").into_bytes();
        signed.extend_from_slice(body);
        let tag = sign(&Key::new(HMAC_SHA256, &self.0), &signed);
        format!("v1,{}", STANDARD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_specifications_example() {
        // Standard Webhooks, the secret and message of its reference libraries' tests.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let tag = sign(
            &Key::new(HMAC_SHA256, &secret),
            b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}",
        );
        let expected = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(STANDARD.encode(tag), expected);
    }

    #[test]
    fn each_address_has_a_secret_of_its_own() {
        let operators = Secret::from("s3cret".to_owned());
        let secret = |to: &str| SigningSecret::of(&operators, &to.parse().unwrap()).text();
        let one = secret("webhook:https://a.example.org/");
        assert_eq!(one, secret("webhook:https://a.example.org/"));
        assert_ne!(one, secret("webhook:https://b.example.org/"));
        assert!(one.starts_with("whsec_") && one.len() == 50, "{one}");
    }
}
