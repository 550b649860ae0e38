//! `docs/benchmarks.md`: what was measured, where, of whom, and how to do it again.

use std::{fmt::Write as _, path::Path};

use super::{
    contender::Contender,
    machine,
    table::{Row, table},
    versions,
};
use crate::setup::Servers;

/// What it is written of.
pub(super) struct Document<'a> {
    pub(super) contenders: &'a [Contender],
    pub(super) servers: &'a Servers,
    pub(super) data: &'a Path,
    pub(super) rows: &'a [Row],
    pub(super) command: String,
    pub(super) is_quick: bool,
}

impl Document<'_> {
    pub(super) fn text(&self) -> String {
        // The two protocols of Tubepost have a table of their own.
        let others = versions::without(self.contenders, self.rows);
        let names: Vec<String> = others.contenders.iter().map(Contender::name).collect();
        let (table, footnotes) = table(&names, &others.rows);
        let mut text = String::from(HEAD);
        if self.is_quick {
            text += QUICK;
        }
        let runs = if self.is_quick { "one run each" } else { "the median of three runs" };
        _ = write!(text, "\nMade by `{}`; {runs}.\n\n## Machine\n\n", self.command);
        for line in machine::lines(self.data) {
            _ = writeln!(text, "- {line}");
        }
        text += "\n## Who, and what a confirm is worth\n\n";
        for contender in &others.contenders {
            let (name, version) = (contender.name(), contender.version(self.servers));
            _ = writeln!(text, "- **{name}** {version}: {}.", contender.durability());
        }
        _ = write!(text, "\n## Figures\n\n{RATIOS}\n\n{table}");
        if !footnotes.is_empty() {
            _ = write!(text, "\n{}", numbered(&footnotes));
        }
        _ = write!(text, "\n{CASES}");
        if let Some(versions) = versions::section(self.contenders, self.rows) {
            _ = write!(text, "\n## AMQP 1.0 beside 0-9-1\n\n{VERSIONS}\n\n{versions}");
        }
        text
    }
}

/// The footnotes, as they are referred to.
pub(super) fn numbered(footnotes: &[String]) -> String {
    let lines = footnotes.iter().enumerate();
    lines.map(|(at, words)| format!("- [{}] {words}\n", at + 1)).collect()
}

const HEAD: &str = "# Benchmarks\n\n\
Tubepost beside other brokers: the same load from the same program (`tubepost bench`), one broker\n\
after the other, each fresh for each case, on loopback, as it is when nothing is configured\n\
(but for how many may connect).\n\
`cargo xtask bench` writes this page.\n";

const QUICK: &str = "\n**This is a quick run**: one run of two seconds for each case, on a machine \
that had other work\nmeanwhile. It shows that the comparison works; its figures are not to be \
quoted.\n";

const RATIOS: &str = "`÷` says how many times better Tubepost is: above 1 it is ahead, whether \
more is better (by the\nsecond) or less (time, CPU, memory). A dash has its reason below the table.";

const VERSIONS: &str = "Tubepost by either protocol, the same load, each on a server of its own. \
`÷` says how many times better\n1.0 is: the goal is 0.85 or more.";

const CASES: &str = "\
`start`: on an empty directory, until the first answer; resident memory with nothing to do. The\n\
other cases are `tubepost bench`'s, and `tubepost bench --list` says what each does. CPU time is the\n\
broker's for each message published; latencies count from when a message was due. Every run checks\n\
that each message arrived once and in order; a figure with a mark is of a run where that was not so.\n";

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::bench::load::Finding;

    #[test]
    fn a_quick_run_says_so_and_every_confirm_what_it_is_worth() {
        let nothing = || PathBuf::from("no-such-program");
        let servers = Servers { tubepost: nothing(), rabbitmq: nothing(), nats: nothing() };
        let findings = vec![
            Finding::Figures(json!({ "delivered_per_s": 5.0 })),
            Finding::None("it cannot".to_owned()),
        ];
        let text = Document {
            contenders: &[Contender::Tubepost, Contender::Nats],
            servers: &servers,
            data: Path::new("."),
            rows: &[Row { case: "A16".to_owned(), findings }],
            command: "cargo xtask bench A16 --quick".to_owned(),
            is_quick: true,
        }
        .text();
        for part in [
            "This is a quick run",
            "fdatasync",
            "two minutes",
            "- [1] NATS, case A16: it cannot",
            "`cargo xtask bench A16 --quick`",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
