//! Git: what a push changed, as events, and the hook that tells of it.
//!
//! A push is some [`RefUpdate`]s. [`read_push`] makes of them, branch by branch in the order git
//! names them: one `git.receive` for each new commit, oldest first; then `git.branch.create`,
//! `git.branch.delete` or `git.branch.rewrite`; and `git.tag.create`, `git.tag.delete`. Bodies are
//! those of `schemas/git.*.json`; `git.receive` is fedora-messaging-git-hook's.

mod commit;
mod commit_log;
mod hook;
mod limits;
mod oid;
mod patch;
mod process;
mod push;
mod pusher;
mod ref_update;
mod repository;
mod rev_list;
mod rules;
mod tag;
mod url_template;

pub use hook::{Installed, Removed, install, remove};
pub use oid::Oid;
pub use push::read_push;
pub use pusher::pusher;
pub use ref_update::{RefKind, RefUpdate};
pub use repository::Repository;
pub use rules::{NamespaceRule, Rules};
pub use url_template::UrlTemplate;
