//! Rules of Fedora's FMN 3, as its API gives them (`GET /api/v1/users/NAME/rules`,
//! `/api/v1/admin/rules`), read as rules of ours. `docs/notify.md` has the table of what becomes of
//! what.

use event::Severity;
use serde::Deserialize;

use crate::{
    rule::{Condition, Fault, Glob, Names, Outlet, Owner, Rule, VERSION, When, Who},
    store::Destination,
};

/// One rule that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Its id is `fmn.` and FMN's number: importing again replaces it.
    pub rule: Rule,
    /// Where it tells: for its owner's destinations.
    pub destinations: Vec<Destination>,
}

/// What a file of FMN's rules has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Import {
    /// What can be kept.
    pub rules: Vec<Imported>,
    /// What cannot, by FMN's number, and why.
    pub left_out: Vec<(u64, String)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Many(Vec<FmnRule>),
    One(Box<FmnRule>),
}

#[derive(Deserialize)]
struct FmnRule {
    id: u64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    disabled: bool,
    user: User,
    tracking_rule: TrackingRule,
    #[serde(default)]
    generation_rules: Vec<GenerationRule>,
}

#[derive(Deserialize)]
struct User {
    name: String,
}

#[derive(Deserialize)]
#[serde(tag = "name", content = "params", rename_all = "kebab-case")]
enum TrackingRule {
    ArtifactsOwned(Vec<String>),
    ArtifactsGroupOwned(Vec<String>),
    ArtifactsFollowed(Vec<Artifact>),
    /// FMN says `null`.
    #[expect(dead_code, reason = "read and not asked")]
    RelatedEvents(Option<serde::de::IgnoredAny>),
    UsersFollowed(Vec<String>),
}

#[derive(Deserialize)]
struct Artifact {
    name: String,
    #[serde(rename = "type")]
    kind: ArtifactKind,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ArtifactKind {
    Rpms,
    Containers,
    Modules,
    Flatpaks,
}

impl Artifact {
    /// An expression that is true of events whose publisher says that they concern it. Packages
    /// are events' own; the others are in fedora-messaging's headers only.
    fn expression(&self) -> Result<String, String> {
        let kind = match self.kind {
            ArtifactKind::Rpms => "rpm",
            ArtifactKind::Containers => "container",
            ArtifactKind::Modules => "module",
            ArtifactKind::Flatpaks => "flatpak",
        };
        match self.name.contains(['\'', '\\']) || self.name.contains(char::is_control) {
            true => Err(format!("its artifact {:?} has no such name", self.name)),
            false => Ok(format!("'fedora_messaging_{kind}_{}' in headers", self.name)),
        }
    }
}

#[derive(Deserialize)]
struct GenerationRule {
    #[serde(default)]
    destinations: Vec<FmnDestination>,
    #[serde(default)]
    filters: Filters,
}

#[derive(Deserialize)]
struct FmnDestination {
    protocol: String,
    address: String,
}

#[derive(Deserialize, Default, PartialEq, Clone)]
#[serde(default)]
struct Filters {
    applications: Option<Vec<String>>,
    excluded_applications: Option<Vec<String>>,
    severities: Option<Vec<String>>,
    topic: Option<String>,
    my_actions: Option<bool>,
}

/// Reads FMN's rules: a list of them, or one.
///
/// # Errors
/// The text is no JSON, or has a rule of another form: the [`Fault`] has line and column.
pub fn import(text: &str) -> Result<Import, Fault> {
    // By turns, so that the place of a fault is known, which an untagged form does not.
    let all = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text).map(File::Many),
        false => serde_json::from_str(text).map(File::One),
    };
    let all = match all.map_err(|error| Fault::syntax(&error))? {
        File::Many(all) => all,
        File::One(one) => vec![*one],
    };
    let mut import = Import::default();
    for rule in all {
        let id = rule.id;
        match rule.translate() {
            Ok(rules) => import.rules.extend(rules),
            Err(reason) => import.left_out.push((id, reason)),
        }
    }
    Ok(import)
}

/// An outlet, with what its `to` names.
type Told = (Outlet, Vec<Destination>);

impl FmnRule {
    /// Generation rules that differ in severities only are outlets of one rule; others are rules.
    fn translate(self) -> Result<Vec<Imported>, String> {
        let tracked = self.tracking_rule.condition()?;
        if self.generation_rules.is_empty() {
            return Err("it has no generation rule, so it tells nobody".to_owned());
        }
        let mut groups: Vec<(Filters, Vec<Told>)> = Vec::new();
        for generation in self.generation_rules {
            let outlet = generation.outlet()?;
            let filters = Filters { severities: None, ..generation.filters };
            match groups.iter_mut().find(|(same, _)| *same == filters) {
                Some((_, outlets)) => outlets.push(outlet),
                None => groups.push((filters, vec![outlet])),
            }
        }
        let name = self.name.filter(|name| !name.trim().is_empty());
        let name = name.unwrap_or_else(|| format!("FMN rule {}", self.id));
        let several = groups.len() > 1;
        let mut imported = Vec::new();
        for (index, (filters, outlets)) in groups.into_iter().enumerate() {
            let (id, name) = match several {
                true => {
                    (format!("fmn.{}.{}", self.id, index + 1), format!("{name} ({})", index + 1))
                }
                false => (format!("fmn.{}", self.id), name.clone()),
            };
            let mut all = vec![tracked.clone()];
            all.extend(filters.conditions()?);
            let (outlets, destinations): (Vec<Outlet>, Vec<Vec<Destination>>) =
                outlets.into_iter().unzip();
            let rule = Rule {
                version: VERSION,
                id,
                owner: Owner::Person(self.user.name.clone()),
                name,
                enabled: !self.disabled,
                what: Condition::All(all),
                outlets,
            };
            let wrong = |faults: Vec<Fault>| {
                faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            };
            rule.check().map_err(wrong)?;
            imported.push(Imported { rule, destinations: destinations.concat() });
        }
        Ok(imported)
    }
}

impl TrackingRule {
    fn condition(&self) -> Result<Condition, String> {
        let people = |names: &[String]| names.iter().cloned().map(Who::Person).collect::<Vec<_>>();
        let is_empty = match self {
            TrackingRule::ArtifactsOwned(names)
            | TrackingRule::ArtifactsGroupOwned(names)
            | TrackingRule::UsersFollowed(names) => names.is_empty(),
            TrackingRule::ArtifactsFollowed(all) => all.is_empty(),
            TrackingRule::RelatedEvents(_) => false,
        };
        if is_empty {
            return Err("its tracking rule names nothing, so it matches nothing".to_owned());
        }
        Ok(match self {
            TrackingRule::ArtifactsOwned(names) => Condition::Maintainer(people(names)),
            TrackingRule::ArtifactsGroupOwned(names) => {
                Condition::Maintainer(names.iter().cloned().map(Who::Group).collect())
            }
            TrackingRule::ArtifactsFollowed(all) => followed(all)?,
            TrackingRule::RelatedEvents(_) => Condition::People(vec![Who::Me]),
            TrackingRule::UsersFollowed(names) => Condition::Agent(people(names)),
        })
    }
}

fn followed(all: &[Artifact]) -> Result<Condition, String> {
    let (packages, others): (Vec<&Artifact>, Vec<&Artifact>) =
        all.iter().partition(|artifact| artifact.kind == ArtifactKind::Rpms);
    let mut any = Vec::new();
    if !packages.is_empty() {
        any.push(Condition::Package(packages.iter().map(|package| &package.name).collect()));
    }
    // Expressions have a bound of length.
    for some in others.chunks(15) {
        let texts: Result<Vec<String>, String> =
            some.iter().map(|artifact| artifact.expression()).collect();
        any.push(Condition::Cel(texts?.join(" || ")));
    }
    match <[Condition; 1]>::try_from(any) {
        Ok([one]) => Ok(one),
        Err(any) => Ok(Condition::Any(any)),
    }
}

impl GenerationRule {
    fn outlet(&self) -> Result<Told, String> {
        let named = self.filters.severities.clone().unwrap_or_default();
        let severities: Result<Vec<Severity>, String> = match named.is_empty() {
            // FMN's own default.
            true => Ok(vec![Severity::Info, Severity::Warning, Severity::Error]),
            false => named.iter().map(|name| name.parse()).collect(),
        };
        let mut destinations = Vec::new();
        for FmnDestination { protocol, address } in &self.destinations {
            let kind = if protocol == "email" { "mail" } else { protocol };
            let destination = Destination::new(&format!("{kind}:{}", chat_name(kind, address)));
            destinations.push(destination.map_err(|error| error.to_string())?);
        }
        if destinations.is_empty() {
            return Err("it has no destination, so it tells nobody".to_owned());
        }
        let to = destinations.iter().map(|destination| destination.id.clone()).collect();
        Ok((Outlet { severities: severities?, to, when: When::default() }, destinations))
    }
}

/// An address of a chat is a URL there, by the account's record: `irc://libera.chat/ada`,
/// `matrix:/ada:example.org`, `matrix://example.org/ada`. The network is the notifier's to know.
fn chat_name(kind: &str, address: &str) -> String {
    let bare = address.strip_prefix(&format!("{kind}:")).unwrap_or(address);
    let (server, name) = match bare.strip_prefix("//").and_then(|bare| bare.split_once('/')) {
        Some((server, name)) => (Some(server), name),
        None => (None, bare.trim_start_matches('/')),
    };
    match (kind, server) {
        ("matrix", Some(server)) if !name.contains(':') => format!("@{name}:{server}"),
        ("matrix", _) if !name.starts_with(['@', '!', '#']) => format!("@{name}"),
        ("irc" | "matrix", _) => name.to_owned(),
        _ => bare.to_owned(),
    }
}

impl Filters {
    fn conditions(&self) -> Result<Vec<Condition>, String> {
        let mut all = Vec::new();
        let some = |names: &Option<Vec<String>>| names.clone().filter(|names| !names.is_empty());
        if let Some(names) = some(&self.applications) {
            all.push(Condition::App(Names(names)));
        }
        if let Some(names) = some(&self.excluded_applications) {
            all.push(Condition::Not(Box::new(Condition::App(Names(names)))));
        }
        if let Some(topic) = self.topic.as_ref().filter(|topic| !topic.is_empty()) {
            let glob: Glob = topic.parse()?;
            all.push(match glob.to_pattern() {
                Some(pattern) => Condition::Topic(vec![pattern]),
                None => Condition::TopicGlob(vec![glob]),
            });
        }
        if !self.my_actions.unwrap_or(false) {
            all.push(Condition::Not(Box::new(Condition::Agent(vec![Who::Me]))));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
