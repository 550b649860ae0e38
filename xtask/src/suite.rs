//! `cargo xtask test`: the one test command. Sets up, checks, builds, tests; stops at the first
//! step that fails. Its last line is `N passed, N failed`, which CI reads.

use std::{
    io,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Result, bail, ensure};

use crate::{
    build::Build,
    codegen, project, setup, spec,
    step::{Outcome, Steps, run_command},
    tally::{self, Tally},
    tidy, wheel,
};

/// The package whose tests need the set-up and the release binary.
const END_TO_END: &str = "tubepost-tests";

/// Runs the verb.
///
/// # Errors
/// An argument it does not know.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let quick = match arguments {
        [] => false,
        [only] if only == "--quick" => true,
        _ => bail!("usage: cargo xtask test [--quick]"),
    };
    let mut steps = Steps::new();
    let mut tally = Tally::default();
    let outcome = every_step(&mut steps, &mut tally, quick);
    println!("\n{}", steps.summary());
    match &outcome {
        Ok(()) => println!("every step held"),
        Err(error) => println!("FAILED: {error:#}"),
    }
    if tally != Tally::default() {
        println!("{} passed, {} failed", tally.passed, tally.failed);
    }
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn every_step(steps: &mut Steps, tally: &mut Tally, quick: bool) -> Result<()> {
    let (mut environment, mut python) = (Vec::new(), PathBuf::new());
    if !quick {
        steps.run("setup", || {
            let tools = setup::everything()?;
            python = tools.python().to_owned();
            environment = tools.variables();
            Ok(Outcome::Done)
        })?;
    }
    steps.run("cargo fmt", || done(&mut project::cargo(&["fmt", "--all", "--check"])))?;
    steps.run("cargo clippy", || {
        let words = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        done(&mut project::cargo(&words))
    })?;
    steps.run("tidy", || {
        tidy::check()?;
        Ok(Outcome::Done)
    })?;
    steps.run("spec", || {
        spec::check()?;
        Ok(Outcome::Done)
    })?;
    steps.run("codegen --check", committed_code)?;
    steps.run("cargo deny", deny)?;
    if !quick {
        steps.run("cargo build --release", || {
            environment.push(build_binary()?);
            Ok(Outcome::Done)
        })?;
        steps.run("wheel", || {
            wheel::install(&python, &wheel::build(&python, &Build::release())?)?;
            Ok(Outcome::Done)
        })?;
    }
    let nextest = runs(project::cargo(&["nextest", "--version"]));
    for (name, words) in runners(nextest, quick) {
        steps.run(name, || {
            let mut command = project::cargo(&words);
            command.envs(environment.iter().map(|(name, value)| (name, value)));
            // A failed test says what it waited for; frames of the runner below it say nothing.
            command.env("RUST_LIB_BACKTRACE", "0");
            let (counted, status) = tally::run_counted(&mut command, &mut io::stdout().lock())?;
            *tally += counted;
            ensure!(status.success(), "cargo {}: {status}", words.join(" "));
            Ok(Outcome::Done)
        })?;
    }
    ensure!(tally.passed > 0, "no test ran");
    Ok(())
}

/// Builds the binary that the end-to-end tests run; returns the variable by which they find it.
///
/// # Errors
/// It does not build.
pub(crate) fn build_binary() -> Result<(String, PathBuf)> {
    Ok(("TUBEPOST_BIN".to_owned(), Build::release().binary()?))
}

/// The runs of tests: nextest has no doc tests, cargo test has them all.
fn runners(nextest: bool, quick: bool) -> Vec<(&'static str, Vec<&'static str>)> {
    let exclude: &[&str] = if quick { &["--exclude", END_TO_END] } else { &[] };
    let whole = |words: &[&'static str]| [words, &["--workspace"], exclude].concat();
    if nextest {
        vec![
            ("cargo nextest", whole(&["nextest", "run", "--no-fail-fast"])),
            ("doc tests", whole(&["test", "--doc", "--quiet", "--no-fail-fast"])),
        ]
    } else {
        vec![("cargo test", whole(&["test", "--no-fail-fast"]))]
    }
}

/// The committed protocol code is what the generator makes; the specification it reads lies
/// beside the checkout, and a clone may lack it.
fn committed_code() -> Result<Outcome> {
    if !codegen::specs_are_present() {
        return Ok(Outcome::Skipped("the specifications are not beside this checkout".into()));
    }
    done(
        Command::new(std::env::current_exe()?)
            .current_dir(project::root())
            .args(["codegen", "--check"]),
    )
}

/// Licences, bans and sources; advisories would need a database from the network.
fn deny() -> Result<Outcome> {
    if !runs(project::cargo(&["deny", "--version"])) {
        let mend = "cargo-deny is not installed (cargo install cargo-deny)";
        return Ok(Outcome::Skipped(mend.into()));
    }
    let checks = ["deny", "--offline", "check", "licenses", "bans", "sources"];
    done(&mut project::cargo(&checks))
}

fn done(command: &mut Command) -> Result<Outcome> {
    run_command(command).map(|()| Outcome::Done)
}

fn runs(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_nextest_one_run_has_everything() {
        let runs = runners(false, false);
        assert_eq!(runs, [("cargo test", vec!["test", "--no-fail-fast", "--workspace"])]);
    }

    #[test]
    fn quick_leaves_out_end_to_end() {
        for nextest in [true, false] {
            for (_, words) in runners(nextest, true) {
                assert!(words.ends_with(&["--exclude", END_TO_END]), "{words:?}");
            }
        }
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(run(&["--fast".to_owned()]).is_err());
    }
}
