//! Looking at a journal without touching it: what it holds, and what is wrong with it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::attachment;
use crate::damage::{Damage, Reason, Recovery};
use crate::directory::{Directory, read_directory};
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::limits::SEGMENT_BYTES_DEFAULT;
use crate::reading::{Reading, Start};
use crate::recovery::judge_last;
use crate::segment_header::attachment_name;

/// What is in a journal's directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// Its segments, oldest first.
    pub segments: Vec<SegmentSurvey>,
    /// Stretches of what was once written that cannot be served.
    pub damaged: Vec<Damage>,
    /// Stretches of a write that a crash cut short, or that a server is just writing. Nothing of it
    /// had been confirmed.
    pub torn: Vec<Damage>,
    /// Names of files that the next start removes: segments that are not finished, those that a
    /// rewrite voided, and those that had been deleted before.
    pub void: Vec<String>,
    /// Names of damaged segments that were set aside, for somebody to look into and remove.
    pub set_aside: Vec<String>,
    /// Names of files that are not the journal's.
    pub foreign: Vec<String>,
}

/// One segment of a [`Survey`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentSurvey {
    /// The file's name.
    pub file: String,
    /// The segment's number.
    pub segment: u32,
    /// The format version it was written in; none if its header is damaged.
    pub format: Option<u32>,
    /// The file's size in bytes, with what is reserved.
    pub file_bytes: u64,
    /// Records in it that are whole.
    pub records: u64,
    /// What they take in bytes, headers and padding counted.
    pub record_bytes: u64,
}

impl Survey {
    /// Whether all that was ever confirmed, and not deleted since, is there and whole.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// Reads everything in a journal and touches nothing, whether or not a server is running on it.
///
/// What looks damaged is looked at again, as a server may be changing it: only what is found twice
/// is reported.
///
/// # Errors
/// [`Error::NewerFormat`]; [`Error::Io`] if it cannot be listed, or a segment not be opened.
pub fn survey(disk: &dyn Disk) -> Result<Survey, Error> {
    let mut last = survey_once(disk);
    for _ in 1..LOOKS_MAX {
        match &last {
            Ok(survey) if survey.is_clean() => break,
            Err(Error::NewerFormat { .. }) => break,
            _ => {}
        }
        let again = survey_once(disk);
        let stands_still = match (&last, &again) {
            (Ok(before), Ok(now)) => before.damaged == now.damaged,
            _ => false,
        };
        let before = std::mem::replace(&mut last, again);
        if stands_still {
            break;
        }
        if let (Ok(before), Ok(now)) = (before, &mut last) {
            now.damaged.retain(|damage| before.damaged.contains(damage));
        }
    }
    last
}

fn survey_once(disk: &dyn Disk) -> Result<Survey, Error> {
    let disk = Looked { disk, gone: Mutex::default() };
    let mut report = Recovery::default();
    let directory = read_directory(&disk, &mut report)?;
    let mut reading = Reading::new(&disk, &directory, Start::ALL, SEGMENT_BYTES_DEFAULT, report);
    reading.run(&mut |_| {})?;
    let held = reading.held.take();
    judge_last(&mut reading, held.as_ref(), 0);
    verify_attachments(&disk, &directory, &mut reading.report)?;
    let Reading { report, seen: mut segments, .. } = reading;
    let Recovery { mut damaged, torn, torn_bytes, foreign, set_aside, .. } = report;
    let gone = disk.gone.into_inner().unwrap_or_else(PoisonError::into_inner);
    segments.retain(|segment| !gone.contains(&segment.file));
    damaged.retain(|damage| !gone.contains(&damage.file));
    let (mut torn_stretches, mut damaged): (Vec<Damage>, Vec<Damage>) =
        damaged.into_iter().partition(|damage| damage.reason == Reason::TornBatch);
    torn_stretches.extend(torn.map(|torn| Damage {
        file: torn.file,
        offset: torn.offset,
        bytes: torn_bytes,
        reason: Reason::TornBatch,
    }));
    torn_stretches.sort();
    damaged.sort();
    let void = directory.unfinished.into_iter().chain(directory.void).collect();
    Ok(Survey { segments, damaged, torn: torn_stretches, void, set_aside, foreign })
}

/// Reads all attachments.
fn verify_attachments(
    disk: &dyn Disk,
    directory: &Directory,
    report: &mut Recovery,
) -> Result<(), Error> {
    for name in directory.attachments.iter().map(|id| attachment_name(*id)) {
        match attachment::verify(disk, &name) {
            Ok(()) => {}
            Err(Error::Damaged { file, offset, reason }) => {
                report.damaged.push(Damage { file, offset, bytes: 0, reason });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A disk on which a file that was listed may be gone when it is opened: a server deleted it
/// meanwhile. It reads as empty, and what is said of it is dropped afterwards.
struct Looked<'a> {
    disk: &'a dyn Disk,
    gone: Mutex<BTreeSet<String>>,
}

impl Disk for Looked<'_> {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        match self.disk.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
                gone.insert(name.to_owned());
                Ok(Arc::new(Nothing))
            }
            outcome => outcome,
        }
    }

    fn create(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        Err(only_looked_at())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(only_looked_at())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(only_looked_at())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Err(only_looked_at())
    }
}

struct Nothing;

impl DiskFile for Nothing {
    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(only_looked_at())
    }

    fn reserve(&self, _: u64) -> io::Result<bool> {
        Err(only_looked_at())
    }

    fn sync(&self) -> io::Result<()> {
        Err(only_looked_at())
    }
}

fn only_looked_at() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

/// How often a directory is looked at that does not stand still.
const LOOKS_MAX: usize = 6;
