//! What a push of commits says.

use event::Event;
use intake::git::NamespaceRule;
use serde_json::json;

use crate::workshop::{Workshop, commit, text, told};

#[test]
fn the_first_push_tells_of_each_commit_oldest_first_and_then_of_the_branch() {
    let mut shop = Workshop::new();
    shop.rules.topic_prefix = "org.example".to_owned();
    shop.rules.namespace = NamespaceRule::Parent;
    shop.rules.url_template =
        Some("https://x.org/{repo_fullname}/c/{rev}?branch={branch}".parse().unwrap());
    shop.write("a.txt", "1\n2\n");
    shop.commit("first\n\nwith a body\n");
    shop.write("a.txt", "1\n3\n4\n");
    let second = shop.commit("second\n");
    let events = shop.push(["main"]);
    assert_eq!(
        told(&events),
        [
            "org.example.git.receive first",
            "org.example.git.receive second",
            "org.example.git.branch.create"
        ]
    );
    let path = shop.bare().canonicalize().unwrap();
    let path = path.to_str().unwrap();
    let mut body = events[1].body.object().clone();
    let patch = body["commit"]["patch"].take();
    assert_eq!(
        json!(body),
        json!({
            "agent": "ada",
            "commit": {
                "name": "Grace Höpper", "email": "grace@example.org", "username": "grace",
                "summary": "second", "message": "second\n",
                "stats": {
                    "files": {"a.txt": {"additions": 2, "deletions": 1, "lines": 3}},
                    "total": {"additions": 2, "deletions": 1, "lines": 3, "files": 1},
                },
                "rev": second, "path": path, "repo": "bash", "namespace": "rpms",
                "branch": "main", "patch": null, "date": "2026-11-24T10:42:31+01:00",
                "url": format!("https://x.org/rpms/bash/c/{second}?branch=main"), "seen": false,
            }
        })
    );
    let patch = text(&patch);
    assert!(patch.starts_with("diff --git a/a.txt b/a.txt\n"), "{patch}");
    assert!(patch.ends_with("-2\n+3\n+4\n"), "{patch}");
    assert_eq!(text(&commit(&events[0])["message"]), "first\n\nwith a body\n");
    assert_eq!(events[2].body.object()["rev"], json!(second));
    assert_eq!(events[2].body.object()["old_rev"], json!(null));
}

#[test]
fn a_later_push_tells_of_the_new_commits_only() {
    let shop = Workshop::new();
    shop.commit("one");
    shop.push(["main"]);
    shop.commit("two");
    shop.commit("three");
    assert_eq!(told(&shop.push(["main"])), ["git.receive two", "git.receive three"]);
}

#[test]
fn a_commit_on_two_branches_of_one_push_is_seen_the_second_time() {
    let shop = Workshop::new();
    shop.commit("base");
    shop.push(["main"]);
    shop.git(["branch", "f44"]);
    shop.push(["f44"]);
    shop.commit("fix");
    shop.git(["branch", "-f", "f44", "main"]);
    let events = shop.push(["main", "f44"]);
    assert_eq!(told(&events), ["git.receive fix", "git.receive fix"]);
    let seen: Vec<_> = events
        .iter()
        .map(|event| (commit(event)["branch"].clone(), commit(event)["seen"].clone()))
        .collect();
    assert_eq!(json!(seen), json!([["f44", false], ["main", true]]));
}

#[test]
fn a_new_branch_tells_of_what_no_ref_had_before_and_a_copy_of_a_branch_of_nothing() {
    let shop = Workshop::new();
    shop.commit("base");
    shop.push(["main"]);
    shop.git(["checkout", "-q", "-b", "topic"]);
    shop.commit("work");
    shop.git(["branch", "copy", "main"]);
    shop.git(["branch", "twin"]);
    assert_eq!(
        told(&shop.push(["copy", "topic", "twin"])),
        [
            "git.branch.create",
            "git.receive work",
            "git.branch.create",
            "git.receive work",
            "git.branch.create"
        ]
    );
}

#[test]
fn a_merge_tells_of_what_it_brought_and_its_patch_is_that_of_the_first_parent() {
    let shop = Workshop::new();
    shop.write("a", "a\n");
    shop.commit("base");
    shop.push(["main"]);
    shop.git(["checkout", "-q", "-b", "side"]);
    shop.write("side", "from the side\n");
    shop.commit("side work");
    shop.git(["checkout", "-q", "main"]);
    shop.write("a", "b\n");
    shop.commit("main work");
    shop.git(["merge", "-q", "--no-ff", "-m", "merge side", "side"]);
    let events = shop.push(["main"]);
    let mut summaries = told(&events);
    assert_eq!(summaries.pop().unwrap(), "git.receive merge side");
    summaries.sort();
    assert_eq!(summaries, ["git.receive main work", "git.receive side work"]);
    let merge = commit(&events[2]);
    assert_eq!(
        json!(["side"]),
        json!(merge["stats"]["files"].as_object().unwrap().keys().collect::<Vec<_>>())
    );
    assert!(text(&merge["patch"]).contains("+from the side\n"));
    assert!(!text(&merge["patch"]).contains("-a\n"));
}

#[test]
fn names_with_spaces_quotes_tabs_and_line_feeds_come_through() {
    let shop = Workshop::new();
    let names = ["with space", "with\"quote", "with\ttab", "with\nline feed", "ünï", "-dash", "'"];
    for name in names {
        shop.write(name, "x\n");
    }
    shop.commit("names");
    shop.git(["mv", "with space", "moved\nand more"]);
    shop.commit("rename");
    let events = shop.push(["main"]);
    let files = |event: &Event| -> Vec<String> {
        commit(event)["stats"]["files"].as_object().unwrap().keys().cloned().collect()
    };
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(files(&events[0]), expected);
    assert_eq!(commit(&events[0])["stats"]["total"]["files"], json!(7));
    assert_eq!(files(&events[1]), ["moved\nand more"]);
    assert!(text(&commit(&events[1])["patch"]).contains("rename from with space\n"));
}

#[test]
fn a_branch_may_have_an_odd_name() {
    let shop = Workshop::new();
    shop.commit("base");
    shop.git(["branch", "feature/ünï-'quoted'-$x;y"]);
    let events = shop.push(["feature/ünï-'quoted'-$x;y"]);
    assert_eq!(text(&commit(&events[0])["branch"]), "feature/ünï-'quoted'-$x;y");
}

#[test]
fn an_empty_commit_and_an_empty_message_are_told() {
    let shop = Workshop::new();
    shop.commit("nothing changed");
    shop.git(["commit", "-q", "--allow-empty", "--allow-empty-message", "-m", ""]);
    let events = shop.push(["main"]);
    assert_eq!(told(&events)[..2], ["git.receive nothing changed", "git.receive "]);
    assert_eq!(commit(&events[0])["patch"], json!(""));
    assert_eq!(commit(&events[0])["stats"]["total"]["files"], json!(0));
}

#[test]
fn a_plain_repository_is_named_by_its_work_tree() {
    let shop = Workshop::new();
    let repository = intake::git::Repository::open(&shop.tree().join(".git")).unwrap();
    assert_eq!(repository.name(), "tree");
    assert_eq!(repository.path(), shop.tree().canonicalize().unwrap());
    shop.commit("base");
    shop.git(["worktree", "add", "-q", "../linked"]);
    let linked = shop.directory.path().join("tree/.git/worktrees/linked");
    assert_eq!(intake::git::Repository::open(&linked).unwrap().name(), "tree");
}
