//! Several patches of one notice: their headings, their counts and their bound.

use super::*;
use crate::digest::tests::digest;

const DIFF: &str = "\
diff --git a/s.c b/s.c
index 257cc56..3bd1f0e 100644
--- a/s.c
+++ b/s.c
@@ -1,3 +1,3 @@ fn x
 a
--- x
-b
+++ y
+c
\\ No newline at end of file
diff --git a/new b/new
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+one
";

fn one(patch: &str) -> Notice {
    digest(1, |_, _, told| told.patch = Some(patch.to_owned()))
}

#[test]
fn what_a_patch_changes_is_counted_as_git_does() {
    assert_eq!(stat(DIFF), "2 files changed, 3 insertions(+), 2 deletions(-)");
    assert_eq!(stat("diff --git a/x b/x\nrename from x\n"), "1 file changed");
    for hostile in ["@@ -1,99999999999999999999 +1 @@\n+a", "@@ ", "@@ -+ @@\n-", ""] {
        assert!(stat(hostile).starts_with("0 files"), "{hostile}");
    }
}

#[test]
fn one_event_may_have_several_and_one_patch_needs_no_heading() {
    assert!(!Patches::of(&one(DIFF), 10_000).are_several());
    let patch = format!("commit 1f2e3d one\n{DIFF}commit 4a5b6c two\u{1b}\n{DIFF}commit 7 none\n");
    let notice = one(&patch);
    let patches = Patches::of(&notice, 10_000);
    let headings: Vec<&str> = patches.shown.iter().map(|one| one.heading.as_str()).collect();
    assert_eq!(headings, ["1f2e3d one", "4a5b6c two"]);
    assert!(patches.shown.iter().all(|one| one.whole == DIFF && one.kept == DIFF));
    // A line of a diff begins with a sign: it is no heading.
    assert!(!Patches::of(&one(&format!("{DIFF}+commit x\n")), 10_000).are_several());
}

#[test]
fn all_of_a_push_are_bounded_together_and_a_large_one_leaves_room_for_others() {
    let large = format!("diff --git a/l b/l\n{}", "+a line\n".repeat(1000));
    let notice = digest(80, |number, _, told| {
        told.summary = format!("commit {number}\nx");
        told.patch = (number != 3).then(|| if number == 0 { large.clone() } else { DIFF.into() });
    });
    let patches = Patches::of(&notice, 10_000);
    assert_eq!((patches.shown.len(), patches.shown[1].heading.as_str()), (50, "commit 1 x"));
    let kept: usize = patches.shown.iter().map(|one| one.kept.len()).sum();
    assert!(kept <= 10_000, "{kept}");
    assert!(patches.shown[0].kept.len() <= 200 && patches.shown[49].kept.len() > 100);
    assert_eq!(
        patches.left_out.unwrap(),
        format!("29 more patches, {} bytes, are left out", 29 * DIFF.len())
    );
    assert_eq!(Patches::of(&notice, 0), Patches::default());
    for bytes_max in 1..300 {
        let kept = Patches::of(&notice, bytes_max).shown.iter().map(|one| one.kept.len()).sum();
        assert!(bytes_max >= kept);
    }
}

#[test]
fn a_schema_says_several_as_the_documentation_has_it() {
    let page = include_str!("../../../../../docs/schemas.md");
    let row = page.lines().find(|line| line.starts_with("| `patch` | template |")).unwrap();
    let template = row.split('`').find(|code| code.starts_with("{%")).unwrap().replace("\\|", "|");
    let schema = serde_json::json!({
        "name": "x.push", "version": 1, "title": "Pushed", "description": "Several commits.",
        "owner": "tests", "topics": ["#.x.push"],
        "body": {"type": "object"},
        "render": {
            "app": "x", "summary": "pushed", "patch": template.replace("\\n", "\n"),
        },
        "examples": [{"topic": "org.x.push", "body": {}, "expect": {"summary": "pushed"}}],
    });
    let mut registry = event::Registry::builtin();
    registry.add("x.push.json", &schema.to_string()).unwrap();
    let commit =
        |id: &str, message: &str| serde_json::json!({"id": id, "message": message, "patch": DIFF});
    let body = serde_json::json!({"commits": [
        commit("1f2e3d4c5b6a", "one\n\nmore"), commit("aabbccddeeff", "commit two"),
    ]});
    let event = event::Event::new("org.x.push".parse().unwrap(), body).unwrap();
    let told = registry.describe(&event);
    let notice = digest(1, |_, _, description| *description = told.clone());
    let patches = Patches::of(&notice, 10_000);
    let headings: Vec<&str> = patches.shown.iter().map(|one| one.heading.as_str()).collect();
    assert_eq!(headings, ["1f2e3d4c one", "aabbccdd commit two"]);
    assert_eq!(patches.shown[1].whole, DIFF);
}
