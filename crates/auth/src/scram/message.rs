//! The messages of a SCRAM client (RFC 5802 §7), read by the letter: what is not one is refused
//! with the word that the RFC has for it.

use base64::{Engine, prelude::BASE64_STANDARD};

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) problem: &'static str,
    pub(crate) error: ServerError,
}

/// `server-error-value`: those that this server has use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerError {
    /// It is none of the messages, or has another mechanism's sizes.
    InvalidEncoding,
    /// It asks for a mandatory extension.
    ExtensionsNotSupported,
    /// The password is another one, or there is no such user: which, nobody is told.
    InvalidProof,
    /// The client's two messages say different things of channel binding.
    ChannelBindingsDontMatch,
    /// It binds to the channel, which is not offered.
    ChannelBindingNotSupported,
    /// The user's name is not encoded as one.
    InvalidUsernameEncoding,
    /// Something else.
    OtherError,
}

impl ServerError {
    /// As it is sent.
    pub fn word(self) -> &'static str {
        match self {
            ServerError::InvalidEncoding => "invalid-encoding",
            ServerError::ExtensionsNotSupported => "extensions-not-supported",
            ServerError::InvalidProof => "invalid-proof",
            ServerError::ChannelBindingsDontMatch => "channel-bindings-dont-match",
            ServerError::ChannelBindingNotSupported => "channel-binding-not-supported",
            ServerError::InvalidUsernameEncoding => "invalid-username-encoding",
            ServerError::OtherError => "other-error",
        }
    }
}

/// `client-first-message`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    /// With its last comma.
    pub(crate) gs2_header: String,
    /// Whom the client wants to act as.
    pub(crate) authorize_as: Option<String>,
    pub(crate) name: String,
    pub(crate) nonce: String,
    /// What of the message is signed.
    pub(crate) bare: String,
}

impl ClientFirst {
    pub(crate) fn parse(octets: &[u8]) -> Result<ClientFirst, Fault> {
        let text = text(octets)?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authorize_as), Some(bare)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("a GS2 header, n,, for example, was expected"));
        };
        match flag {
            // "y": the client could bind to the channel and sees that this server cannot. True.
            "n" | "y" => {}
            _ if flag.starts_with("p=") => {
                return Err(fault(
                    "channel binding is not offered",
                    ServerError::ChannelBindingNotSupported,
                ));
            }
            _ => return Err(malformed("the GS2 header begins with neither n, y nor p=")),
        }
        let authorize_as = match authorize_as.strip_prefix("a=") {
            Some(name) => Some(sasl_name(name)?),
            None if authorize_as.is_empty() => None,
            None => return Err(malformed("the GS2 header has something else than a=")),
        };
        let mut attributes = bare.split(',');
        let first = attributes.next().unwrap_or_default();
        if first.starts_with("m=") {
            return Err(fault("a mandatory extension", ServerError::ExtensionsNotSupported));
        }
        let name = first.strip_prefix("n=").ok_or(malformed("n= was expected"))?;
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
        let nonce = nonce.ok_or(malformed("r= was expected"))?;
        match nonce.len() {
            0 => return Err(malformed("the nonce is empty")),
            length if length > NONCE_BYTES_MAX => {
                return Err(malformed("the nonce has more than 256 bytes"));
            }
            _ if !nonce.bytes().all(|octet| octet.is_ascii_graphic()) => {
                return Err(malformed("the nonce is not printable ASCII"));
            }
            _ => {}
        }
        extensions(attributes)?;
        Ok(ClientFirst {
            gs2_header: text[..text.len() - bare.len()].to_owned(),
            authorize_as,
            name: sasl_name(name)?,
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
        })
    }
}

/// `client-final-message`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientFinal<'a> {
    pub(crate) channel_binding: Vec<u8>,
    /// Both nonces.
    pub(crate) nonce: &'a str,
    pub(crate) proof: Vec<u8>,
    /// What of the message is signed.
    pub(crate) without_proof: &'a str,
}

impl ClientFinal<'_> {
    pub(crate) fn parse(octets: &[u8]) -> Result<ClientFinal<'_>, Fault> {
        let text = text(octets)?;
        let Some((without_proof, proof)) = text.rsplit_once(",p=") else {
            return Err(malformed("p= was expected at the end"));
        };
        let base64 = |code: &str| {
            BASE64_STANDARD.decode(code).map_err(|_| malformed("c= or p= is not base64"))
        };
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|part| part.strip_prefix("c="));
        let binding = binding.ok_or(malformed("c= was expected"))?;
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
        let nonce = nonce.ok_or(malformed("r= was expected"))?;
        extensions(attributes)?;
        let (channel_binding, proof) = (base64(binding)?, base64(proof)?);
        Ok(ClientFinal { channel_binding, nonce, proof, without_proof })
    }
}

fn text(octets: &[u8]) -> Result<&str, Fault> {
    match std::str::from_utf8(octets) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) => Err(malformed("it has a NUL")),
        Err(_) => Err(malformed("it is not UTF-8")),
    }
}

/// `saslname`: a comma is `=2C` and an equals sign `=3D`, and there is no other use for one.
fn sasl_name(text: &str) -> Result<String, Fault> {
    let wrong = |problem| Err(fault(problem, ServerError::InvalidUsernameEncoding));
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => name.extend([",", rest]),
            (_, Some(rest)) => name.extend(["=", rest]),
            _ => return wrong("a name has an = that is neither =2C nor =3D"),
        }
    }
    match name.is_empty() {
        true => wrong("a name is empty"),
        false => Ok(name),
    }
}

/// Optional ones, of which this server knows none: passed over.
fn extensions<'a>(mut attributes: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let is_attribute = |part: &str| match part.as_bytes() {
        [letter, b'=', _, ..] => letter.is_ascii_alphabetic(),
        _ => false,
    };
    match attributes.all(is_attribute) {
        true => Ok(()),
        false => Err(malformed("an extension is not of the form x=value")),
    }
}

fn malformed(problem: &'static str) -> Fault {
    fault(problem, ServerError::InvalidEncoding)
}

fn fault(problem: &'static str, error: ServerError) -> Fault {
    Fault { problem, error }
}

/// With it, and with the server's, a challenge fits into a frame of 512 bytes (AMQP 1.0 §5.3.1).
const NONCE_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_message_is_taken_apart() {
        let read = ClientFirst::parse(b"y,a=x=2Cy,n=x=2Cy=3Dz,r=fyko+d2lbbFgONRv9qkxdawL,x=ext");
        let first = read.unwrap();
        assert_eq!(first.gs2_header, "y,a=x=2Cy,");
        assert_eq!(first.authorize_as.as_deref(), Some("x,y"));
        assert_eq!(first.name, "x,y=z");
        assert_eq!(first.nonce, "fyko+d2lbbFgONRv9qkxdawL");
        assert_eq!(first.bare, "n=x=2Cy=3Dz,r=fyko+d2lbbFgONRv9qkxdawL,x=ext");
    }

    #[test]
    fn what_is_no_first_message_is_refused_with_the_rfcs_word() {
        let long = format!("n,,n=ada,r={}", "x".repeat(257));
        let nonce = "r=abc";
        for (message, word) in [
            (b"".as_slice(), "invalid-encoding"),
            (b"n", "invalid-encoding"),
            (b"n,", "invalid-encoding"),
            (b"n,,", "invalid-encoding"),
            (b"n,,n=ada", "invalid-encoding"),
            (b"n,,n=ada,", "invalid-encoding"),
            (b"n,,n=ada,r=", "invalid-encoding"),
            (b"n,,r=abc,n=ada", "invalid-encoding"),
            (b"n,,n=ada,r=a\x07b", "invalid-encoding"),
            (b"n,,n=ada,r=a b", "invalid-encoding"),
            (b"n,,n=ada,r=abc,", "invalid-encoding"),
            (b"n,,n=ada,r=abc,x", "invalid-encoding"),
            (b"n,,n=ada,r=abc,1=x", "invalid-encoding"),
            (b"n,,n=ada,r=abc,x=", "invalid-encoding"),
            (b"N,,n=ada,r=abc", "invalid-encoding"),
            (b"x,,n=ada,r=abc", "invalid-encoding"),
            (b"n,b=ada,n=ada,r=abc", "invalid-encoding"),
            (b"n,,n=\xff,r=abc", "invalid-encoding"),
            (b"n,,n=a\0,r=abc", "invalid-encoding"),
            (long.as_bytes(), "invalid-encoding"),
            (b"p=tls-unique,,n=ada,r=abc", "channel-binding-not-supported"),
            (b"p=,,n=ada,r=abc", "channel-binding-not-supported"),
            (b"n,,m=x,n=ada,r=abc", "extensions-not-supported"),
            (b"n,,n=,r=abc", "invalid-username-encoding"),
            (b"n,,n=a=b,r=abc", "invalid-username-encoding"),
            (b"n,,n=a=,r=abc", "invalid-username-encoding"),
            (b"n,,n=a=2c,r=abc", "invalid-username-encoding"),
            (b"n,a=,n=ada,r=abc", "invalid-username-encoding"),
        ] {
            let shown = String::from_utf8_lossy(message);
            let refused = ClientFirst::parse(message).unwrap_err();
            assert_eq!(refused.error.word(), word, "{shown}: {}", refused.problem);
        }
        assert!(ClientFirst::parse(format!("n,,n=ada,{nonce}").as_bytes()).is_ok());
    }

    #[test]
    fn a_last_message_is_taken_apart_or_refused() {
        let last = ClientFinal::parse(b"c=biws,r=abc,x=ext,p=AAEC").unwrap();
        assert_eq!((&*last.channel_binding, last.nonce), (b"n,,".as_slice(), "abc"));
        assert_eq!(
            (&*last.proof, last.without_proof),
            ([0, 1, 2].as_slice(), "c=biws,r=abc,x=ext")
        );
        for message in [
            b"".as_slice(),
            b"p=AAEC",
            b",p=AAEC",
            b"c=biws,p=AAEC",
            b"r=abc,c=biws,p=AAEC",
            b"c=biws,r=abc",
            b"c=biws,r=abc,p=AAE",
            b"c=biw,r=abc,p=AAEC",
            b"c=biws,r=abc,p=AAEC,x=y",
            b"c=biws,r=abc,,p=AAEC",
            b"c=biws,r=\xff,p=AAEC",
            b"c=biws,r=a\0,p=AAEC",
        ] {
            let refused = ClientFinal::parse(message).unwrap_err();
            assert_eq!(refused.error, ServerError::InvalidEncoding, "{message:?}");
        }
    }
}
