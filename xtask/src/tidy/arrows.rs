//! Who may know whom: the table of ARCHITECTURE.md against what the manifests say. The table's
//! columns are `crate` and `may know`; a cell holds crates' short names, `nobody`, or `everything`.
//! Development dependencies are free: tests may know more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Finding, TextFile};

pub(super) const FILE: &str = "ARCHITECTURE.md";
const PREFIX: &str = "tubepost-";

/// What a row of the table allows, and the line it stands on.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    allowed: Allowed,
}

#[derive(Debug, PartialEq, Eq)]
enum Allowed {
    Everything,
    These(BTreeSet<String>),
}

/// Every arrow that is in one and not in the other.
pub(super) fn check(file: &TextFile, metadata: &Value) -> Vec<Finding> {
    let rows = table(&file.text);
    let arrows = arrows(metadata);
    if rows.is_empty() {
        let mend = "write one, with the columns `crate` and `may know`";
        return vec![Finding::new(FILE, 1, "no table of who may know whom", mend)];
    }
    let mut findings = Vec::new();
    for (name, row) in &rows {
        match arrows.get(name) {
            None => {
                let what = format!("the table has {name}, the workspace has not");
                findings.push(Finding::new(FILE, row.line, what, "remove the row"));
            }
            Some(known) => findings.extend(compare(name, row, known)),
        }
    }
    for (name, known) in &arrows {
        if !rows.contains_key(name) {
            let mend = format!("add a row: {}", list(known));
            findings.push(Finding::new(FILE, 1, format!("the table lacks the crate {name}"), mend));
        }
    }
    findings
}

fn compare(name: &str, row: &Row, known: &BTreeSet<String>) -> Vec<Finding> {
    let Allowed::These(allowed) = &row.allowed else { return Vec::new() };
    let mut findings = Vec::new();
    for other in known.difference(allowed) {
        let what = format!("{name} knows {other}, which the table does not allow");
        let mend = format!("take {other} out of {name}'s Cargo.toml, or change the table and why");
        findings.push(Finding::new(FILE, row.line, what, mend));
    }
    for other in allowed.difference(known) {
        let what = format!("the table lets {name} know {other}, but it does not");
        findings.push(Finding::new(FILE, row.line, what, "take it out of the table"));
    }
    findings
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "nobody".into();
    }
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// The rows under the heading `| crate | may know |`.
fn table(text: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let cells: Vec<String> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.replace(['`', '*'], "").trim().to_owned())
            .collect();
        let [name, known, ..] = cells.as_slice() else {
            inside = false;
            continue;
        };
        if name == "crate" && known == "may know" {
            inside = true;
        } else if inside && !name.starts_with("--") && !name.starts_with(":-") {
            rows.insert(name.clone(), Row { line: index + 1, allowed: allowed(known) });
        }
    }
    rows
}

fn allowed(cell: &str) -> Allowed {
    match cell {
        "everything" | "everybody" => Allowed::Everything,
        "nobody" | "nothing" | "–" | "—" | "-" | "" => Allowed::These(BTreeSet::new()),
        names => Allowed::These(names.split(',').map(|name| name.trim().to_owned()).collect()),
    }
}

/// Which crate of the workspace depends on which, by short name, from `cargo metadata`.
fn arrows(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let empty = Vec::new();
    let packages = metadata["packages"].as_array().unwrap_or(&empty);
    let names: BTreeSet<&str> =
        packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut arrows = BTreeMap::new();
    for package in packages {
        let Some(name) = package["name"].as_str() else { continue };
        // The tests and the tasks stand outside the house.
        if name == "xtask" || name == "tubepost-tests" {
            continue;
        }
        let dependencies = package["dependencies"].as_array().unwrap_or(&empty);
        let known = dependencies
            .iter()
            .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| names.contains(name))
            .map(short);
        arrows.insert(short(name), known.collect());
    }
    arrows
}

fn short(package: &str) -> String {
    package.strip_prefix(PREFIX).unwrap_or(package).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata() -> Value {
        json!({"packages": [
            {"name": "tubepost-journal", "dependencies": [{"name": "bytes", "kind": null}]},
            {"name": "tubepost-broker", "dependencies": [
                {"name": "tubepost-journal", "kind": null},
                {"name": "tubepost-event", "kind": "dev"},
            ]},
            {"name": "tubepost-event", "dependencies": []},
            {"name": "tubepost", "dependencies": [{"name": "tubepost-broker", "kind": null}]},
            {"name": "xtask", "dependencies": []},
        ]})
    }

    fn found(rows: &str) -> Vec<String> {
        let text =
            format!("# Map\n\n| crate | may know | why |\n| --- | --- | --- |\n{rows}\nEnd.\n");
        let findings = check(&TextFile::test(FILE, &text), &metadata());
        findings.iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    #[test]
    fn a_table_that_says_what_is_so_has_no_finding() {
        let rows = "| `journal` | nobody | bytes |\n| `broker` | `journal` | log |\n\
                    | `event` | – | |\n| `tubepost` | everything | |";
        assert_eq!(found(rows), [""; 0]);
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found() {
        let rows = "| journal | nobody |\n| broker | nobody |\n| event | nobody |\n\
                    | tubepost | everything |";
        assert_eq!(found(rows), ["6: broker knows journal, which the table does not allow"]);
    }

    #[test]
    fn an_arrow_that_is_only_in_the_table_is_found() {
        let rows = "| journal | event |\n| broker | journal |\n| event | nobody |\n\
                    | tubepost | broker |";
        assert_eq!(found(rows), ["5: the table lets journal know event, but it does not"]);
    }

    #[test]
    fn a_crate_that_one_side_lacks_is_found() {
        let rows = "| journal | nobody |\n| broker | journal |\n| mailer | nobody |\n\
                    | tubepost | everything |";
        assert_eq!(
            found(rows),
            [
                "7: the table has mailer, the workspace has not",
                "1: the table lacks the crate event"
            ]
        );
    }

    #[test]
    fn a_page_without_the_table_is_found() {
        let findings = check(&TextFile::test(FILE, "# Map\n"), &metadata());
        assert_eq!(findings.len(), 1);
    }
}
