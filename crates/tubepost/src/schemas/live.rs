//! Schemas that are read again when their files change. A file that became bad is told of, and
//! what it said before stays in force.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use event::Registry;

use super::folder;
use crate::failure::Failure;

/// The directories and what of them is in force.
pub(crate) struct Live {
    registry: Registry,
    directories: Vec<PathBuf>,
    /// The text of each file, as it last was a schema.
    good: BTreeMap<PathBuf, String>,
    seen: Fingerprint,
    unreadable: bool,
    failures: u64,
}

/// When each file was last written, and its size.
type Fingerprint = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl Live {
    /// Reads all schemas.
    ///
    /// # Errors
    /// A directory cannot be read, or a file is no schema: at the beginning there is no older one.
    pub(crate) fn begin(directories: &[PathBuf]) -> Result<Live, Failure> {
        let seen = fingerprint(directories)?;
        let (registry, good, faults) = load(&seen, &BTreeMap::new());
        if !faults.is_empty() {
            return Err(Failure::Failed(faults));
        }
        let directories = directories.to_vec();
        Ok(Live { registry, directories, good, seen, unreadable: false, failures: 0 })
    }

    /// The schemas, now and later.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Looks at the files, and takes over what changed. Returns what an operator should know, a
    /// line each: what was read, what is bad.
    pub(crate) fn look(&mut self) -> Vec<Notice> {
        let mut notices = self.reload();
        let failures = self.registry.failures();
        if failures > self.failures {
            let last = self.registry.last_failure().unwrap_or_default();
            notices.push(Notice::Bad(format!(
                "{} events were said generically because a template failed; the last: {last}",
                failures - self.failures
            )));
            self.failures = failures;
        }
        notices
    }

    fn reload(&mut self) -> Vec<Notice> {
        if self.directories.is_empty() {
            return Vec::new();
        }
        let seen = match fingerprint(&self.directories) {
            Ok(seen) if seen == self.seen && !self.unreadable => return Vec::new(),
            Ok(seen) => seen,
            // Perhaps a checkout that is being replaced. Said once, until it can be read again.
            Err(_) if self.unreadable => return Vec::new(),
            Err(failure) => {
                self.unreadable = true;
                let Failure::Failed(lines) = failure else { return Vec::new() };
                let line = format!("{}; those read before stay in force", lines.join("; "));
                return vec![Notice::Bad(line)];
            }
        };
        self.unreadable = false;
        let (registry, good, faults) = load(&seen, &self.good);
        self.registry.replace(&registry);
        (self.good, self.seen) = (good, seen);
        let mut notices = vec![Notice::Read(self.good.len())];
        notices.extend(faults.into_iter().map(|fault| {
            Notice::Bad(format!("{fault}; what it said before, if anything, stays in force"))
        }));
        notices
    }
}

/// What an operator should know.
#[derive(Debug, PartialEq)]
pub(crate) enum Notice {
    /// So many files of the directories are in force now.
    Read(usize),
    Bad(String),
}

fn fingerprint(directories: &[PathBuf]) -> Result<Fingerprint, Failure> {
    let files = folder::all_files(directories)?;
    Ok(files.into_iter().map(|path| stamp(&path)).collect())
}

fn stamp(path: &Path) -> (PathBuf, Option<SystemTime>, u64) {
    let metadata = path.metadata().ok();
    let written = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    (path.to_owned(), written, metadata.map_or(0, |metadata| metadata.len()))
}

/// The registry of these files; for one that is bad, of what it was before.
fn load(
    files: &Fingerprint,
    before: &BTreeMap<PathBuf, String>,
) -> (Registry, BTreeMap<PathBuf, String>, Vec<String>) {
    let mut registry = Registry::builtin();
    let (mut good, mut faults) = (BTreeMap::new(), Vec::new());
    for (path, ..) in files {
        let name = path.display().to_string();
        let added = folder::read(path)
            .map_err(|failure| match failure {
                Failure::Failed(lines) => lines.join("; "),
                _ => format!("{name}: cannot be read"),
            })
            .and_then(|text| match registry.add(&name, &text) {
                Ok(()) => Ok(text),
                Err(error) => Err(error.to_string()),
            });
        match added {
            Ok(text) => drop(good.insert(path.clone(), text)),
            Err(fault) => {
                faults.push(fault);
                if let Some(text) =
                    before.get(path).filter(|text| registry.add(&name, text).is_ok())
                {
                    good.insert(path.clone(), text.clone());
                }
            }
        }
    }
    (registry, good, faults)
}

/// How often the files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::fs;

    use event::Event;
    use serde_json::json;

    use super::*;

    fn schema(name: &str, summary: &str) -> String {
        json!({
            "name": name, "version": 1, "title": "t", "description": "", "owner": "o",
            "topics": [format!("#.{name}")], "body": {}, "render": {"app": "t", "summary": summary},
            "examples": [{"topic": name, "body": {}, "expect": {}}],
        })
        .to_string()
    }

    fn said(registry: &Registry, topic: &str) -> String {
        let event = Event::new(topic.parse().unwrap(), json!({"agent": "ada"})).unwrap();
        registry.describe(&event).summary
    }

    #[test]
    fn a_changed_file_is_in_force_and_a_bad_one_leaves_the_old_one() {
        let home = tempfile::tempdir().unwrap();
        let (door, gate) = (home.path().join("door.json"), home.path().join("gate.json"));
        fs::write(&door, schema("door", "one")).unwrap();
        let mut live = Live::begin(&[home.path().to_owned()]).unwrap();
        let registry = live.registry().clone();
        assert_eq!(said(&registry, "door"), "one");
        assert_eq!(live.look(), []);
        fs::write(&door, schema("door", "three")).unwrap();
        fs::write(&gate, schema("gate", "four")).unwrap();
        assert_eq!(live.look(), [Notice::Read(2)]);
        assert_eq!(
            (said(&registry, "door"), said(&registry, "gate")),
            ("three".into(), "four".into())
        );
        fs::write(&door, schema("door", "{{ broken")).unwrap();
        let notices = live.look();
        let Some(Notice::Bad(line)) = notices.get(1) else { panic!("{notices:?}") };
        assert!(line.contains("door.json") && line.contains("$.render.summary"), "{line}");
        assert!(line.ends_with("what it said before, if anything, stays in force"), "{line}");
        assert_eq!(said(&registry, "door"), "three");
        fs::remove_file(&gate).unwrap();
        live.look();
        assert_eq!(said(&registry, "gate"), "gate by ada");
        assert_eq!(said(&registry, "door"), "three");
    }

    #[test]
    fn a_directory_that_goes_away_takes_no_schema_with_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("schemas");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("door.json"), schema("door", "one")).unwrap();
        let mut live = Live::begin(std::slice::from_ref(&folder)).unwrap();
        fs::rename(&folder, home.path().join("elsewhere")).unwrap();
        assert_eq!(live.look().len(), 1);
        assert_eq!(live.look(), []);
        assert_eq!(said(live.registry(), "door"), "one");
        fs::rename(home.path().join("elsewhere"), &folder).unwrap();
        assert_eq!(live.look(), [Notice::Read(1)]);
        let failing = schema("door", "{{ body.n + body.missing.far }}");
        fs::write(folder.join("door.json"), failing).unwrap();
        live.look();
        said(live.registry(), "door");
        let notices = live.look();
        assert!(matches!(&notices[..], [Notice::Bad(line)] if line.starts_with("1 events")));
    }
}
