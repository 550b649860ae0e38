//! Rules on one source file: its length, its lines, its name, its first line, what it must not
//! hold. Reads lines, not syntax: what it looks for is rare enough elsewhere.

use super::{Finding, TextFile, exceptions::Exceptions};

const LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 100;
/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "helper", "helpers", "common", "commons", "manager", "managers", "misc"];
/// Endings of type names that say as little.
const EMPTY_ENDINGS: [&str; 3] = ["Manager", "Helper", "Utils"];
const UNFINISHED_MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];

/// All rules that hold for Rust.
pub(super) fn check(file: &TextFile, exceptions: &Exceptions) -> Vec<Finding> {
    if exceptions.is_generated(&file.path) {
        return check_generated(file);
    }
    let mut findings = Vec::new();
    let count = file.text.lines().count();
    if count > LINES_MAX && !exceptions.may_be_long(&file.path) {
        let what = format!("{count} lines of at most {LINES_MAX}");
        let mend = "move the second story into a file of its own";
        findings.push(Finding::new(&file.path, LINES_MAX + 1, what, mend));
    }
    if !file.text.starts_with("//!") {
        let mend = "begin with 1 to 5 lines of //! on what is inside";
        findings.push(Finding::new(&file.path, 1, "no words on the module", mend));
    }
    let mut in_tests = is_test_code(&file.path);
    let mut before = "";
    for (index, line) in file.text.lines().enumerate() {
        in_tests |= line.trim() == "#[cfg(test)]";
        check_line(file, index + 1, line, &mut findings);
        if in_tests {
            check_sleep(file, index + 1, before, line, "// tidy:", &mut findings);
        }
        before = line;
    }
    findings
}

fn is_string(line: &str) -> bool {
    !line.trim_start().starts_with("//") && (line.contains('"') || line.ends_with('\\'))
}

fn check_line(file: &TextFile, number: usize, line: &str, findings: &mut Vec<Finding>) {
    let mut found = |what: String, mend: &str| {
        findings.push(Finding::new(&file.path, number, what, mend));
    };
    let columns = line.chars().count();
    // rustfmt breaks every line of code but those with a string in them, and a sentence reads
    // better whole.
    if columns > COLUMNS_MAX && !is_string(line) {
        found(format!("{columns} columns of at most {COLUMNS_MAX}"), "break the line");
    }
    let code = line.trim_start();
    if code.starts_with("//") {
        return;
    }
    for name in UNFINISHED_MACROS {
        if code.contains(&format!("{name}!(")) {
            found(format!("{name}! is left over"), "finish it or take it out");
        }
    }
    if code.starts_with(concat!("#[", "ignore")) {
        found("a test that never runs".into(), "mend the test or delete it");
    }
    if let Some(name) = declared(code, &["mod"])
        && EMPTY_NAMES.contains(&name)
    {
        found(format!("a module named {name}"), "name it after what is inside");
    }
    if let Some(name) = declared(code, &["struct", "enum", "trait", "type"])
        && EMPTY_ENDINGS.iter().any(|ending| name.ends_with(ending))
    {
        found(format!("a type named {name}"), "name it after what it is");
    }
}

/// The name that a line declares with one of the keywords, with or without `pub`.
fn declared<'a>(code: &'a str, keywords: &[&str]) -> Option<&'a str> {
    let mut words = code.split_whitespace();
    let mut word = words.next()?;
    if word.starts_with("pub") {
        word = words.next()?;
    }
    let name = keywords.contains(&word).then(|| words.next()).flatten()?;
    name.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
}

fn check_sleep(
    file: &TextFile,
    number: usize,
    before: &str,
    line: &str,
    reason: &str,
    findings: &mut Vec<Finding>,
) {
    let code = line.split_once("//").map_or(line, |(code, _)| code);
    if code.contains(concat!("sleep", "(")) && !before.contains(reason) && !line.contains(reason) {
        let mend = format!("wait for a condition with a deadline, or say why: `{reason} …`");
        findings.push(Finding::new(&file.path, number, "a test that sleeps", mend));
    }
}

/// Python in the tests must not sleep either.
pub(super) fn check_script(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_test_code(&file.path) && file.path.ends_with(".py") {
        let mut before = "";
        for (index, line) in file.text.lines().enumerate() {
            check_sleep(file, index + 1, before, line, "# tidy:", &mut findings);
            before = line;
        }
    }
    findings
}

/// A file or folder whose name says nothing.
pub(super) fn check_name(path: &str) -> Option<Finding> {
    let parts = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let name = parts.into_iter().find(|part| EMPTY_NAMES.contains(part))?;
    let what = format!("a file or folder named {name}");
    Some(Finding::new(path, 1, what, "name it after what is inside"))
}

/// A generated file says so at its top, so that nobody mends it by hand; that nobody did is for
/// `cargo xtask codegen --check` to find.
fn check_generated(file: &TextFile) -> Vec<Finding> {
    let mark = concat!("@", "generated");
    if file.text.lines().take(5).any(|line| line.contains(mark)) {
        return Vec::new();
    }
    let what = format!("tidy.toml calls it generated, but its first lines do not say {mark}");
    vec![Finding::new(&file.path, 1, what, "let the generator write the mark")]
}

fn is_test_code(path: &str) -> bool {
    path.split('/').any(|part| part == "tests")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let exceptions = "[[generated]]\npath = \"gen\"\nreason = \"r\"\n\
                          [[long]]\npath = \"table.rs\"\nreason = \"r\"\n";
        let exceptions = Exceptions::parse(exceptions).unwrap();
        let findings = check(&TextFile::test(path, text), &exceptions);
        findings.iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    #[test]
    fn a_file_in_order_has_no_finding() {
        let text = "//! Queues.\n\npub struct Queue;\n// Words of a comment may name dbg!\n";
        assert_eq!(found("queue.rs", text), [""; 0]);
    }

    #[test]
    fn a_long_file_and_a_long_line_are_found() {
        let long = format!("//! L.\n{}", "\n".repeat(600));
        assert_eq!(found("queue.rs", &long), ["601: 601 lines of at most 600"]);
        assert_eq!(found("table.rs", &long), [""; 0]);
        let wide = format!("//! W.\n// {}\n", "ü".repeat(98));
        assert_eq!(found("queue.rs", &wide), ["2: 101 columns of at most 100"]);
        let sentence = format!("//! W.\nconst W: &str = \"{}\";\n", "w".repeat(98));
        assert_eq!(found("queue.rs", &sentence), [""; 0], "rustfmt does not break strings");
    }

    #[test]
    fn a_module_without_words_is_found() {
        assert_eq!(found("queue.rs", "use std::fs;\n"), ["1: no words on the module"]);
    }

    #[test]
    fn what_is_unfinished_is_found() {
        for name in UNFINISHED_MACROS {
            let text = format!("//! U.\nfn f() {{ {name}!() }}\n");
            assert_eq!(found("queue.rs", &text), [format!("2: {name}! is left over")]);
        }
        let text = format!("//! U.\n#[{}]\nfn f() {{}}\n", "ignore = \"later\"");
        assert_eq!(found("queue.rs", &text), ["2: a test that never runs"]);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        assert_eq!(found("a.rs", "//! N.\nmod utils;\n"), ["2: a module named utils"]);
        assert_eq!(
            found("a.rs", "//! N.\npub(crate) struct QueueManager;\npub enum Common {}\n"),
            ["2: a type named QueueManager"]
        );
        assert!(check_name("crates/broker/src/helpers.rs").is_some());
        assert!(check_name("crates/common/src/lib.rs").is_some());
        assert!(check_name("crates/broker/src/commonest.rs").is_none());
    }

    #[test]
    fn a_test_that_sleeps_without_a_reason_is_found() {
        let sleep = format!("std::thread::{}(d);", concat!("sleep", ""));
        let text = format!(
            "//! S.\nfn back_off() {{ {sleep} }}\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}\n"
        );
        assert_eq!(found("a.rs", &text), ["5: a test that sleeps"]);
        let reasoned = format!("//! S.\n// tidy: the clock is what is tested\n{sleep}\n");
        assert_eq!(found("tests/tests/a.rs", &reasoned), [""; 0]);
        let bare = format!("//! S.\n{sleep}\n");
        assert_eq!(found("tests/tests/a.rs", &bare), ["2: a test that sleeps"]);
        let python = format!("import time\ntime.{}(1)\n", "sleep");
        assert_eq!(check_script(&TextFile::test("tests/python/a.py", &python)).len(), 1);
    }

    #[test]
    fn a_generated_file_must_say_so_and_nothing_else() {
        assert_eq!(found("gen/method.rs", "// @generated by codegen\nfn f() {}\n"), [""; 0]);
        assert_eq!(found("gen/method.rs", "fn f() {}\n").len(), 1);
    }
}
