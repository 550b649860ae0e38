//! `docs/guarantees.md` names a test behind each promise: each is there, by that name and file.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use harness::root;

/// Where the tests are whose files bear this mark.
fn directory(mark: &str) -> Option<&'static str> {
    match mark {
        "¹" => Some("tests/tests"),
        "²" => Some("crates/journal/tests"),
        "³" => Some("crates/broker/tests"),
        "⁴" => Some("crates/check/tests"),
        "⁵" => Some("crates/client/src"),
        "⁶" => Some("crates/notify/tests"),
        _ => None,
    }
}

#[test]
fn every_promise_has_the_test_that_it_names() -> Result<()> {
    let page = fs::read_to_string(root().join("docs/guarantees.md"))?;
    let named = page.lines().filter_map(|line| line.trim_start().strip_prefix("- `"));
    let mut found = 0;
    for line in named {
        let (file, rest) = line.split_once("` ").with_context(|| line.to_owned())?;
        let (mark, test) = rest.split_once(' ').with_context(|| line.to_owned())?;
        let Some(directory) = directory(mark) else { continue };
        let text = source(directory, file)?;
        if test != "all" {
            let function = format!("fn {}(", test.trim_matches('*'));
            ensure!(text.contains(&function), "{directory}/{file} has no test {test}");
        }
        found += 1;
    }
    ensure!(found >= 20, "the page names only {found} tests");
    Ok(())
}

/// A file of tests, or all files of a folder of them.
fn source(directory: &str, name: &str) -> Result<String> {
    let path = root().join(directory).join(name);
    if !path.is_dir() {
        let path = path.with_extension("rs");
        return fs::read_to_string(&path).with_context(|| path.display().to_string());
    }
    let mut text = String::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "rs") {
            text += &fs::read_to_string(path)?;
        }
    }
    Ok(text)
}
