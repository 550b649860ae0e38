//! The events of one push.

use std::collections::{HashMap, HashSet};

use event::{Event, Topic};
use serde_json::{Value, json};

use super::{
    Oid, RefKind, RefUpdate, Repository, Rules,
    commit::{Commit, Place},
    rev_list::Walk,
    tag::Tag,
    url_template::UrlValues,
};
use crate::Error;

/// Makes the events of a push, in the order they are to be sent. Reads the repository with a few
/// git processes: one for all commits, one more for each branch that changed.
///
/// # Errors
/// [`Error::NoGit`], [`Error::Git`] and [`Error::Output`] when the repository cannot be read.
pub fn read_push(
    repository: &Repository,
    updates: &[RefUpdate],
    rules: &Rules,
) -> Result<Vec<Event>, Error> {
    let walks = walk_branches(repository, updates, rules.commits_max)?;
    let mut seen = HashSet::new();
    let mut revs: Vec<&Oid> = walks.iter().flatten().flat_map(|walk| &walk.gained).collect();
    revs.retain(|rev| seen.insert(*rev));
    let commits = repository.read_commits(&revs, rules.patch_bytes_max)?;
    let tag_ids: Vec<&Oid> = updates
        .iter()
        .filter(|update| matches!(update.kind(), RefKind::Tag(_)))
        .flat_map(|update| [&update.old, &update.new])
        .flatten()
        .collect();
    let tags = repository.read_tags(&tag_ids)?;

    let namespace = rules.namespace.of(repository.path());
    let mut telling = Telling {
        rules,
        path: repository.path().to_string_lossy().into_owned(),
        repo: repository.name(),
        namespace,
        told: HashSet::new(),
        events: Vec::new(),
    };
    for (update, walk) in updates.iter().zip(&walks) {
        match update.kind() {
            RefKind::Branch(branch) => telling.branch(update, branch, walk.as_ref(), &commits)?,
            RefKind::Tag(tag) => telling.tag(update, tag, &tags)?,
            RefKind::Other => {}
        }
    }
    Ok(telling.events)
}

// One walk for each update, `None` where no commits can have come: deletions, tags, and branches
// that come after the push's budget of commits is spent.
fn walk_branches(
    repository: &Repository,
    updates: &[RefUpdate],
    commits_max: usize,
) -> Result<Vec<Option<Walk>>, Error> {
    let mut before: Option<HashSet<Oid>> = None;
    let mut left = commits_max;
    let mut walks = Vec::with_capacity(updates.len());
    for update in updates {
        let walk = match (update.kind(), &update.old, &update.new) {
            (RefKind::Branch(_), Some(old), Some(new)) => {
                Some(repository.walk_update(old, new, left)?)
            }
            (RefKind::Branch(_), None, Some(new)) => {
                let before = match &before {
                    Some(before) => before,
                    None => before.insert(repository.tips_before(updates)?),
                };
                Some(repository.walk_new(new, before, left)?)
            }
            _ => None,
        };
        left -= walk.as_ref().map_or(0, |walk| walk.gained.len());
        walks.push(walk);
    }
    Ok(walks)
}

struct Telling<'a> {
    rules: &'a Rules,
    path: String,
    repo: String,
    namespace: Option<String>,
    /// Commits this push has told of, on whatever branch.
    told: HashSet<Oid>,
    events: Vec<Event>,
}

impl Telling<'_> {
    fn branch(
        &mut self,
        update: &RefUpdate,
        branch: &str,
        walk: Option<&Walk>,
        commits: &HashMap<Oid, Commit>,
    ) -> Result<(), Error> {
        if let Some(walk) = walk {
            if walk.gained_more > 0 {
                let mut body =
                    self.ref_body("branch", branch, update.new.as_ref(), update.old.as_ref());
                body["told"] = walk.gained.len().into();
                body["omitted"] = walk.gained_more.into();
                body["omitted_at_least"] = walk.at_least.into();
                self.tell("git.receive.omitted", body)?;
            }
            for commit in walk.gained.iter().rev().filter_map(|rev| commits.get(rev)) {
                self.commit(branch, commit)?;
            }
        }
        let topic = match (&update.old, &update.new, walk) {
            (None, Some(_), _) => "git.branch.create",
            (Some(_), None, _) => "git.branch.delete",
            (Some(_), Some(_), Some(walk)) if walk.lost > 0 => "git.branch.rewrite",
            _ => return Ok(()),
        };
        let mut body = self.ref_body("branch", branch, update.new.as_ref(), update.old.as_ref());
        if let ("git.branch.rewrite", Some(walk)) = (topic, walk) {
            body["lost"] = walk.lost.into();
        }
        self.tell(topic, body)
    }

    fn commit(&mut self, branch: &str, commit: &Commit) -> Result<(), Error> {
        let seen = !self.told.insert(commit.rev.clone());
        let place = Place {
            path: &self.path,
            repo: &self.repo,
            namespace: self.namespace.as_deref(),
            branch,
        };
        let url = self.url(&commit.rev, branch);
        let body = json!({
            "agent": self.rules.agent,
            "commit": commit.to_json(place, seen, url),
        });
        self.tell("git.receive", body)
    }

    fn tag(
        &mut self,
        update: &RefUpdate,
        tag: &str,
        tags: &HashMap<Oid, Tag>,
    ) -> Result<(), Error> {
        let target = |id: &Option<Oid>| {
            let id = id.as_ref()?;
            Some(tags.get(id).and_then(|tag| tag.target.as_ref()).unwrap_or(id).clone())
        };
        let (old, new) = (target(&update.old), target(&update.new));
        let mut body = self.ref_body("tag", tag, new.as_ref(), old.as_ref());
        let Some(id) = &update.new else { return self.tell("git.tag.delete", body) };
        body["message"] = tags.get(id).and_then(|tag| tag.message.clone()).into();
        self.tell("git.tag.create", body)
    }

    fn ref_body(&self, kind: &str, name: &str, new: Option<&Oid>, old: Option<&Oid>) -> Value {
        json!({
            "agent": self.rules.agent,
            "repo": self.repo,
            "namespace": self.namespace,
            "path": self.path,
            kind: name,
            "rev": new.map(Oid::as_str),
            "old_rev": old.map(Oid::as_str),
            "url": new.and_then(|rev| self.url(rev, name)),
        })
    }

    fn url(&self, rev: &Oid, branch: &str) -> Option<String> {
        let (repo, namespace) = (self.repo.as_str(), self.namespace.as_deref());
        let values = UrlValues { repo, namespace, rev: rev.as_str(), branch };
        self.rules.url_template.as_ref().map(|template| template.fill(values))
    }

    fn tell(&mut self, topic: &str, body: Value) -> Result<(), Error> {
        let topic: Topic = topic.parse()?;
        let topic = topic.prefixed(&self.rules.topic_prefix)?;
        self.events.push(Event::new(topic, body)?);
        Ok(())
    }
}
