//! `cargo xtask spec`: what AMQP 1.0 demands (`crates/amqp10/requirements.toml`) beside the code
//! that keeps it. Code and tests cite a demand by its section and name:
//! `//= amqp-1.0 §2.7.5 id-first`. A citation without a name is of a rule that is no MUST.

mod citations;
mod requirements;

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};

use crate::{project, tidy};
use citations::{Citation, Place};
use requirements::{Requirement, Requirements, Stand};

const FILE: &str = "crates/amqp10/requirements.toml";

/// Runs the verb.
///
/// # Errors
/// The findings.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        bail!("usage: cargo xtask spec");
    }
    check()?;
    Ok(ExitCode::SUCCESS)
}

/// Compares the demands with the citations of the whole checkout, and says which have no code.
///
/// # Errors
/// A demand that is neither cited nor excused, a citation of none, or a row that is wrong.
pub(crate) fn check() -> Result<()> {
    let files = tidy::text_files(&project::root())?;
    let text = files.iter().find(|it| it.path() == FILE).map(tidy::TextFile::text);
    let requirements = Requirements::parse(text.unwrap_or_default())?;
    let mut citations = Vec::new();
    for file in &files {
        citations.extend(citations::of(file.path(), file.text()));
    }
    let report = compare(&requirements, &citations);
    print!("{}", report.text);
    for finding in &report.findings {
        println!("{finding}");
    }
    ensure!(report.findings.is_empty(), "{} findings", report.findings.len());
    Ok(())
}

/// What stands in the way, and what there is to tell.
struct Report {
    findings: Vec<String>,
    text: String,
}

/// Rows by what is to be said of them, in the order of the sections.
type List<'a> = Vec<(&'a str, Vec<&'a Requirement>)>;

fn add<'a>(list: &mut List<'a>, why: &'a str, row: &'a Requirement) {
    match list.iter_mut().find(|(said, _)| *said == why) {
        Some((_, rows)) => rows.push(row),
        None => list.push((why, vec![row])),
    }
}

fn compare(requirements: &Requirements, citations: &[Citation]) -> Report {
    let mut findings = Vec::new();
    let cites = |it: &Requirement, citation: &Citation| {
        citation.section == it.section && citation.name.as_ref() == Some(&it.name)
    };
    for citation in citations.iter().filter(|it| it.name.is_some()) {
        if !requirements.rows.iter().any(|row| cites(row, citation)) {
            findings.push(format!("{citation}: {FILE} has no such row"));
        }
    }
    let (mut in_code, mut in_tests) = (0, 0);
    let (mut tests_only, mut not_kept, mut not_ours) = (List::new(), List::new(), List::new());
    for row in &requirements.rows {
        let of_row = || citations.iter().filter(|citation| cites(row, citation));
        let is_in_code = of_row().any(|it| it.place == Place::Code);
        match (&row.stand, of_row().next()) {
            (Stand::Kept, None) => findings.push(format!(
                "{row}: cited nowhere; cite it beside the code that keeps it, or say why not in \
                 {FILE}"
            )),
            (Stand::Kept, Some(_)) if is_in_code => in_code += 1,
            (Stand::Kept, Some(_)) => {
                in_tests += 1;
                add(&mut tests_only, "kept, and cited in tests only", row);
            }
            (_, Some(citation)) => {
                findings.push(format!("{row}: cited by {citation}, and excused; take one out"));
            }
            (Stand::NotKept(why), None) => add(&mut not_kept, why, row),
            (Stand::NotOurs(whose), None) => add(&mut not_ours, whose, row),
        }
    }
    let count = |list: &List| list.iter().map(|(_, rows)| rows.len()).sum::<usize>();
    let (none, others) = (count(&not_kept), count(&not_ours));
    let mut text = String::new();
    for (title, list) in [("", tests_only), ("not kept: ", not_kept), ("not ours: ", not_ours)] {
        for (why, rows) in list {
            text += &format!("{title}{why}\n");
            rows.iter().for_each(|row| text += &format!("  {row}\n"));
        }
    }
    text += &format!(
        "{} demands: {in_code} cited in code, {in_tests} in tests only, {none} not kept, {others} \
         of others\n",
        requirements.rows.len()
    );
    Report { findings, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "\
        [\"2.1\".kept]\nwho = \"both\"\nsays = \"One.\"\n\
        [\"2.10\".excused]\nwho = \"sender\"\nsays = \"Two.\"\nnot-kept = \"not yet\"\n\
        [\"2.9\".others]\nwho = \"client\"\nsays = \"Three.\"\nnot-ours = \"no client\"\n";

    fn report(code: &str) -> Report {
        let requirements = Requirements::parse(ROWS).unwrap();
        compare(&requirements, &citations::of("crates/a/src/a.rs", code))
    }

    #[test]
    fn a_demand_that_is_cited_is_kept() {
        let Report { findings, text } = report("    //= amqp-1.0 §2.1 kept\n    // Words.\n");
        assert_eq!(findings, [""; 0]);
        assert!(text.contains("not kept: not yet\n  §2.10 excused (sender): Two.\n"), "{text}");
        assert!(text.contains("not ours: no client\n  §2.9 others (client): Three.\n"), "{text}");
        let sum = "3 demands: 1 cited in code, 0 in tests only, 1 not kept, 1 of others\n";
        assert!(text.ends_with(sum), "{text}");
    }

    #[test]
    fn one_that_is_neither_cited_nor_excused_is_found() {
        let found = report("//= amqp-1.0 §2.1\n").findings;
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("§2.1 kept (both): One.: cited nowhere"), "{found:?}");
    }

    #[test]
    fn one_that_is_cited_and_excused_is_found() {
        let found = report("//= amqp-1.0 §2.1 kept\n//= amqp-1.0 §2.10 excused\n").findings;
        let text = "§2.10 excused (sender): Two.: cited by crates/a/src/a.rs:2, §2.10 excused, and \
                    excused; take one out";
        assert_eq!(found, [text]);
    }

    #[test]
    fn a_citation_of_no_demand_is_found() {
        let found = report("//= amqp-1.0 §2.1 kept\n//= amqp-1.0 §2.9 kept\n").findings;
        let text = format!("crates/a/src/a.rs:2, §2.9 kept: {FILE} has no such row");
        assert_eq!(found, [text]);
    }

    #[test]
    fn what_only_tests_cite_is_told() {
        let found = report("#[cfg(test)]\nmod tests {\n    //= amqp-1.0 §2.1 kept\n}\n");
        assert_eq!(found.findings, [""; 0]);
        assert!(found.text.contains("tests only\n  §2.1 kept (both): One.\n"), "{}", found.text);
    }

    #[test]
    fn this_checkout_has_no_finding() {
        check().unwrap();
    }
}
