//! The operator's words in the place of ours: a directory of templates, one for each medium. Read
//! and tried out once; one that fails later is counted, and the notice is said as it is without.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use minijinja::{AutoEscape, Environment, Error, ErrorKind, Template, UndefinedBehavior, Value};

use crate::{Kind, Notice, mail::one_line};

mod context;

/// The templates of a directory; by default there are none.
#[derive(Clone, Default)]
pub struct Templates(Option<Arc<Loaded>>);

struct Loaded {
    /// Each sees its own kind only: in HTML everything is escaped, also what is included.
    text: Environment<'static>,
    html: Environment<'static>,
    names: BTreeSet<String>,
    /// Whether one asks for bodies, which are made for nobody else.
    uses_body: bool,
    failed: AtomicU64,
}

impl Templates {
    /// Reads a directory, and tries each template on an event, a bare one and a digest.
    ///
    /// # Errors
    /// All that is wrong: file, line, and the mend.
    pub(crate) fn load(directory: &Path) -> Result<Templates, Vec<String>> {
        let sources = read(directory).map_err(|problem| vec![problem])?;
        let mut text = environment(AutoEscape::None);
        let mut html = environment(AutoEscape::Html);
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        let mut uses_body = false;
        for (name, source) in sources {
            uses_body |= source.contains("body");
            if !name.starts_with('_') {
                names.insert(name.clone());
            }
            let environment = if is_html(&name) { &mut html } else { &mut text };
            if let Err(problem) = check(&name, &source) {
                problems.push(format!("{name}{problem}"));
            } else if let Err(error) = environment.add_template_owned(name.clone(), source) {
                problems.push(said(&name, &error));
            }
        }
        let loaded = Loaded { text, html, names, uses_body, failed: AtomicU64::new(0) };
        if problems.is_empty() {
            problems.extend(loaded.names.iter().filter_map(|name| loaded.try_out(name).err()));
        }
        match problems.is_empty() {
            true => Ok(Templates(Some(Arc::new(loaded)))),
            false => Err(problems),
        }
    }

    /// How often one failed.
    pub fn failed(&self) -> u64 {
        self.0.as_ref().map_or(0, |loaded| loaded.failed.load(Relaxed))
    }

    /// What a template says of a notice; `None` when there is none of that name, or it failed.
    pub(crate) fn say(&self, name: &str, notice: &Notice) -> Option<String> {
        let loaded = self.0.as_ref().filter(|loaded| loaded.names.contains(name))?;
        match loaded.render(name, notice) {
            Ok(said) => Some(said),
            Err(error) => {
                // Whoever mends it needs one of them, and not all.
                let failed = loaded.failed.fetch_add(1, Relaxed) + 1;
                if failed.is_power_of_two() {
                    let (problem, topic) = (said(name, &error), notice.event.topic.as_str());
                    tracing::warn!(failed, topic, "template failed, said without it: {problem}");
                }
                None
            }
        }
    }

    /// As [`Templates::say`], by the one for this chat or by the one for all.
    pub(crate) fn say_in_chat(&self, kind: Kind, notice: &Notice) -> Option<String> {
        let loaded = self.0.as_ref()?;
        let own = format!("{kind}.txt");
        let name = if loaded.names.contains(&own) { own.as_str() } else { "chat.txt" };
        self.say(name, notice)
    }
}

impl Loaded {
    fn template(&self, name: &str) -> Result<Template<'_, '_>, Error> {
        if is_html(name) { &self.html } else { &self.text }.get_template(name)
    }

    fn render(&self, name: &str, notice: &Notice) -> Result<String, Error> {
        let template = self.template(name)?;
        let mut said = Bounded(Vec::new());
        template.render_captured_to(context::of(notice, self.uses_body), &mut said)?;
        Ok(String::from_utf8_lossy(&said.0).into_owned())
    }

    fn try_out(&self, name: &str) -> Result<(), String> {
        let template = self.template(name).map_err(|error| said(name, &error))?;
        let unknown = template.undeclared_variables(false);
        let unknown = unknown.iter().find(|name| !context::NAMES.contains(&name.as_str()));
        if let Some(unknown) = unknown {
            let known = context::NAMES.join(", ");
            return Err(format!("{name}: there is no '{unknown}'; there are {known}"));
        }
        for notice in context::samples() {
            self.render(name, &notice).map_err(|error| said(name, &error))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().flat_map(|loaded| &loaded.names)).finish()
    }
}

/// Name and text of each file.
fn read(directory: &Path) -> Result<Vec<(String, String)>, String> {
    let fault = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| fault(directory, error))? {
        paths.push(entry.map_err(|error| fault(directory, error))?.path());
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What editors and package managers leave beside.
        if name.starts_with('.') || !(name.ends_with(".txt") || name.ends_with(".html")) {
            continue;
        }
        let metadata = fs::metadata(&path).map_err(|error| fault(&path, error))?;
        if metadata.len() > SOURCE_BYTES_MAX {
            return Err(format!("{name} has over {SOURCE_BYTES_MAX} bytes; split it up"));
        }
        if sources.len() >= FILES_MAX {
            return Err(format!("{} holds over {FILES_MAX} templates", directory.display()));
        }
        sources.push((name, fs::read_to_string(&path).map_err(|error| fault(&path, error))?));
    }
    Ok(sources)
}

/// What the engine does not mind.
fn check(name: &str, source: &str) -> Result<(), String> {
    if !name.starts_with('_') && !FILES.contains(&name) {
        let known = FILES.join(", ");
        return Err(format!(" is no template; there are {known}, and parts that begin with '_'"));
    }
    for (index, line) in source.lines().enumerate() {
        // Then an event's text would be HTML.
        if line.contains("autoescape") {
            let number = index + 1;
            return Err(format!(
                ":{number}: what is escaped is not the template's to say; remove it"
            ));
        }
    }
    Ok(())
}

fn is_html(name: &str) -> bool {
    name.ends_with(".html")
}

fn environment(escape: AutoEscape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.set_debug(false);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.remove_filter("safe");
    // A null says nothing, like what is not there.
    environment.set_formatter(|out, state, value| {
        let value = if value.is_none() { &Value::UNDEFINED } else { value };
        minijinja::escape_formatter(out, state, value)
    });
    environment
}

/// `mail.txt:3: unknown filter: …`.
fn said(name: &str, error: &Error) -> String {
    let file = error.name().unwrap_or(name);
    let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let mend = match error.kind() {
        ErrorKind::OutOfFuel => "; it takes too long, leave loops out",
        ErrorKind::WriteFailure => "; it says too much",
        ErrorKind::UnknownFilter => "; see minijinja's list of filters, without safe",
        _ => "",
    };
    one_line(&format!("{file}{line}: {}{detail}{mend}", error.kind()), 500)
}

/// What is written into it ends at a bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.len() + bytes.len() > SAID_BYTES_MAX {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => {
                self.0.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Those that are asked for.
pub(crate) const SUBJECT: &str = "mail-subject.txt";
pub(crate) const TEXT: &str = "mail.txt";
pub(crate) const HTML: &str = "mail.html";
const FILES: [&str; 8] =
    [SUBJECT, TEXT, HTML, "chat.txt", "irc.txt", "matrix.txt", "ntfy.txt", "webhook.txt"];
/// Some milliseconds; a digest of a hundred lines costs a hundredth.
const FUEL: u64 = 200_000;
const RECURSION_MAX: usize = 64;
const SOURCE_BYTES_MAX: u64 = 64 * 1024;
const FILES_MAX: usize = 64;
const SAID_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
pub(crate) mod tests;
