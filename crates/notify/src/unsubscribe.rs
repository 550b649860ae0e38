//! The way out that stands in each mail: an address that only who got the mail knows, and what
//! happens when it is asked for (RFC 8058). It names the rules that made the mail and is sealed,
//! so nothing needs to be kept for each mail and nobody can make one for somebody else's rules.

use std::{fmt, io, path::Path};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Notice, Reason, key_file, subscription::FILE_ID};

/// Makes such addresses, and reads them again.
#[derive(Clone)]
pub struct Unsubscriber {
    key: hmac::Key,
    page_url: String,
}

/// What a mail's address asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// To whom the mail went.
    pub address: String,
    /// The rules of the store that made it, by id.
    pub rules: Vec<String>,
    /// Whether the configuration file's subscriptions of the address made it, too.
    pub of_file: bool,
}

impl Unsubscriber {
    /// One whose addresses are below `page_url`, sealed by the key in a file, which is made when it
    /// is not there. With another key the addresses in mails that were sent lead nowhere, so
    /// notifiers that share their work share it, too.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds no key.
    pub fn with_key_file(file: &Path, page_url: &str) -> io::Result<Unsubscriber> {
        let key = key_file::read_or_make(file, || {
            let mut key = vec![0; KEY_BYTES];
            getrandom::fill(&mut key).map_err(io::Error::other)?;
            Ok(key)
        })?;
        let key = key.as_slice().try_into().map_err(|_| {
            let said = format!("it has {} bytes instead of {KEY_BYTES}; remove it", key.len());
            io::Error::new(io::ErrorKind::InvalidData, said)
        })?;
        Ok(Unsubscriber::new(key, page_url))
    }

    fn new(key: &[u8; KEY_BYTES], page_url: &str) -> Unsubscriber {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Unsubscriber { key, page_url: page_url.trim_end_matches('/').to_owned() }
    }

    /// Where the one whom this is told ends what caused it; `None` when it is no mail.
    pub(crate) fn url(&self, notice: &Notice) -> Option<String> {
        notice.to.mailbox()?;
        let place = notice.to.key();
        let mut said = place.strip_prefix("mail:")?.to_owned();
        let length_max = said.len() + RULES_BYTES_MAX;
        for Reason { rule, .. } in &notice.reasons {
            let rule = rule.as_deref().unwrap_or(FILE_ID);
            // What has no place in the header's line is in the next mail's address.
            if said.len() + rule.len() < length_max && !said.split('\n').any(|id| id == rule) {
                said.push('\n');
                said.push_str(rule);
            }
        }
        let token = self.sealed(&said);
        Some(format!("{}/unsubscribe/{token}", self.page_url))
    }

    fn sealed(&self, said: &str) -> String {
        let seal = hmac::sign(&self.key, said.as_bytes());
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(said);
        token.push('.');
        token.push_str(&BASE64_URL_SAFE_NO_PAD.encode(seal));
        token
    }

    /// What an address asks for, by its last part; `None` when we did not make it.
    pub fn read(&self, token: &str) -> Option<Farewell> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (said, seal) = token.split_once('.')?;
        let said = BASE64_URL_SAFE_NO_PAD.decode(said).ok()?;
        let seal = BASE64_URL_SAFE_NO_PAD.decode(seal).ok()?;
        hmac::verify(&self.key, &said, &seal).ok()?;
        let said = String::from_utf8(said).ok()?;
        let mut lines = said.split('\n').map(str::to_owned);
        let address = lines.next()?;
        let (of_file, rules): (Vec<String>, Vec<String>) = lines.partition(|id| id == FILE_ID);
        Some(Farewell { address, rules, of_file: !of_file.is_empty() })
    }
}

/// Without the key.
impl fmt::Debug for Unsubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsubscriber").field("page_url", &self.page_url).finish_non_exhaustive()
    }
}

/// Bytes of a key: as many as SHA-256 gives.
const KEY_BYTES: usize = 32;
/// The whole address has to stand on one line of 998 characters (RFC 5322 §2.1.1).
const RULES_BYTES_MAX: usize = 260;
const TOKEN_BYTES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::tests::digest;

    fn unsubscriber(key: u8) -> Unsubscriber {
        Unsubscriber::new(&[key; KEY_BYTES], "https://bus.example.org/")
    }

    fn token(notice: &Notice) -> String {
        let url = unsubscriber(1).url(notice).unwrap();
        url.strip_prefix("https://bus.example.org/unsubscribe/").unwrap().to_owned()
    }

    fn notice(rules: &[Option<&str>]) -> Notice {
        let mut notice = digest(1, |_, _, _| {});
        let reason = |rule: &Option<&str>| Reason {
            rule: rule.map(str::to_owned),
            ..notice.reasons[0].clone()
        };
        notice.reasons = rules.iter().map(reason).collect();
        notice
    }

    #[test]
    fn an_address_is_read_as_it_was_made_and_no_other_is() {
        let token = token(&notice(&[Some("r1"), None, None, Some("r2")]));
        let farewell = Farewell {
            address: "ada@example.org".to_owned(),
            rules: vec!["r1".to_owned(), "r2".to_owned()],
            of_file: true,
        };
        assert_eq!(unsubscriber(1).read(&token), Some(farewell));
        assert_eq!(unsubscriber(2).read(&token), None, "another key");
        let (said, seal) = token.split_once('.').unwrap();
        let other = BASE64_URL_SAFE_NO_PAD.encode("ada@example.org\nr3");
        for forged in [
            format!("{other}.{seal}"),
            format!("{said}."),
            format!("{said}.{}", &seal[..20]),
            said.to_owned(),
            "ä.ö".to_owned(),
            "x".repeat(10_000),
            String::new(),
        ] {
            assert_eq!(unsubscriber(1).read(&forged), None, "{forged}");
        }
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owner_s() {
        use std::{fs, os::unix::fs::PermissionsExt};
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("unsubscribe.key");
        let open = || Unsubscriber::with_key_file(&file, "https://bus.example.org");
        let url = open().unwrap().url(&notice(&[None])).unwrap();
        assert_eq!(open().unwrap().url(&notice(&[None])).unwrap(), url);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        fs::write(&file, "short").unwrap();
        assert!(open().unwrap_err().to_string().contains("5 bytes instead of 32"));
    }

    #[test]
    fn an_address_fits_into_a_header_however_many_rules_there_are() {
        let ids: Vec<String> = (0..400).map(|n| format!("{n:064}")).collect();
        let ids: Vec<Option<&str>> = ids.iter().map(|id| Some(id.as_str())).collect();
        let mut notice = notice(&ids);
        notice.to =
            format!("mail:{}@{}.org", "a".repeat(64), "b.".repeat(80) + "b").parse().unwrap();
        let token = token(&notice);
        assert!(token.len() < 800, "{}", token.len());
        assert_eq!(unsubscriber(1).read(&token).unwrap().rules.len(), 4);
    }
}
