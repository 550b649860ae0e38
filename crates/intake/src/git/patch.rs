//! A patch of bounded size, gathered line by line.

/// Gathers a unified diff up to a number of bytes; what comes after is counted, not kept.
#[derive(Debug)]
pub(crate) struct PatchGatherer {
    kept: Vec<u8>,
    bytes_max: usize,
    bytes_total: u64,
    line_start: usize,
    full: bool,
}

/// The diff of a commit as its event carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    /// UTF-8; ends with a line that says so when it was cut.
    pub(crate) text: String,
    /// It was cut or left out.
    pub(crate) truncated: bool,
    /// What was done to it, for a person.
    pub(crate) note: Option<String>,
}

impl PatchGatherer {
    pub(crate) fn new(bytes_max: usize) -> PatchGatherer {
        PatchGatherer { kept: Vec::new(), bytes_max, bytes_total: 0, line_start: 0, full: false }
    }

    /// Adds a line, or a piece of one; a line's last piece ends with its line feed.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes_total += piece.len() as u64;
        if self.full {
            return;
        }
        if self.kept.len() + piece.len() > self.bytes_max {
            // Cut at a line: half a line in a diff is a wrong line.
            self.kept.truncate(self.line_start);
            self.full = true;
            return;
        }
        self.kept.extend_from_slice(piece);
        if piece.ends_with(b"\n") {
            self.line_start = self.kept.len();
        }
    }

    pub(crate) fn finish(self) -> Patch {
        let mut notes = Vec::new();
        let mut text = match String::from_utf8(self.kept) {
            Ok(text) => text,
            Err(error) => {
                notes.push("not all of it is UTF-8; those bytes are shown as \u{fffd}".to_owned());
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            }
        };
        if self.full {
            let cut = format!("cut after {} of {} bytes", self.line_start, self.bytes_total);
            if !text.is_empty() {
                // A line with a backslash is a remark in a unified diff.
                text.push_str(&format!("\\ {cut}\n"));
            }
            notes.push(cut);
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Patch { text, truncated: self.full, note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(bytes_max: usize, pieces: &[&[u8]]) -> Patch {
        let mut gatherer = PatchGatherer::new(bytes_max);
        pieces.iter().for_each(|piece| gatherer.push(piece));
        gatherer.finish()
    }

    #[test]
    fn a_patch_that_fits_is_kept_whole() {
        let patch = gather(8, &[b"+ab\n", b"-cd\n"]);
        assert_eq!(patch, Patch { text: "+ab\n-cd\n".to_owned(), truncated: false, note: None });
    }

    #[test]
    fn a_long_patch_is_cut_at_a_line_and_says_so() {
        let patch = gather(9, &[b"+ab\n", b"-cd", b"ef\n", b"+x\n"]);
        assert_eq!(patch.text, "+ab\n\\ cut after 4 of 13 bytes\n");
        assert!(patch.truncated);
        assert_eq!(patch.note.as_deref(), Some("cut after 4 of 13 bytes"));
        assert_eq!(gather(0, &[b"+ab\n"]).text, "");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced_and_noted() {
        let patch = gather(100, &[b"+caf\xe9\n"]);
        assert_eq!(patch.text, "+caf\u{fffd}\n");
        assert!(!patch.truncated);
        assert!(patch.note.unwrap().contains("UTF-8"));
    }
}
