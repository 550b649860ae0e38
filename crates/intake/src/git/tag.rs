//! What tags point at, and what annotated tags say.

use std::{collections::HashMap, io::BufRead};

use super::{Oid, Repository, limits::MESSAGE_BYTES_MAX};
use crate::Error;

/// A tag's target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The object at the end of the chain, nearly always a commit; `None` when it is gone.
    pub(crate) target: Option<Oid>,
    /// An annotated tag's message.
    pub(crate) message: Option<String>,
}

impl Repository {
    /// Looks up what these ids, as tags point at them, stand for.
    pub(crate) fn read_tags(&self, ids: &[&Oid]) -> Result<HashMap<Oid, Tag>, Error> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut tags: HashMap<Oid, Tag> = HashMap::new();
        let mut annotated = Vec::new();
        let input: String = ids.iter().map(|id| format!("{id}\n{id}^{{}}\n")).collect();
        let check = ["cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)"];
        self.git(&check, input.as_bytes(), |output| {
            let mut lines = output.lines();
            for id in ids {
                let mut next = || lines.next().transpose().map_err(Error::Reading);
                let (own, peeled) = (next()?.unwrap_or_default(), next()?.unwrap_or_default());
                let mut words = own.split(' ').skip(1);
                let size = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok());
                if words.next() == Some("tag")
                    && size(words.next()).is_some_and(|size| size <= TAG_BYTES_MAX)
                {
                    annotated.push(*id);
                }
                let target = peeled.split(' ').next().and_then(Oid::parse).flatten();
                let missing = peeled.ends_with("missing");
                let target = target.filter(|_| !missing);
                tags.insert((*id).clone(), Tag { target, message: None });
            }
            Ok(())
        })?;
        self.read_messages(&annotated, &mut tags)?;
        Ok(tags)
    }

    fn read_messages(&self, ids: &[&Oid], tags: &mut HashMap<Oid, Tag>) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let input: String = ids.iter().map(|id| format!("{id}\n")).collect();
        self.git(&["cat-file", "--batch"], input.as_bytes(), |output| {
            for id in ids {
                let mut header = String::new();
                output.read_line(&mut header).map_err(Error::Reading)?;
                // "OID tag SIZE", the object, a line feed.
                let size = header.trim_end().rsplit(' ').next().and_then(|size| size.parse().ok());
                let Some(size) = size.filter(|size: &usize| *size <= TAG_BYTES_MAX) else {
                    let found = header.escape_debug().take(100).collect();
                    return Err(Error::Output { command: "cat-file".to_owned(), found });
                };
                let mut object = vec![0; size + 1];
                output.read_exact(&mut object).map_err(Error::Reading)?;
                object.truncate(size);
                if let Some(tag) = tags.get_mut(*id) {
                    tag.message = Some(message(&object));
                }
            }
            Ok(())
        })
    }
}

// Behind the first empty line; a signature at the end is for programs.
fn message(object: &[u8]) -> String {
    let text = String::from_utf8_lossy(object);
    let message = text.split_once("\n\n").map(|(_, message)| message).unwrap_or_default();
    let end = SIGNATURES.iter().filter_map(|signature| message.find(signature)).min();
    let message = message.get(..end.unwrap_or(message.len())).unwrap_or_default();
    let cut = message.floor_char_boundary(MESSAGE_BYTES_MAX.min(message.len()));
    message.get(..cut).unwrap_or_default().to_owned()
}

const SIGNATURES: [&str; 3] = [
    "-----BEGIN PGP SIGNATURE-----",
    "-----BEGIN SSH SIGNATURE-----",
    "-----BEGIN SIGNED MESSAGE-----",
];

/// A larger tag goes without its message.
const TAG_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tags_message_has_neither_its_header_nor_its_signature() {
        let object =
            b"object 1\ntype commit\ntag v1\ntagger A <a@b> 1 +0000\n\nRelease 1\n\nBells.\n\
            -----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n";
        assert_eq!(message(object), "Release 1\n\nBells.\n");
    }
}
