//! The lines git writes to a post-receive hook.

use super::Oid;
use crate::Error;

/// One ref that a push changed. `None` for an id: the ref did not exist before, or does not after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// What it pointed at before.
    pub old: Option<Oid>,
    /// What it points at now.
    pub new: Option<Oid>,
    /// Its full name: `refs/heads/main`. Bytes that are not UTF-8 are replaced.
    pub name: String,
}

/// What a ref is, by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefKind<'a> {
    /// `refs/heads/…`: the name behind it.
    Branch(&'a str),
    /// `refs/tags/…`: the name behind it.
    Tag(&'a str),
    /// Notes, reviews and the like: nobody is told.
    Other,
}

impl RefUpdate {
    /// Reads all lines `OLD NEW REF`.
    ///
    /// # Errors
    /// [`Error::RefUpdate`] with the first line that is none.
    pub fn parse_all(input: &[u8]) -> Result<Vec<RefUpdate>, Error> {
        let text = String::from_utf8_lossy(input);
        text.lines().filter(|line| !line.is_empty()).map(RefUpdate::parse).collect()
    }

    /// What kind of ref it is.
    pub fn kind(&self) -> RefKind<'_> {
        if let Some(branch) = self.name.strip_prefix("refs/heads/") {
            RefKind::Branch(branch)
        } else if let Some(tag) = self.name.strip_prefix("refs/tags/") {
            RefKind::Tag(tag)
        } else {
            RefKind::Other
        }
    }

    fn parse(line: &str) -> Result<RefUpdate, Error> {
        let fault = || Error::RefUpdate { line: line.chars().take(200).collect() };
        let mut words = line.splitn(3, ' ');
        let mut next = || words.next().ok_or_else(fault);
        let old = Oid::parse(next()?).ok_or_else(fault)?;
        let new = Oid::parse(next()?).ok_or_else(fault)?;
        let name = next()?.to_owned();
        match name.starts_with("refs/") {
            true => Ok(RefUpdate { old, new, name }),
            false => Err(fault()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_null_ids_are_none() {
        let (zero, one) = ("0".repeat(40), "1".repeat(40));
        let input = format!("{zero} {one} refs/heads/a/b\n{one} {zero} refs/tags/v1\n");
        let updates = RefUpdate::parse_all(input.as_bytes()).unwrap();
        assert_eq!(updates.len(), 2);
        assert_eq!(updates[0].kind(), RefKind::Branch("a/b"));
        assert_eq!((&updates[0].old, updates[0].new.is_some()), (&None, true));
        assert_eq!(updates[1].kind(), RefKind::Tag("v1"));
        assert_eq!(updates[1].new, None);
    }

    #[test]
    fn a_line_that_is_no_update_is_refused_and_named() {
        for line in
            ["hello", "-x y refs/heads/m", "1 2 3", &format!("{0} {0} HEAD", "1".repeat(40))]
        {
            let error = RefUpdate::parse_all(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
