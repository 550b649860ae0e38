//! A registry of another machine, by the copy of it that is kept here: asked again at an interval,
//! used while it is away. What is broken never replaces what is good.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use event::{Catalogue, Listed, Registry, Schema, content_tag, fnv_1a, schema_segment};
use tokio::time::Instant;

use super::{
    copy::{COPY_BYTES_MAX, Copy, Kept, is_shipped},
    fetch::{Fault, Fetch, Found},
    folder::FILE_BYTES_MAX,
    live::Notice,
};
use crate::http_url::HttpUrl;

/// One of them. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Mirror(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: HttpUrl,
    file: PathBuf,
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    copy: Arc<Copy>,
    /// When it last answered.
    asked: Option<SystemTime>,
    /// What was told last, so that it is told once.
    trouble: Option<Trouble>,
}

#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// For whatever reason: a server that is away refuses, breaks off and hangs by turns.
    NoList,
    Of(String),
}

impl Mirror {
    /// By the copy in `directory`, if there is one. It is asked at most so often. Also gives what
    /// is wrong with the copy.
    pub(super) fn open(url: &HttpUrl, directory: &Path, every: Duration) -> (Mirror, Vec<Notice>) {
        let name = url.to_string();
        let host = url.host().replace([':', '/', '.'], "-");
        let file = directory.join(format!("{host}-{:016x}.json", fnv_1a(name.as_bytes())));
        let (found, notices) = match Copy::read(&file, &name) {
            Ok(found) => (found, Vec::new()),
            Err(fault) => (None, vec![Notice::Bad(format!("{fault}; it is fetched anew"))]),
        };
        let (copy, asked) = match found {
            Some((copy, asked)) => (copy, Some(asked)),
            None => (Copy { url: name, ..Copy::default() }, None),
        };
        let state = Mutex::new(State { copy: Arc::new(copy), asked, trouble: None });
        (Mirror(Arc::new(Inner { url: url.clone(), file, every, state })), notices)
    }

    /// What is kept of it now.
    pub(super) fn copy(&self) -> Arc<Copy> {
        Arc::clone(&self.state().copy)
    }

    /// Asks it if nobody did so lately: at most for a moment while there is a copy to go on with.
    pub(super) async fn refresh_at_start(&self) -> Vec<Notice> {
        let (is_fresh, is_empty) = {
            let state = self.state();
            let age = state.asked.and_then(|asked| asked.elapsed().ok());
            let is_whole = state.copy.etag.is_some();
            (is_whole && age.is_some_and(|age| age < self.0.every), state.copy.schemas.is_empty())
        };
        match is_fresh {
            true => Vec::new(),
            false => self.refresh(if is_empty { FIRST_WAIT } else { START_WAIT }).await,
        }
    }

    /// Asks it for ever, once in its interval, and hands on what somebody should know.
    pub(super) async fn follow(&self, tell: impl Fn(Notice)) {
        loop {
            tokio::time::sleep(self.0.every).await;
            self.refresh(REFRESH_WAIT).await.into_iter().for_each(&tell);
        }
    }

    /// Asks it, and keeps what is good of the answer.
    async fn refresh(&self, patience: Duration) -> Vec<Notice> {
        let old = self.copy();
        let mut fetch = Fetch::new(&self.0.url, Instant::now() + patience);
        let (answer, mut faults) = match ask(&mut fetch, &self.0.url, &old).await {
            Ok(Some((copy, faults))) => (Some(copy), faults),
            Ok(None) => (None, Vec::new()),
            Err(fault) => return self.told(Some((fault, Trouble::NoList))),
        };
        let file = self.0.file.clone();
        let to_write = answer.clone();
        let written = tokio::task::spawn_blocking(move || match to_write {
            Some(copy) => copy.write(&file),
            None => Copy::touch(&file),
        });
        if let Ok(Err(error)) = written.await {
            let file = self.0.file.display();
            faults.push(format!("{file}: cannot be written: {error}; see event.schemas_cache"));
        }
        {
            let mut state = self.state();
            state.asked = Some(SystemTime::now());
            if let Some(copy) = answer.filter(|copy| *copy != *old) {
                state.copy = Arc::new(copy);
            }
        }
        let faults = Some(faults.join("; ")).filter(|faults| !faults.is_empty());
        self.told(faults.map(|faults| (faults.clone(), Trouble::Of(faults))))
    }

    /// What is new of a fault, as a notice.
    fn told(&self, fault: Option<(String, Trouble)>) -> Vec<Notice> {
        let mut state = self.state();
        let kept = state.copy.schemas.len();
        let (fault, trouble) = fault.unzip();
        let before = std::mem::replace(&mut state.trouble, trouble);
        if before == state.trouble {
            return Vec::new();
        }
        vec![match fault {
            Some(fault) if kept == 0 => Notice::Bad(format!(
                "{fault}; there is no copy of it, so its events are said generically"
            )),
            Some(fault) => {
                Notice::Bad(format!("{fault}; the {kept} schemas kept of it stay in force"))
            }
            None => Notice::Well(format!("{}: answers again", self.0.url)),
        }]
    }

    // Poisoned, it is entered: each change under it is whole.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is now, and what of it is bad; `None` when nothing has changed.
async fn ask(
    fetch: &mut Fetch<'_>,
    url: &HttpUrl,
    old: &Copy,
) -> Result<Option<(Copy, Vec<String>)>, String> {
    let list = format!("{}.json", url.path());
    let of_the_url = |fault: Fault| format!("{url}: {fault}");
    let answer = fetch.get(&list, old.etag.as_deref(), LIST_BYTES_MAX).await;
    let (etag, body) = match answer.map_err(of_the_url)? {
        Found::Same => return Ok(None),
        Found::Other { etag, body } => (etag, body),
    };
    let listed = read_list(&body).map_err(|reason| format!("{url}.json: {reason}"))?;
    let mut copy = Copy { url: old.url.clone(), etag, schemas: Vec::new() };
    let (mut faults, mut bytes, mut is_away) = (Vec::new(), 0, false);
    let shipped = Registry::builtin();
    let old: HashMap<&str, &Kept> =
        old.schemas.iter().map(|kept| (kept.name.as_str(), kept)).collect();
    for entry in listed {
        let before = old.get(entry.name.as_str()).copied();
        let found = match before {
            Some(kept) if kept.etag == entry.etag => Ok(kept.clone()),
            _ if is_shipped(&shipped, &entry.name, &entry.etag) => {
                Ok(Kept { name: entry.name.clone(), etag: entry.etag.clone(), text: None })
            }
            _ if is_away => Err(None),
            _ => one(fetch, url, &entry).await.map_err(Some),
        };
        let kept = match found {
            Ok(kept) => Some(kept),
            Err(fault) => {
                // What was not got is asked for next time.
                copy.etag = None;
                if let Some(One { fault, is_of_the_way }) = fault {
                    is_away |= is_of_the_way;
                    faults.push(fault);
                }
                before.cloned()
            }
        };
        let Some(kept) = kept else { continue };
        bytes += kept.text.as_ref().map_or(0, String::len) + kept.name.len() + KEPT_BYTES;
        if bytes > COPY_BYTES_MAX / 2 {
            return Err(format!("{url}: has schemas of more than {} bytes", COPY_BYTES_MAX / 2));
        }
        copy.schemas.push(kept);
    }
    faults.truncate(FAULTS_MAX);
    Ok(Some((copy, faults)))
}

fn read_list(body: &[u8]) -> Result<Vec<Listed>, String> {
    let list: Catalogue = serde_json::from_slice(body)
        .map_err(|error| format!("it is no list of schemas: {error}"))?;
    match list.schemas.len() {
        // Every registry has at least the schemas that ship.
        0 => Err("it lists no schema".to_owned()),
        count if count != list.count => {
            Err(format!("it lists {count} schemas and says that there are {}", list.count))
        }
        count if count > SCHEMAS_MAX => {
            Err(format!("it lists {count} schemas, more than {SCHEMAS_MAX}"))
        }
        _ => Ok(list.schemas),
    }
}

/// Why there is no schema.
struct One {
    fault: String,
    /// It could not be asked for; neither can the next.
    is_of_the_way: bool,
}

async fn one(fetch: &mut Fetch<'_>, url: &HttpUrl, entry: &Listed) -> Result<Kept, One> {
    let path = format!("{}/{}.json", url.path(), schema_segment(&entry.name));
    let limit = usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX);
    let of_the_way = |fault: Fault| One {
        fault: format!("{url}: {fault}"),
        is_of_the_way: !matches!(fault, Fault::Answer(_)),
    };
    let of_the_file =
        |reason: String| One { fault: format!("{url}: {path}: {reason}"), is_of_the_way: false };
    let body = match fetch.get(&path, None, limit).await.map_err(of_the_way)? {
        Found::Other { body, .. } => body,
        Found::Same => return Err(of_the_file("it answered 304 to who has nothing".to_owned())),
    };
    if content_tag(&body) != entry.etag {
        return Err(of_the_file("it is not what the list says, cut short or changed since".into()));
    }
    let text = String::from_utf8(body.into()).map_err(|_| of_the_file("it is not UTF-8".into()))?;
    let schema =
        Schema::parse(&entry.name, &text).map_err(|error| of_the_file(error.to_string()))?;
    if schema.name() != entry.name {
        return Err(of_the_file(format!("its name is {}", schema.name())));
    }
    Ok(Kept { name: entry.name.clone(), etag: entry.etag.clone(), text: Some(text) })
}

/// As long as a command waits for a registry at its start when there is no copy,
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// and when there is one.
const START_WAIT: Duration = Duration::from_secs(2);
/// As long as a whole answer may take.
const REFRESH_WAIT: Duration = Duration::from_secs(120);
const LIST_BYTES_MAX: usize = 8 << 20;
const SCHEMAS_MAX: usize = 10_000;
/// What a schema takes in the file besides its text and name.
const KEPT_BYTES: usize = 64;
const FAULTS_MAX: usize = 3;

#[cfg(test)]
mod tests;
