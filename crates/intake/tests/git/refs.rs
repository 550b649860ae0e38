//! What a push of branches and tags says.

use serde_json::json;

use crate::workshop::{Workshop, told};

#[test]
fn a_deleted_branch_is_told_with_what_it_pointed_at() {
    let shop = Workshop::new();
    let rev = shop.commit("base");
    shop.git(["branch", "gone"]);
    shop.push(["main", "gone"]);
    let events = shop.push(["--delete", "gone"]);
    assert_eq!(told(&events), ["git.branch.delete"]);
    let body = events[0].body.object();
    assert_eq!(
        (&body["branch"], &body["rev"], &body["old_rev"]),
        (&json!("gone"), &json!(null), &json!(rev))
    );
    assert_eq!(body["url"], json!(null));
}

#[test]
fn a_forced_push_tells_of_the_new_commits_and_that_some_were_lost() {
    let shop = Workshop::new();
    shop.commit("base");
    shop.commit("wrong");
    shop.commit("wrong too");
    shop.push(["main"]);
    shop.git(["reset", "-q", "--hard", "HEAD~2"]);
    shop.commit("right");
    let events = shop.push(["--force", "main"]);
    assert_eq!(told(&events), ["git.receive right", "git.branch.rewrite"]);
    assert_eq!(events[1].body.object()["lost"], json!(2));

    shop.git(["reset", "-q", "--hard", "HEAD~1"]);
    let events = shop.push(["--force", "main"]);
    assert_eq!(told(&events), ["git.branch.rewrite"]);
}

#[test]
fn light_and_annotated_tags_are_told_with_their_commit_and_message() {
    let shop = Workshop::new();
    let rev = shop.commit("base");
    shop.push(["main"]);
    shop.git(["tag", "light"]);
    shop.git(["tag", "-a", "v1.0", "-m", "Release 1.0\n\nThe one with the bells."]);
    shop.git(["tag", "-a", "nested", "-m", "a tag of a tag", "v1.0"]);
    let events = shop.push(["light", "v1.0", "nested"]);
    let mut found: Vec<_> = events
        .iter()
        .map(|event| {
            let body = event.body.object();
            json!([
                event.topic.as_str(),
                body["tag"],
                body["rev"],
                body["old_rev"],
                body["message"]
            ])
        })
        .collect();
    found.sort_by_key(ToString::to_string);
    assert_eq!(
        found,
        [
            json!(["git.tag.create", "light", rev, null, null]),
            json!(["git.tag.create", "nested", rev, null, "a tag of a tag\n"]),
            json!([
                "git.tag.create",
                "v1.0",
                rev,
                null,
                "Release 1.0\n\nThe one with the bells.\n"
            ]),
        ]
    );
}

#[test]
fn a_deleted_tag_is_told_with_its_commit() {
    let shop = Workshop::new();
    let rev = shop.commit("base");
    shop.git(["tag", "-a", "v1", "-m", "one"]);
    shop.push(["main", "v1"]);
    let events = shop.push(["--delete", "v1"]);
    assert_eq!(told(&events), ["git.tag.delete"]);
    assert_eq!(events[0].body.object()["old_rev"], json!(rev));
    assert!(events[0].body.object().get("message").is_none());
}

#[test]
fn a_tag_of_a_file_is_told_without_reading_the_file() {
    let shop = Workshop::new();
    shop.write("big", vec![b'x'; 3_000_000]);
    shop.commit("base");
    shop.git(["tag", "blob", "HEAD:big"]);
    let events = shop.push(["blob"]);
    assert_eq!(told(&events), ["git.tag.create"]);
    assert_eq!(events[0].body.object()["message"], json!(null));
}

#[test]
fn refs_that_are_neither_branch_nor_tag_are_not_told() {
    let shop = Workshop::new();
    shop.commit("base");
    assert_eq!(told(&shop.push(["HEAD:refs/changes/1"])), Vec::<String>::new());
}

#[test]
fn a_repository_of_sha_256_works_the_same() {
    let shop = Workshop::with_ids("sha256");
    let rev = shop.commit("long ids");
    assert_eq!(rev.len(), 64);
    assert_eq!(told(&shop.push(["main"])), ["git.receive long ids", "git.branch.create"]);
}
