//! DKIM (RFC 6376): a signature of each mail that the domain answers for. Headers and body are
//! canonicalised `relaxed/relaxed`, as servers on the way may fold anew. Pure.
//!
//! On aws-lc-rs, which TLS brings along: lettre's own signer would bring the crate `rsa`, whose
//! operations take a time that tells of the key (RUSTSEC-2023-0071).

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD};

/// Signs mails for a domain.
#[derive(Clone)]
pub struct Dkim {
    domain: String,
    selector: String,
    key: std::sync::Arc<Key>,
}

enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Dkim {
    /// A signer with a private key in PEM: RSA (PKCS #8, or PKCS #1 as `openssl` 1 writes it) or
    /// Ed25519 (PKCS #8; RFC 8463).
    ///
    /// # Errors
    /// What is wrong with the key, and the mend; nothing of it.
    pub fn new(domain: &str, selector: &str, pem: &[u8]) -> Result<Dkim, String> {
        let mend = "make one with: openssl genrsa -out dkim.pem 2048";
        let der = der_of(pem).ok_or_else(|| format!("holds no private key in PEM; {mend}"))?;
        let rsa = |der: &[u8]| RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
        let key = match (rsa(&der), Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)) {
            (Ok(key), _) => Key::Rsa(key),
            (_, Ok(key)) => Key::Ed25519(key),
            _ => return Err(format!("holds no RSA key of 2048 bits or more, nor Ed25519; {mend}")),
        };
        let (domain, selector) = (domain.to_owned(), selector.to_owned());
        Ok(Dkim { domain, selector, key: key.into() })
    }

    /// The mail with a signature on top. `mail` is what goes to the server: headers, an empty line
    /// and the body, with CRLF.
    ///
    /// # Errors
    /// It is no mail, or the key could not sign.
    pub(crate) fn sign(&self, mail: &[u8]) -> Result<Vec<u8>, String> {
        let end = mail.windows(4).position(|four| four == b"\r\n\r\n").ok_or("it has no body")?;
        let (head, body) = mail.split_at(end + 2);
        let head = std::str::from_utf8(head).map_err(|_| "its headers are not UTF-8")?;
        let body_hash = digest(&SHA256, &relaxed_body(body.get(2..).unwrap_or_default()));
        let headers = fields(head);
        let mut signed = Vec::new();
        let mut names = Vec::new();
        for wanted in SIGNED {
            // From is named once more than it is there: a second one breaks the signature (§8.15).
            let mut there = headers.iter().rev().filter(|(n, _)| n.eq_ignore_ascii_case(wanted));
            if let Some((name, value)) = there.next() {
                push_relaxed(&mut signed, name, value);
                signed.extend_from_slice(b"\r\n");
                names.push(*wanted);
            }
        }
        names.push("from");
        let algorithm = match &*self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        let mut value = format!(
            " v=1; a={algorithm}; c=relaxed/relaxed; d={};\r\n s={}; h={};\r\n bh={};\r\n b=",
            self.domain,
            self.selector,
            names.join(":\r\n "),
            BASE64_STANDARD.encode(body_hash),
        );
        push_relaxed(&mut signed, NAME, &value);
        let seal = BASE64_STANDARD.encode(self.seal(&signed)?);
        for line in seal.as_bytes().chunks(70) {
            value.push_str(&String::from_utf8_lossy(line));
            value.push_str("\r\n ");
        }
        let mut sealed = Vec::with_capacity(mail.len() + value.len() + 32);
        sealed.extend_from_slice(format!("{NAME}:{}\r\n", value.trim_end()).as_bytes());
        sealed.extend_from_slice(mail);
        Ok(sealed)
    }

    fn seal(&self, signed: &[u8]) -> Result<Vec<u8>, String> {
        match &*self.key {
            Key::Rsa(key) => {
                let mut seal = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut seal)
                    .map_err(|_| "the DKIM key could not sign")?;
                Ok(seal)
            }
            // RFC 8463 §3: it signs the hash.
            Key::Ed25519(key) => Ok(key.sign(digest(&SHA256, signed).as_ref()).as_ref().to_vec()),
        }
    }
}

/// Headers with what is behind the colon, folds and all.
fn fields(head: &str) -> Vec<(&str, &str)> {
    let mut fields = Vec::new();
    let mut rest = head;
    while !rest.is_empty() {
        let mut end = rest.find("\r\n").map_or(rest.len(), |end| end + 2);
        while rest.get(end..).is_some_and(|next| next.starts_with([' ', '\t'])) {
            let next = rest.get(end..).and_then(|next| next.find("\r\n"));
            end = next.map_or(rest.len(), |next| end + next + 2);
        }
        let (field, behind) = rest.split_at(end);
        fields.extend(field.split_once(':'));
        rest = behind;
    }
    fields
}

/// RFC 6376 §3.4.2, without the line break at its end.
fn push_relaxed(to: &mut Vec<u8>, name: &str, value: &str) {
    to.extend_from_slice(name.trim_end().to_ascii_lowercase().as_bytes());
    to.push(b':');
    let words = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            to.push(b' ');
        }
        to.extend_from_slice(word.as_bytes());
    }
}

/// RFC 6376 §3.4.4: runs of white space are one space, none at a line's end, and no empty lines at
/// the end of all.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len());
    let mut end = 0;
    for line in body.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut space = false;
        for &byte in line {
            match byte {
                b' ' | b'\t' => space = true,
                byte => {
                    if std::mem::take(&mut space) {
                        relaxed.push(b' ');
                    }
                    relaxed.push(byte);
                    end = relaxed.len() + 2;
                }
            }
        }
        relaxed.extend_from_slice(b"\r\n");
    }
    relaxed.truncate(end);
    relaxed
}

/// What is between the lines of the first private key of a PEM file.
fn der_of(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----"))?;
    let body: String = lines.take_while(|line| !line.starts_with("-----END ")).collect();
    BASE64_STANDARD.decode(body).ok()
}

/// Without the key.
impl fmt::Debug for Dkim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dkim { domain, selector, .. } = self;
        f.debug_struct("Dkim").field("domain", domain).field("selector", selector).finish()
    }
}

const NAME: &str = "DKIM-Signature";

/// What a change of would deceive a reader or a mail program (RFC 6376 §5.4.1, RFC 8058 §4).
const SIGNED: &[&str] = &[
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "auto-submitted",
    "mime-version",
    "content-type",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms_are_those_of_the_standard() {
        // RFC 6376 §3.4.5.
        let head = "A: X\r\nB : Y\t\r\n\tZ  \r\n";
        let mut relaxed = Vec::new();
        for (name, value) in fields(head) {
            push_relaxed(&mut relaxed, name, value);
            relaxed.extend_from_slice(b"\r\n");
        }
        assert_eq!(relaxed, b"a:X\r\nb:Y Z\r\n");
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
        assert_eq!(relaxed_body(b""), b"");
        assert_eq!(relaxed_body(b"\r\n \r\n"), b"");
        assert_eq!(relaxed_body(b"a"), b"a\r\n");
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_mend_and_not_shown() {
        for pem in
            ["", "hunter2", "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----"]
        {
            let error = Dkim::new("example.org", "s", pem.as_bytes()).unwrap_err();
            assert!(error.contains("openssl genrsa") && !error.contains("hunter2"), "{error}");
        }
    }
}
