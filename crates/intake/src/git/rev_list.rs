//! Which commits an update brought, and which it took away.

use std::{collections::HashSet, io::BufRead};

use super::{Oid, RefUpdate, Repository, limits::COUNTED_MAX};
use crate::Error;

/// The commits between a ref's old and its new place.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Reachable now and not before, newest first, at most as many as asked for.
    pub(crate) gained: Vec<Oid>,
    /// How many more there are.
    pub(crate) gained_more: usize,
    /// How many were reachable before and are not now: more than none after a forced push.
    pub(crate) lost: usize,
    /// The counting stopped at its limit; there are more.
    pub(crate) at_least: bool,
}

impl Repository {
    /// Walks an update of an existing branch.
    pub(crate) fn walk_update(&self, old: &Oid, new: &Oid, max: usize) -> Result<Walk, Error> {
        // A forced push may have let the old commit be collected: then all history is new.
        self.walk(&["--left-right", "--ignore-missing"], &format!("{old}...{new}\n"), max)
    }

    /// Walks a new branch: what no ref that existed before the push had. Refs of the same push
    /// count with their old place, so that of two new branches each tells its whole story.
    pub(crate) fn walk_new(
        &self,
        new: &Oid,
        before: &HashSet<Oid>,
        max: usize,
    ) -> Result<Walk, Error> {
        if before.contains(new) {
            return Ok(Walk::default());
        }
        let mut input = format!("{new}\n");
        for oid in before {
            input.push('^');
            input.push_str(oid.as_str());
            input.push('\n');
        }
        self.walk(&["--ignore-missing"], &input, max)
    }

    /// What every ref pointed at before the push.
    pub(crate) fn tips_before(&self, updates: &[RefUpdate]) -> Result<HashSet<Oid>, Error> {
        let pushed: HashSet<&str> = updates.iter().map(|update| update.name.as_str()).collect();
        let arguments = ["for-each-ref", "--format=%(objectname) %(refname)"];
        let mut tips: HashSet<Oid> = self.git(&arguments, b"", |output| {
            let mut tips = HashSet::new();
            for line in BufRead::split(output, b'\n') {
                let line = line.map_err(Error::Reading)?;
                let line = String::from_utf8_lossy(&line);
                let Some((oid, name)) = line.split_once(' ') else { continue };
                if !pushed.contains(name) {
                    tips.extend(Oid::parse(oid).flatten());
                }
            }
            Ok(tips)
        })?;
        tips.extend(updates.iter().filter_map(|update| update.old.clone()));
        Ok(tips)
    }

    fn walk(&self, options: &[&str], input: &str, max: usize) -> Result<Walk, Error> {
        let count = format!("--max-count={}", COUNTED_MAX);
        let mut arguments = vec!["rev-list", count.as_str()];
        arguments.extend_from_slice(options);
        arguments.push("--stdin");
        self.git(&arguments, input.as_bytes(), |output| {
            let mut walk = Walk::default();
            let mut counted = 0;
            for line in BufRead::split(output, b'\n') {
                let line = line.map_err(Error::Reading)?;
                let line = String::from_utf8_lossy(&line);
                counted += 1;
                if line.starts_with('<') {
                    walk.lost += 1;
                    continue;
                }
                let Some(Some(oid)) = Oid::parse(line.trim_start_matches('>')) else {
                    let found = line.chars().take(100).collect();
                    return Err(Error::Output { command: "rev-list".to_owned(), found });
                };
                match walk.gained.len() < max {
                    true => walk.gained.push(oid),
                    false => walk.gained_more += 1,
                }
            }
            walk.at_least = counted >= COUNTED_MAX;
            Ok(walk)
        })
    }
}
