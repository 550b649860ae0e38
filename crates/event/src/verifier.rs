//! Whether a signature is what it claims: the keys that are trusted, each for its topics.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    Error, Event, Pattern,
    authorities::{Authorities, Span},
    public_key::PublicKey,
    signature::{self, check_id, key_error},
};

/// Public keys by name. Whoever holds the secret of one is believed, on the topics it is for.
///
/// ```
/// use event::{Event, SigningKey, Verdict, Verifier};
///
/// let key = SigningKey::generate("doors")?;
/// let mut trusted = Verifier::default();
/// trusted.add("doors", &key.public_pem())?;
/// trusted.limit("doors", vec!["#.door.#".parse()?])?;
///
/// let topic = "org.example.door.open".parse()?;
/// let mut event = Event::new(topic, serde_json::json!({"door": "north"}))?;
/// assert_eq!(trusted.verify(&event), Verdict::Unsigned);
/// key.sign(&mut event)?;
/// assert_eq!(trusted.verify(&event), Verdict::Valid { key: "doors".to_owned() });
/// # Ok::<(), event::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    keys: BTreeMap<String, Trusted>,
    /// None means that a certificate is trusted itself.
    authorities: Option<Authorities>,
}

#[derive(Debug, Clone)]
struct Trusted {
    key: PublicKey,
    /// None means all.
    topics: Option<Vec<Pattern>>,
}

/// What is thought of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The holder of this key said it, and nothing that was signed has changed since.
    Valid {
        /// The key's name.
        key: String,
    },
    /// It claims nothing.
    Unsigned,
    /// It claims what does not hold.
    Invalid {
        /// The key it names, where that can be read.
        key: Option<String>,
        /// Why it is not believed.
        doubt: Doubt,
    },
}

/// Why a signature is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// The signature's text is none.
    #[error("its signature is not ed25519:KEY:SIGNATURE")]
    Malformed,
    /// The key it names is not among those trusted.
    #[error("its key is not among the trusted ones")]
    UnknownKey,
    /// The signature is not by this key over this event.
    #[error("its signature is not by this key over what it says: changed since, or copied")]
    Altered,
    /// The certificate held before or after the time the event gives.
    #[error("at {sent_at} its certificate did not hold: it does from {from} to {to}")]
    Certificate {
        /// When the event was sent.
        sent_at: Timestamp,
        /// The first second of the certificate.
        from: Timestamp,
        /// The last one.
        to: Timestamp,
    },
    /// It has no time, so no certificate can be held against it.
    #[error("it has no time to hold its certificate against")]
    Timeless,
    /// The key is not for this topic.
    #[error("its key is not for this topic")]
    Topic,
    /// The event cannot have been signed as it is.
    #[error("{0}")]
    Unsignable(String),
}

impl Verifier {
    /// Trusts the certificates of these authorities (PEM, one or several), and from now on no
    /// certificate that none of them vouches for. Raw public keys stay trusted as they are.
    ///
    /// # Errors
    /// [`Error::Key`]: one cannot be read, or there is none.
    pub fn trust_authorities(&mut self, pem: &str) -> Result<(), Error> {
        let authorities = Authorities::parse(pem);
        self.authorities = Some(authorities.map_err(|reason| key_error("authorities", reason))?);
        Ok(())
    }

    /// Trusts a key: PEM with a raw public key, or with an X.509 certificate whose key is Ed25519.
    /// Without [`Verifier::trust_authorities`] a certificate is trusted itself, whoever issued it;
    /// with it, it must be for this name and lead to one of them, by way of the certificates
    /// behind it. Events are held against its validity, and that of its issuers, by the time they
    /// give. A key of this name is replaced.
    ///
    /// # Errors
    /// [`Error::Key`] that names the key and the fault.
    pub fn add(&mut self, id: &str, pem: &str) -> Result<(), Error> {
        check_id(id)?;
        let key = PublicKey::parse(id, pem, self.authorities.as_ref())?;
        self.keys.insert(id.to_owned(), Trusted { key, topics: None });
        Ok(())
    }

    /// Trusts a key on these topics only.
    ///
    /// # Errors
    /// [`Error::Key`] when it is not known.
    pub fn limit(&mut self, id: &str, topics: Vec<Pattern>) -> Result<(), Error> {
        let unknown = || key_error(id, "there is no such key to limit".to_owned());
        self.keys.get_mut(id).ok_or_else(unknown)?.topics = Some(topics);
        Ok(())
    }

    /// How many keys are trusted.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Judges an event. Needs no clock: an event is as valid years later.
    pub fn verify(&self, event: &Event) -> Verdict {
        let Some(text) = event.signature.as_deref() else { return Verdict::Unsigned };
        let Some((id, signature)) = signature::read(text) else {
            return Verdict::Invalid { key: None, doubt: Doubt::Malformed };
        };
        match self.judge(event, id, &signature) {
            Ok(()) => Verdict::Valid { key: id.to_owned() },
            Err(doubt) => Verdict::Invalid { key: Some(id.to_owned()), doubt },
        }
    }

    fn judge(&self, event: &Event, id: &str, signature: &[u8]) -> Result<(), Doubt> {
        let Trusted { key, topics } = self.keys.get(id).ok_or(Doubt::UnknownKey)?;
        let statement = signature::statement(event, id).map_err(Doubt::Unsignable)?;
        if !key.verifies(&statement, signature) {
            return Err(Doubt::Altered);
        }
        if let Some([first, .., last] | [first @ last]) = key.holds.as_deref() {
            let sent_at = event.sent_at.ok_or(Doubt::Timeless)?;
            let held =
                |(from, to): &Span| *from <= sent_at && sent_at.as_second() <= to.as_second();
            if !key.holds.iter().flatten().any(held) {
                return Err(Doubt::Certificate { sent_at, from: first.0, to: last.1 });
            }
        }
        let allowed = |topics: &Vec<Pattern>| topics.iter().any(|it| it.matches(&event.topic));
        match topics.as_ref().is_none_or(allowed) {
            true => Ok(()),
            false => Err(Doubt::Topic),
        }
    }
}
