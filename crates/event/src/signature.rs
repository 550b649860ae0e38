//! Who vouches for an event: an Ed25519 signature over what it says, whatever clothes it wears.
//! What is signed is [`statement`]; who may have signed it is the verifier's.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{
    Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD,
};
use serde_json::{Map, Value};
use x509_parser::pem::Pem;

use crate::{Error, Event, canonical, filter_headers, plain_text};

/// A publisher's secret, by which its events are signed.
pub struct SigningKey {
    id: String,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new one. `id` is its name in signatures: 1 to 64 letters, digits, `.`, `-` or `_`.
    ///
    /// # Errors
    /// [`Error::Key`] when the id is none, or the system gives no randomness.
    pub fn generate(id: &str) -> Result<SigningKey, Error> {
        check_id(id)?;
        let pair = Ed25519KeyPair::generate();
        let pair = pair.map_err(|_| key_error(id, "the system gives no randomness".to_owned()))?;
        Ok(SigningKey { id: id.to_owned(), pair })
    }

    /// One that was written by [`SigningKey::to_pem`], or by
    /// `openssl genpkey -algorithm ed25519`.
    ///
    /// # Errors
    /// [`Error::Key`] when the id is none, or the text has no Ed25519 key in PKCS #8.
    pub fn from_pem(id: &str, pem: &str) -> Result<SigningKey, Error> {
        check_id(id)?;
        let mut blocks = Pem::iter_from_buffer(pem.as_bytes()).map_while(Result::ok);
        let block = blocks.find(|block| block.label == SECRET_LABEL).ok_or_else(|| {
            key_error(id, format!("there is no '-----BEGIN {SECRET_LABEL}-----' in it"))
        })?;
        let pair = Ed25519KeyPair::from_pkcs8(&block.contents).map_err(|_| {
            key_error(id, "it is no Ed25519 key; make one with tubepost key generate".to_owned())
        })?;
        Ok(SigningKey { id: id.to_owned(), pair })
    }

    /// The secret: PKCS #8, PEM. For a file that only the publisher reads.
    ///
    /// # Errors
    /// [`Error::Key`] when the cryptography fails.
    pub fn to_pem(&self) -> Result<String, Error> {
        let secret = self.pair.to_pkcs8v1();
        let secret =
            secret.map_err(|_| key_error(&self.id, "it cannot be written out".to_owned()))?;
        Ok(pem(SECRET_LABEL, secret.as_ref()))
    }

    /// What verifies its signatures: a raw public key (RFC 8410), PEM.
    pub fn public_pem(&self) -> String {
        let mut info = PUBLIC_KEY_HEAD.to_vec();
        info.extend(self.pair.public_key().as_ref());
        pem("PUBLIC KEY", &info)
    }

    /// Its name in signatures.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs the event. Whatever of it is changed afterwards, but for its priority and the headers
    /// that are not its own, makes the signature invalid; so this comes last before publishing.
    ///
    /// # Errors
    /// [`Error::Unsignable`]: it has no time, or its body has a name twice or a number that
    /// readers of JSON differ in.
    pub fn sign(&self, event: &mut Event) -> Result<(), Error> {
        let unsignable = |reason: String| Error::Unsignable { id: event.id.clone(), reason };
        if event.sent_at.is_none() {
            return Err(unsignable("it has no time".to_owned()));
        }
        let statement = statement(event, &self.id).map_err(unsignable)?;
        let signature = self.pair.try_sign(&statement);
        let signature = signature.map_err(|_| unsignable("the cryptography fails".to_owned()))?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        event.signature = Some(format!("{ALGORITHM}:{}:{signature}", self.id));
        Ok(())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is signed: a JSON object of what the event says, in canonical form (RFC 8785). It is the
/// same in every clothing and in the dump; transport's own (priority, other headers) is not in it.
pub(crate) fn statement(event: &Event, key: &str) -> Result<Vec<u8>, String> {
    event.body.check_names().map_err(|reason| format!("body: {reason}"))?;
    let mut said = Map::new();
    let mut say = |name: &str, value: Value| said.insert(name.to_owned(), value);
    // So that no signature made for another purpose is taken for one of an event.
    say("tubepost", STATEMENT_VERSION.into());
    say("key", key.into());
    say("id", event.id.as_str().into());
    say("topic", event.topic.as_str().into());
    say("severity", event.severity.number().into());
    say("body", event.body.value().clone());
    if let Some(sent_at) = event.sent_at {
        say("time", sent_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
    }
    if let Some(version) = event.schema_version {
        say("schema_version", version.into());
    }
    let texts = [("source", &event.source), ("schema", &event.schema), ("object", &event.object)];
    for (name, text) in texts {
        if let Some(text) = text {
            say(name, text.as_str().into());
        }
    }
    let concerns = filter_headers::all(&event.headers);
    if !concerns.is_empty() {
        say("concerns", concerns.into_iter().map(Value::from).collect());
    }
    canonical::json(&Value::Object(said))
}

/// The key's id and the 64 bytes of a signature's text.
pub(crate) fn read(text: &str) -> Option<(&str, Vec<u8>)> {
    let (id, signature) = text.strip_prefix(ALGORITHM)?.strip_prefix(':')?.split_once(':')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    (is_id(id) && signature.len() == 64).then_some((id, signature))
}

pub(crate) fn check_id(id: &str) -> Result<(), Error> {
    if is_id(id) {
        return Ok(());
    }
    let reason = "a key's name is 1 to 64 letters, digits, '.', '-' or '_', and begins with none \
                  of the last three";
    Err(key_error(id, reason.to_owned()))
}

fn is_id(id: &str) -> bool {
    let of_id = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    id.len() <= 64 && id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.bytes().all(of_id)
}

pub(crate) fn key_error(id: &str, reason: String) -> Error {
    Error::Key { id: plain_text::one_line(id, 64), reason }
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

const ALGORITHM: &str = "ed25519";
const STATEMENT_VERSION: &str = "signature-1";
const SECRET_LABEL: &str = "PRIVATE KEY";
/// RFC 8410 §4: SEQUENCE { SEQUENCE { 1.3.101.112 } BIT STRING of 32 bytes }.
const PUBLIC_KEY_HEAD: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Severity, Verdict, Verifier};

    fn event() -> Event {
        let topic = "org.example.door.open".parse().unwrap();
        let mut event = Event::new(topic, json!({"door": "north", "at": 1.50})).unwrap();
        event.id = "01a21228-e12a-7580-bd3f-6647cb7bca63".to_owned();
        event.sent_at = Some("2026-11-24T13:56:22.7Z".parse().unwrap());
        event.source = Some("//hall/doors".to_owned());
        event.severity = Severity::Warning;
        event.headers.insert("fedora_messaging_user_ada".to_owned(), json!(true));
        event.headers.insert("x-hop".to_owned(), json!(3));
        event
    }

    #[test]
    fn what_is_signed_is_this_to_the_byte() {
        assert_eq!(
            String::from_utf8(statement(&event(), "hall").unwrap()).unwrap(),
            "{\"body\":{\"at\":1.5,\"door\":\"north\"},\"concerns\":[\"fedora_messaging_user_ada\"],\
             \"id\":\"01a21228-e12a-7580-bd3f-6647cb7bca63\",\"key\":\"hall\",\"severity\":30,\
             \"source\":\"//hall/doors\",\"time\":\"2026-11-24T13:56:22Z\",\
             \"topic\":\"org.example.door.open\",\"tubepost\":\"signature-1\"}"
        );
    }

    #[test]
    fn a_key_of_openssl_is_read_and_written_as_openssl_does() {
        // RFC 8032 §7.1, test 1, as `openssl pkey` prints it.
        let secret = "-----BEGIN PRIVATE KEY-----\n\
                      MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                      -----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\n\
                      MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
                      -----END PUBLIC KEY-----\n";
        let key = SigningKey::from_pem("hall", secret).unwrap();
        assert_eq!(key.to_pem().unwrap(), secret);
        assert_eq!(key.public_pem(), public);
        for text in ["", public, &secret.replace("MC4C", "MC4D")] {
            let error = SigningKey::from_pem("hall", text).unwrap_err().to_string();
            assert!(error.starts_with("key 'hall': "), "{error}");
        }
        assert!(!format!("{key:?}").contains("pair"));
    }

    #[test]
    fn the_same_event_has_the_same_signature_every_time() {
        let key = SigningKey::generate("hall").unwrap();
        let (mut one, mut two) = (event(), event());
        key.sign(&mut one).unwrap();
        SigningKey::from_pem("hall", &key.to_pem().unwrap()).unwrap().sign(&mut two).unwrap();
        assert_eq!(one.signature, two.signature);
        let text = one.signature.clone().unwrap();
        assert!(text.starts_with("ed25519:hall:") && text.len() == 13 + 86, "{text}");
        let mut verifier = Verifier::default();
        verifier.add("hall", &key.public_pem()).unwrap();
        assert_eq!(verifier.verify(&one), Verdict::Valid { key: "hall".to_owned() });
    }

    #[test]
    fn what_cannot_be_signed_is_refused_with_the_reason() {
        let key = SigningKey::generate("hall").unwrap();
        for (body, reason) in [
            ("{\"a\": 1, \"a\": 2}", "body: 'a' is there twice"),
            ("{\"a\": 9007199254740993}", "$.body.a: 9007199254740993 is beyond 2^53"),
        ] {
            let mut event = event();
            event.body = crate::Body::parse(body).unwrap();
            let error = key.sign(&mut event).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert_eq!(event.signature, None);
        }
        let mut timeless = Event { sent_at: None, ..event() };
        assert!(key.sign(&mut timeless).unwrap_err().to_string().contains("it has no time"));
    }

    #[test]
    fn names_of_keys_are_names_of_files() {
        for id in ["", ".x", "../x", "a/b", "ä", &"x".repeat(65)] {
            assert!(SigningKey::generate(id).is_err(), "{id}");
        }
        assert!(SigningKey::generate("git.example.org_2026-1").is_ok());
    }
}
