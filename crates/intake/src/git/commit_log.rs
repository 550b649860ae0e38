//! Reads many commits, their statistics and their patches, from one `git diff-tree` process.
//!
//! The output of one commit: a line with a mark that no patch can hold, since it was drawn at
//! random after the patch was written; header fields, each ended by NUL; when the commit changed
//! anything a line feed, `--numstat -z` entries, an empty entry, and the patch. Everything is read
//! as a stream and everything kept is bounded, however large the commit.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    io::BufRead,
};

use super::{
    Oid, Repository,
    commit::{Commit, Stats},
    limits::{FIELD_BYTES_MAX, MESSAGE_BYTES_MAX, PUSH_PATCH_BYTES_MAX},
    patch::{Patch, PatchGatherer},
};
use crate::Error;

impl Repository {
    /// Reads these commits.
    pub(crate) fn read_commits(
        &self,
        revs: &[&Oid],
        patch_bytes_max: usize,
    ) -> Result<HashMap<Oid, Commit>, Error> {
        if revs.is_empty() {
            return Ok(HashMap::new());
        }
        let mark = mark();
        let format = format!("--format={mark}%n%H%x00%an%x00%ae%x00%aI%x00%B%x00");
        let arguments = [
            "diff-tree",
            "--stdin",
            "--root",
            "--always",
            "-r",
            "-M",
            "-z",
            "--numstat",
            "-p",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--encoding=UTF-8",
            // A merge is what merging brought to the branch.
            "--diff-merges=first-parent",
            &format,
        ];
        let mut input = String::with_capacity(revs.len() * 65);
        for rev in revs {
            input.push_str(rev.as_str());
            input.push('\n');
        }
        self.git(&arguments, input.as_bytes(), |output| {
            let mark = format!("{mark}\n").into_bytes();
            Reader { output, mark, patch_bytes_max, patches_left: PUSH_PATCH_BYTES_MAX }.read_all()
        })
    }
}

struct Reader<'a> {
    output: &'a mut dyn BufRead,
    mark: Vec<u8>,
    patch_bytes_max: usize,
    patches_left: usize,
}

impl Reader<'_> {
    fn read_all(mut self) -> Result<HashMap<Oid, Commit>, Error> {
        let mut commits = HashMap::new();
        let mut line = Vec::new();
        self.read_piece(&mut line)?;
        while !line.is_empty() {
            if line != self.mark {
                return Err(unexpected(&line));
            }
            let commit = self.read_commit(&mut line)?;
            commits.insert(commit.rev.clone(), commit);
        }
        Ok(commits)
    }

    // Leaves in `line` what comes behind the commit: the next mark, or nothing.
    fn read_commit(&mut self, line: &mut Vec<u8>) -> Result<Commit, Error> {
        let rev = self.read_text(FIELD_BYTES_MAX)?;
        let rev = Oid::parse(&rev).flatten().ok_or_else(|| unexpected(rev.as_bytes()))?;
        let name = self.read_text(FIELD_BYTES_MAX)?;
        let email = self.read_text(FIELD_BYTES_MAX)?;
        let date = with_offset(self.read_text(FIELD_BYTES_MAX)?);
        let message = self.read_text(MESSAGE_BYTES_MAX)?;
        self.expect(0)?;
        let mut stats = Stats::default();
        let changed =
            matches!(self.output.fill_buf().map_err(Error::Reading)?.first(), Some(b'\n'));
        if changed {
            self.output.consume(1);
            self.read_stats(&mut stats)?;
        }
        let patch = self.read_patch(line)?;
        Ok(Commit { rev, name, email, date, message, stats, patch })
    }

    // "ADDED TAB REMOVED TAB PATH NUL", or for a rename "ADDED TAB REMOVED TAB NUL OLD NUL NEW NUL"
    // (git-diff, "-z"); '-' for a binary file.
    fn read_stats(&mut self, stats: &mut Stats) -> Result<(), Error> {
        loop {
            let entry = self.read_text(FIELD_BYTES_MAX)?;
            if entry.is_empty() {
                return Ok(());
            }
            let mut fields = entry.splitn(3, '\t');
            let (Some(added), Some(removed), Some(path)) =
                (fields.next(), fields.next(), fields.next())
            else {
                return Err(unexpected(entry.as_bytes()));
            };
            let path = match path {
                "" => {
                    self.read_text(FIELD_BYTES_MAX)?;
                    self.read_text(FIELD_BYTES_MAX)?
                }
                path => path.to_owned(),
            };
            stats.add(path, added.parse().unwrap_or(0), removed.parse().unwrap_or(0));
        }
    }

    fn read_patch(&mut self, line: &mut Vec<u8>) -> Result<Patch, Error> {
        let mut gatherer = PatchGatherer::new(self.patch_bytes_max.min(self.patches_left));
        let mut line_begins = true;
        loop {
            self.read_piece(line)?;
            if line.is_empty() || (line_begins && *line == self.mark) {
                break;
            }
            line_begins = line.ends_with(b"\n");
            gatherer.push(line);
        }
        let patch = gatherer.finish();
        self.patches_left = self.patches_left.saturating_sub(patch.text.len());
        Ok(patch)
    }

    // A line, or as much of it as is at hand, at most one buffer. Nothing at the end.
    fn read_piece(&mut self, line: &mut Vec<u8>) -> Result<(), Error> {
        line.clear();
        loop {
            let buffer = self.output.fill_buf().map_err(Error::Reading)?;
            let end = buffer.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let size = end.unwrap_or(buffer.len());
            line.extend_from_slice(buffer.get(..size).unwrap_or_default());
            self.output.consume(size);
            // A mark must not be missed because it came in two reads.
            if end.is_some() || size == 0 || line.len() > self.mark.len() {
                return Ok(());
            }
        }
    }

    // The bytes up to the next NUL, the first `max` of them kept.
    fn read_text(&mut self, max: usize) -> Result<String, Error> {
        let mut kept = Vec::new();
        loop {
            let buffer = self.output.fill_buf().map_err(Error::Reading)?;
            if buffer.is_empty() {
                return Err(unexpected(b"the end, in the middle of a commit"));
            }
            let end = buffer.iter().position(|byte| *byte == 0);
            let chunk = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            let room = max.saturating_sub(kept.len()).min(chunk.len());
            kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
            let size = chunk.len() + usize::from(end.is_some());
            self.output.consume(size);
            if end.is_some() {
                return Ok(String::from_utf8_lossy(&kept).into_owned());
            }
        }
    }

    fn expect(&mut self, expected: u8) -> Result<(), Error> {
        let mut byte = [0];
        self.output.read_exact(&mut byte).map_err(Error::Reading)?;
        match byte == [expected] {
            true => Ok(()),
            false => Err(unexpected(&byte)),
        }
    }
}

fn unexpected(found: &[u8]) -> Error {
    let found = found.get(..found.len().min(100)).unwrap_or_default();
    let found = String::from_utf8_lossy(found).escape_debug().to_string();
    Error::Output { command: "diff-tree".to_owned(), found }
}

// Git writes UTC as 'Z'; Python's isoformat(), which the schema's examples come from, as +00:00.
fn with_offset(date: String) -> String {
    match date.strip_suffix('Z') {
        Some(date) => format!("{date}+00:00"),
        None => date,
    }
}

// The standard library's hasher is keyed from the system's randomness; four of them are 256 bits.
fn mark() -> String {
    (0..4).map(|turn| format!("{:016x}", RandomState::new().hash_one(turn))).collect()
}
