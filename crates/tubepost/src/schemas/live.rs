//! Schemas that are read again when their files change. A file that became bad is told of, and
//! what it said before stays in force.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use event::Registry;

use super::{copy, folder, mirror::Mirror, source::Source};
use crate::{config::Schemas, failure::Failure};

/// The directories and registries, and what of them is in force.
pub(crate) struct Live {
    registry: Registry,
    places: Vec<Place>,
    /// The text of each file, as it last was a schema.
    good: BTreeMap<PathBuf, String>,
    seen: Vec<Seen>,
    unreadable: bool,
    failures: u64,
}

enum Place {
    Directory(PathBuf),
    Mirror(Mirror),
}

/// What a place had when it was looked at.
enum Seen {
    Files(Vec<Stamp>),
    Copy(Arc<copy::Copy>),
}

/// A file, when it was last written, and its size.
type Stamp = (PathBuf, Option<SystemTime>, u64);

impl Live {
    /// Reads all schemas there are on disk, and asks nobody for others. Also gives what an operator
    /// should know.
    ///
    /// # Errors
    /// A directory cannot be read, or a file is no schema: at the beginning there is no older one.
    pub(crate) fn begin(schemas: &Schemas) -> Result<(Live, Vec<Notice>), Failure> {
        let mut notices = Vec::new();
        let place = |source: &Source| match source {
            Source::Directory(path) => Place::Directory(path.clone()),
            Source::Registry(url) => {
                let (mirror, told) = Mirror::open(url, &schemas.cache, schemas.refresh);
                notices.extend(told);
                Place::Mirror(mirror)
            }
        };
        let places: Vec<Place> = schemas.sources.iter().map(place).collect();
        let seen = places.iter().map(Place::look).collect::<Result<Vec<_>, _>>()?;
        let Loaded { registry, good, faults, of_copies } = load(&seen, &BTreeMap::new());
        if !faults.is_empty() {
            return Err(Failure::Failed(faults));
        }
        notices.extend(of_copies.into_iter().map(Notice::Bad));
        let live = Live { registry, places, good, seen, unreadable: false, failures: 0 };
        Ok((live, notices))
    }

    /// The registries of other machines.
    pub(crate) fn mirrors(&self) -> Vec<Mirror> {
        let mirror = |place: &Place| match place {
            Place::Mirror(mirror) => Some(mirror.clone()),
            Place::Directory(_) => None,
        };
        self.places.iter().filter_map(mirror).collect()
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
        let seen = match self.places.iter().map(Place::look).collect::<Result<Vec<_>, _>>() {
            Ok(seen) if is_same(&seen, &self.seen) && !self.unreadable => return Vec::new(),
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
        let Loaded { registry, good, faults, of_copies } = load(&seen, &self.good);
        self.registry.replace(&registry);
        (self.good, self.seen) = (good, seen);
        let in_copies: usize = self.seen.iter().map(Seen::in_copy).sum();
        let mut notices = vec![Notice::Read(self.good.len() + in_copies)];
        notices.extend(faults.into_iter().map(|fault| {
            Notice::Bad(format!("{fault}; what it said before, if anything, stays in force"))
        }));
        notices.extend(of_copies.into_iter().map(Notice::Bad));
        notices
    }
}

impl Place {
    fn look(&self) -> Result<Seen, Failure> {
        match self {
            Place::Directory(path) => {
                let files = folder::files(path)?;
                Ok(Seen::Files(files.into_iter().map(|path| stamp(&path)).collect()))
            }
            Place::Mirror(mirror) => Ok(Seen::Copy(mirror.copy())),
        }
    }
}

impl Seen {
    fn in_copy(&self) -> usize {
        match self {
            Seen::Files(_) => 0,
            Seen::Copy(copy) => copy.schemas.len(),
        }
    }
}

fn is_same(now: &[Seen], before: &[Seen]) -> bool {
    let same = |(now, before): (&Seen, &Seen)| match (now, before) {
        (Seen::Files(now), Seen::Files(before)) => now == before,
        (Seen::Copy(now), Seen::Copy(before)) => Arc::ptr_eq(now, before),
        _ => false,
    };
    now.len() == before.len() && now.iter().zip(before).all(same)
}

/// What an operator should know.
#[derive(Debug, PartialEq)]
pub(crate) enum Notice {
    /// So many schemas besides those that ship are in force now.
    Read(usize),
    /// What was bad is well again.
    Well(String),
    Bad(String),
}

impl Notice {
    /// Into the log.
    pub(crate) fn log(self) {
        match self {
            Notice::Read(schemas) => tracing::info!(schemas, "schemas were read again"),
            Notice::Well(what) => tracing::info!(%what, "schemas"),
            Notice::Bad(fault) => tracing::warn!(%fault, "schemas"),
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = path.metadata().ok();
    let written = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    (path.to_owned(), written, metadata.map_or(0, |metadata| metadata.len()))
}

struct Loaded {
    registry: Registry,
    good: BTreeMap<PathBuf, String>,
    faults: Vec<String>,
    /// Faults of what was kept of registries: those stand in nobody's way.
    of_copies: Vec<String>,
}

/// The registry of all these places, in their order; for a file that is bad, of what it was before.
fn load(seen: &[Seen], before: &BTreeMap<PathBuf, String>) -> Loaded {
    let registry = Registry::builtin();
    let (good, faults, of_copies) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut loaded = Loaded { registry, good, faults, of_copies };
    for place in seen {
        match place {
            Seen::Files(files) => files.iter().for_each(|(path, ..)| loaded.add_file(path, before)),
            Seen::Copy(copy) => {
                copy.schemas.iter().for_each(|kept| loaded.add_kept(&copy.url, kept));
            }
        }
    }
    loaded
}

impl Loaded {
    fn add_file(&mut self, path: &Path, before: &BTreeMap<PathBuf, String>) {
        let name = path.display().to_string();
        let added = folder::read(path)
            .map_err(|failure| match failure {
                Failure::Failed(lines) => lines.join("; "),
                _ => format!("{name}: cannot be read"),
            })
            .and_then(|text| match self.registry.add(&name, &text) {
                Ok(()) => Ok(text),
                Err(error) => Err(error.to_string()),
            });
        match added {
            Ok(text) => drop(self.good.insert(path.to_owned(), text)),
            Err(fault) => {
                self.faults.push(fault);
                if let Some(text) =
                    before.get(path).filter(|text| self.registry.add(&name, text).is_ok())
                {
                    self.good.insert(path.to_owned(), text.clone());
                }
            }
        }
    }

    fn add_kept(&mut self, url: &str, kept: &copy::Kept) {
        // Compiled on first use; a text that is added is compiled at once.
        if copy::is_shipped(&self.registry, &kept.name, &kept.etag) {
            return;
        }
        let shipped = Registry::builtin().schema(&kept.name);
        let text = kept.text.as_deref().or(shipped.as_deref().map(event::Schema::text));
        if let Err(error) = self.registry.add(&kept.name, text.unwrap_or_default()) {
            self.of_copies.push(format!("{url}: {error}"));
        }
    }
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

    fn begin(directory: &Path) -> Result<Live, Failure> {
        let schemas = Schemas {
            sources: vec![Source::Directory(directory.to_owned())],
            cache: directory.join("cache"),
            refresh: LOOK_EVERY,
        };
        Ok(Live::begin(&schemas)?.0)
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
        let mut live = begin(home.path()).unwrap();
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
        let mut live = begin(&folder).unwrap();
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
