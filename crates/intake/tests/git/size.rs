//! Pushes of a thousand commits, and patches that are too large.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::workshop::{Workshop, commit, git_in, text, told};

#[test]
fn a_huge_patch_is_cut_at_a_line_and_its_statistics_are_whole() {
    let mut shop = Workshop::new();
    shop.rules.patch_bytes_max = 10_000;
    let lines: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
    shop.write("big.txt", lines);
    shop.commit("big");
    shop.write("one-line.txt", "x".repeat(5_000_000));
    shop.commit("one line");
    let events = shop.push(["main"]);
    let big = commit(&events[0]);
    let patch = text(&big["patch"]);
    assert!(patch.len() < 10_100 && patch.len() > 9_000, "{}", patch.len());
    let (_, last) = patch.trim_end().rsplit_once('\n').unwrap();
    assert!(last.starts_with("\\ cut after "), "{last}");
    assert_eq!(big["patch_truncated"], json!(true));
    assert!(text(&big["patch_note"]).starts_with("cut after"), "{big}");
    assert_eq!(big["stats"]["total"]["additions"], json!(100_000));
    let one_line = commit(&events[1]);
    assert!(text(&one_line["patch"]).len() < 1000);
    assert_eq!(one_line["patch_truncated"], json!(true));
    assert_eq!(one_line["stats"]["total"]["additions"], json!(1));
}

#[test]
fn a_patch_that_is_not_utf_8_is_replaced_and_the_event_says_so() {
    let shop = Workshop::new();
    shop.write("latin1.txt", b"caf\xe9\n");
    shop.commit("latin");
    let events = shop.push(["main"]);
    let latin = commit(&events[0]);
    assert!(text(&latin["patch"]).contains("+caf\u{fffd}\n"));
    assert!(text(&latin["patch_note"]).contains("UTF-8"));
    assert_eq!(latin.get("patch_truncated"), None);
}

#[test]
fn a_message_in_another_encoding_arrives_as_utf_8() {
    let shop = Workshop::new();
    shop.git(["config", "i18n.commitEncoding", "ISO-8859-1"]);
    std::fs::write(shop.directory.path().join("message"), b"caf\xe9\n").unwrap();
    shop.git(["commit", "-q", "--allow-empty", "-F", "../message"]);
    assert_eq!(told(&shop.push(["main"]))[0], "git.receive café");
}

#[test]
fn a_binary_file_has_no_lines_and_does_not_disturb_what_follows() {
    let shop = Workshop::new();
    shop.write("image", b"\x00\x01\x02\nbinary\x00");
    // Text to git, which looks at the first 8000 bytes, with a NUL behind them.
    let mut late = b"text\n".repeat(2000);
    late.extend_from_slice(b"\x00late\n");
    shop.write("late", late);
    shop.commit("binary");
    shop.write("after", "after\n");
    shop.commit("after");
    let events = shop.push(["main"]);
    assert_eq!(told(&events)[..2], ["git.receive binary", "git.receive after"]);
    let binary = commit(&events[0]);
    assert_eq!(
        binary["stats"]["files"]["image"],
        json!({"additions": 0, "deletions": 0, "lines": 0})
    );
    assert!(text(&binary["patch"]).contains("Binary files /dev/null and b/image differ\n"));
    assert!(text(&commit(&events[1])["patch"]).contains("+after\n"));
}

#[test]
fn a_commit_of_very_many_files_names_some_and_counts_all() {
    let shop = Workshop::new();
    for n in 0..1500 {
        shop.write(format!("f{n:04}"), "x\n");
    }
    shop.commit("many files");
    let events = shop.push(["main"]);
    let stats = &commit(&events[0])["stats"];
    assert_eq!(stats["files"].as_object().unwrap().len(), 1000);
    assert_eq!(stats["files_omitted"], json!(500));
    assert_eq!(stats["total"]["files"], json!(1500));
}

// `git fast-import` makes a long history in one process.
fn import(shop: &Workshop, commits: usize) {
    let mut stream = String::new();
    for n in 1..=commits {
        let message = format!("commit {n}\n");
        let data = format!("content {n}\n");
        stream.push_str(&format!(
            "commit refs/heads/main\nmark :{n}\nauthor A <a@b.c> {n} +0000\ncommitter A <a@b.c> {n} +0000\n\
             data {}\n{message}\nM 100644 inline file{}\ndata {}\n{data}\n",
            message.len(),
            n % 50,
            data.len()
        ));
    }
    let path = shop.directory.path().join("stream");
    std::fs::write(&path, stream).unwrap();
    let output = std::process::Command::new("git")
        .args(["fast-import", "--quiet", "--force"])
        .current_dir(shop.tree())
        .stdin(std::fs::File::open(path).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_thousand_commits_become_a_thousand_events_within_seconds() {
    let shop = Workshop::new();
    import(&shop, 1000);
    let output = git_in(&shop.tree(), ["rev-parse", "main"]);
    assert!(output.status.success());
    let begin = Instant::now();
    let events = shop.push(["main"]);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(events.len(), 1001);
    for (n, event) in events[..1000].iter().enumerate() {
        assert_eq!(text(&commit(event)["summary"]), format!("commit {}", n + 1));
        assert!(text(&commit(event)["patch"]).contains(&format!("+content {}\n", n + 1)));
    }
}

#[test]
fn more_commits_than_the_limit_are_told_as_the_newest_and_one_event_for_the_rest() {
    let mut shop = Workshop::new();
    shop.rules.commits_max = 3;
    import(&shop, 10);
    let events = shop.push(["main"]);
    assert_eq!(
        told(&events),
        [
            "git.receive.omitted",
            "git.receive commit 8",
            "git.receive commit 9",
            "git.receive commit 10",
            "git.branch.create"
        ]
    );
    let body = events[0].body.object();
    assert_eq!(
        (&body["told"], &body["omitted"], &body["omitted_at_least"], &body["branch"]),
        (&json!(3), &json!(7), &json!(false), &json!("main"))
    );
}

#[test]
fn the_limit_holds_for_all_branches_of_a_push_together() {
    let mut shop = Workshop::new();
    shop.rules.commits_max = 2;
    shop.commit("base");
    shop.push(["main"]);
    for branch in ["a", "b"] {
        shop.git(["checkout", "-q", "-b", branch, "main"]);
        shop.commit(&format!("{branch} one"));
        shop.commit(&format!("{branch} two"));
    }
    assert_eq!(
        told(&shop.push(["a", "b"])),
        [
            "git.receive a one",
            "git.receive a two",
            "git.branch.create",
            "git.receive.omitted",
            "git.branch.create"
        ]
    );
}
