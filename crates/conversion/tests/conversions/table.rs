//! The rows of a table in `docs/conversion.md` against the cases of a test: each has the other.

use std::collections::BTreeSet;

/// Compares the first column of the table under this heading with the cases' names.
pub(crate) fn check<'a>(heading: &str, cases: impl Iterator<Item = &'a str>) {
    let page = include_str!("../../../../docs/conversion.md");
    let (_, section) = page.split_once(&format!("# {heading}\n")).unwrap();
    let table = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.take_while(|line| line.starts_with('|')).skip(2);
    let rows: Vec<_> = rows.map(|row| row.split(" | ").next().unwrap()).collect();
    let documented: BTreeSet<_> = rows.iter().map(|row| row.trim_start_matches("| ")).collect();
    assert_eq!(documented.len(), rows.len(), "a row is there twice");
    let tested: BTreeSet<_> = cases.collect();
    let difference: Vec<_> = documented.symmetric_difference(&tested).collect();
    assert!(difference.is_empty(), "only documented, or only tested: {difference:#?}");
}
