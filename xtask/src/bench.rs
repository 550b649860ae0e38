//! `cargo xtask bench`: Tubepost beside other brokers, the same cases in turn in one run, each
//! broker fresh for each case; the table goes to `docs/benchmarks.md`. With `--instructions`: what
//! each part of a message's way takes, in instructions, which no other load on the machine blurs.

mod contender;
mod curves;
mod document;
mod fairness;
mod instructions;
mod load;
mod machine;
mod restart;
mod table;
mod versions;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use self::{
    contender::Contender,
    load::{Finding, Load},
    table::Row,
};
use crate::{
    packaged, project,
    setup::{self, Servers},
    step::{Outcome, Steps},
};

const USAGE: &str = "usage: cargo xtask bench [CASE…] [--against rabbitmq|nats|1.0|URL]… \
                     [--quick] [--binary FILE]\n       \
                     cargo xtask bench --curves [--quick] [--binary FILE]\n       \
                     cargo xtask bench --instructions";

/// As `tubepost bench --list` has them.
const CASES: [&str; 11] = ["A16", "A1024", "A16384", "B1", "B8", "C50", "C10k", "D", "E", "F", "G"];

/// What is measured of everybody before the cases.
const START: &str = "start";

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
struct Choice {
    cases: Vec<String>,
    against: Vec<Contender>,
    is_quick: bool,
    /// Another build than the one that would be made.
    binary: Option<PathBuf>,
    counts_instructions: bool,
    draws_curves: bool,
}

/// Runs the verb.
///
/// # Errors
/// An argument it does not know; what it needs is missing or does not build.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let choice = Choice::of(arguments)?;
    let mut steps = Steps::new();
    let outcome = match &choice {
        Choice { counts_instructions: true, .. } => instructions::run(&mut steps),
        Choice { draws_curves: true, .. } => draw(&choice, &mut steps),
        _ => compare(&choice, &mut steps),
    };
    println!("\n{}", steps.summary());
    outcome.map(|()| ExitCode::SUCCESS)
}

impl Choice {
    fn of(arguments: &[String]) -> Result<Choice> {
        let mut choice = Choice::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => choice.is_quick = true,
                "--instructions" => choice.counts_instructions = true,
                "--curves" => choice.draws_curves = true,
                "--binary" => {
                    let file = words.next().context("--binary needs a tubepost behind it")?;
                    choice.binary = Some(fs::canonicalize(file).context(file.clone())?);
                }
                "--against" => {
                    let name = words.next().context("--against needs a name or a URL")?;
                    choice.against.push(Contender::named(name).with_context(|| {
                        format!("--against {name}: neither rabbitmq nor nats nor 1.0 nor a URL")
                    })?);
                }
                name => match CASES.iter().find(|case| case.eq_ignore_ascii_case(name)) {
                    Some(case) => choice.cases.push((*case).to_owned()),
                    None => bail!("no case is called {name}; there are {CASES:?}\n{USAGE}"),
                },
            }
        }
        if choice.counts_instructions {
            ensure!(arguments.len() == 1, "--instructions stands alone\n{USAGE}");
        }
        if choice.draws_curves {
            let has_more = !choice.cases.is_empty() || !choice.against.is_empty();
            ensure!(!has_more, "--curves has no cases, and is of Tubepost alone\n{USAGE}");
        }
        if choice.cases.is_empty() {
            choice.cases = CASES.map(str::to_owned).into();
        }
        if choice.against.is_empty() {
            choice.against = vec![Contender::RabbitMq, Contender::Nats];
        }
        Ok(choice)
    }

    /// The command that does the same again.
    fn command(&self) -> String {
        let mut words = vec!["cargo xtask bench".to_owned()];
        if self.cases != CASES {
            words.extend(self.cases.iter().cloned());
        }
        if self.against != [Contender::RabbitMq, Contender::Nats] {
            words.extend(self.against.iter().map(|it| format!("--against {}", it.word())));
        }
        if self.is_quick {
            words.push("--quick".to_owned());
        }
        if self.binary.is_some() {
            words.push("--binary FILE".to_owned());
        }
        words.join(" ")
    }
}

/// What is measured: a given build, or one as it is packaged.
fn binary(choice: &Choice, steps: &mut Steps) -> Result<PathBuf> {
    let mut tubepost = PathBuf::new();
    steps.run("the packaged build", || {
        let Some(given) = &choice.binary else {
            tubepost = packaged::build()?.binary()?;
            return Ok(Outcome::Done);
        };
        tubepost.clone_from(given);
        Ok(Outcome::Skipped("a binary is given".to_owned()))
    })?;
    Ok(tubepost)
}

fn compare(choice: &Choice, steps: &mut Steps) -> Result<()> {
    let mut servers = None;
    steps.run("setup", || {
        servers = Some(setup::servers()?);
        Ok(Outcome::Done)
    })?;
    let tubepost = binary(choice, steps)?;
    let servers = Servers { tubepost, ..servers.context("setup was to find the servers")? };
    // Where the target directory is, there is a disk; a temporary directory may be memory.
    let home = project::target_directory()?.join("bench-data");
    fs::create_dir_all(&home)?;
    let mut contenders = vec![Contender::Tubepost];
    contenders.extend(choice.against.iter().cloned());
    let mut rows = Vec::new();
    let cases = [START].into_iter().chain(choice.cases.iter().map(String::as_str));
    let all = choice.cases.len() + 1;
    for (number, case) in cases.enumerate() {
        let mut findings = Vec::new();
        for contender in &contenders {
            let name = format!("{case} ({} of {all}): {}", number + 1, contender.name());
            steps.run(&name, || {
                let finding = one(contender, case, &servers, &home, choice.is_quick);
                findings.push(finding.unwrap_or_else(|error| {
                    println!("FAILED: {error:#}");
                    Finding::None(first_line(&format!("{error:#}")))
                }));
                Ok(Outcome::Done)
            })?;
        }
        rows.push(Row { case: case.to_owned(), findings });
        if let Some(row) = rows.last() {
            let row = std::slice::from_ref(row);
            let others = versions::without(&contenders, row);
            let names: Vec<String> = others.contenders.iter().map(Contender::name).collect();
            let (table, footnotes) = table::table(&names, &others.rows);
            println!("\n{table}{}", document::numbered(&footnotes));
            if let Some(text) = versions::section(&contenders, row) {
                println!("{text}");
            }
        }
    }
    let document = document::Document {
        contenders: &contenders,
        servers: &servers,
        data: &home,
        rows: &rows,
        command: choice.command(),
        is_quick: choice.is_quick,
    };
    let file = project::root().join("docs/benchmarks.md");
    fs::write(&file, document.text()).with_context(|| file.display().to_string())?;
    println!("written to docs/benchmarks.md");
    Ok(())
}

/// How Tubepost's cost grows with the work, and how fair it is, into `docs/curves.md`.
fn draw(choice: &Choice, steps: &mut Steps) -> Result<()> {
    let tubepost = binary(choice, steps)?;
    let home = project::target_directory()?.join("bench-data");
    fs::create_dir_all(&home)?;
    let servers = Servers { tubepost, ..Servers::default() };
    let mut text = curves::head(choice.is_quick);
    for line in machine::lines(&home) {
        text += &format!("- {line}\n");
    }
    for curve in curves::CURVES {
        steps.run(curve.name, || {
            text += &curve.draw(&servers, &home.join("curve"), choice.is_quick)?;
            Ok(Outcome::Done)
        })?;
    }
    steps.run("fairness", || {
        text += &fairness::measure_all(&servers, &home.join("fairness"), choice.is_quick)?;
        Ok(Outcome::Done)
    })?;
    let file = project::root().join("docs/curves.md");
    fs::write(&file, text).with_context(|| file.display().to_string())?;
    println!("written to docs/curves.md");
    Ok(())
}

/// One contender in one case, from nothing to its figures.
fn one(
    contender: &Contender,
    case: &str,
    servers: &Servers,
    home: &Path,
    is_quick: bool,
) -> Result<Finding> {
    if case == START && *contender == Contender::TubepostBy10 {
        return Ok(Finding::None("it starts as it does for AMQP 0-9-1".to_owned()));
    }
    let directory = contender.name().to_lowercase().replace(' ', "-");
    let mut site = contender.start(servers, &home.join(directory))?;
    if case == START {
        return Ok(started(&site));
    }
    Load { tubepost: &servers.tubepost, case, is_quick }.on(&mut site, home)
}

/// How soon it answered, and what it takes when it has nothing to do.
fn started(site: &contender::Site) -> Finding {
    let Some(started_in) = site.started_in else {
        return Finding::None("it was not started here".to_owned());
    };
    let until = Instant::now() + SETTLE;
    while Instant::now() < until {
        thread::sleep(Duration::from_millis(100));
    }
    Finding::Figures(json!({
        "started_ms": started_in.as_secs_f64() * 1e3,
        "idle_bytes": site.resident_bytes(),
    }))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

/// Until what is only needed at the start is given back.
const SETTLE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(words: &[&str]) -> Result<Choice> {
        Choice::of(&words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_words_it_is_everything_against_both() {
        let choice = choice(&[]).unwrap();
        assert_eq!((choice.cases.len(), choice.against.len()), (CASES.len(), 2));
        assert_eq!(choice.command(), "cargo xtask bench");
    }

    #[test]
    fn the_command_that_is_written_down_does_the_same_and_tells_no_password() {
        let words = ["b1", "--against", "nats", "--against", "amqp://ada:s3cret@mq", "--quick"];
        let choice = choice(&words).unwrap();
        assert_eq!(
            choice.command(),
            "cargo xtask bench B1 --against nats --against amqp://mq --quick"
        );
        let words = ["a16", "--against", "1.0"];
        assert_eq!(self::choice(&words).unwrap().command(), "cargo xtask bench A16 --against 1.0");
    }

    #[test]
    fn a_wrong_call_is_refused_before_anything_runs() {
        for words in
            [&["H"][..], &["--against"], &["--against", "qpid"], &["A16", "--instructions"]]
        {
            assert!(choice(words).is_err(), "{words:?}");
        }
    }
}
