//! What an operator decides about the events of a push.

use std::path::{Path, PathBuf};

use super::UrlTemplate;

/// How pushes become events.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Stands before each topic: `org.example` makes `org.example.git.receive`.
    pub topic_prefix: String,
    /// Who pushed; see [`super::pusher`].
    pub agent: String,
    /// Where a repository's namespace comes from.
    pub namespace: NamespaceRule,
    /// Where a commit can be looked at.
    pub url_template: Option<UrlTemplate>,
    /// A patch longer than this many bytes is cut at a line.
    pub patch_bytes_max: usize,
    /// A push tells of this many commits one by one; the rest is one `git.receive.omitted`.
    pub commits_max: usize,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            topic_prefix: String::new(),
            agent: "unknown".to_owned(),
            namespace: NamespaceRule::None,
            url_template: None,
            patch_bytes_max: 256 * 1024,
            commits_max: 1000,
        }
    }
}

/// Where a repository's namespace comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceRule {
    /// Repositories have none.
    None,
    /// The directory a repository is in: `/srv/git/rpms/bash.git` is in `rpms`.
    Parent,
    /// All directories between this one and the repository: below `/srv/git`,
    /// `/srv/git/forks/ada/bash.git` is in `forks/ada`. Elsewhere there is none.
    Below(PathBuf),
}

impl NamespaceRule {
    /// The namespace of a repository by its absolute path.
    pub(crate) fn of(&self, repository: &Path) -> Option<String> {
        let parent = repository.parent()?;
        let namespace = match self {
            NamespaceRule::None => return None,
            NamespaceRule::Parent => Path::new(parent.file_name()?),
            NamespaceRule::Below(root) => parent.strip_prefix(root).ok()?,
        };
        match namespace.to_string_lossy() {
            name if name.is_empty() => None,
            name => Some(name.into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_namespace() {
        let below = NamespaceRule::Below("/srv/git".into());
        for (rule, path, expected) in [
            (&NamespaceRule::None, "/srv/git/rpms/bash.git", None),
            (&NamespaceRule::Parent, "/srv/git/rpms/bash.git", Some("rpms")),
            (&NamespaceRule::Parent, "/bash.git", None),
            (&below, "/srv/git/forks/ada/bash.git", Some("forks/ada")),
            (&below, "/srv/git/bash.git", None),
            (&below, "/home/ada/bash", None),
        ] {
            assert_eq!(rule.of(Path::new(path)).as_deref(), expected, "{rule:?} {path}");
        }
    }
}
