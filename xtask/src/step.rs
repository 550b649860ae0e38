//! Steps: each is shown with its name and time; the first that fails ends the run.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// What became of a step that did not fail.
pub(crate) enum Outcome {
    /// It ran and held.
    Done,
    /// It could not run here, for this reason.
    Skipped(String),
}

/// The steps so far.
pub(crate) struct Steps {
    begun: Instant,
    done: Vec<(String, Duration, Option<String>)>,
}

impl Steps {
    /// None yet; the clock starts.
    pub(crate) fn new() -> Steps {
        Steps { begun: Instant::now(), done: Vec::new() }
    }

    /// Runs one step.
    ///
    /// # Errors
    /// The step's own, with its name.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Outcome>) -> Result<()> {
        println!("\n== {name}");
        let begun = Instant::now();
        let outcome = step().with_context(|| format!("step \"{name}\""))?;
        let took = begun.elapsed();
        let reason = match outcome {
            Outcome::Done => None,
            Outcome::Skipped(reason) => Some(reason),
        };
        match &reason {
            None => println!("== {name}: done in {:.1} s", took.as_secs_f64()),
            Some(reason) => println!("== {name}: skipped: {reason}"),
        }
        self.done.push((name.to_owned(), took, reason));
        Ok(())
    }

    /// A line for each step, and the sum.
    pub(crate) fn summary(&self) -> String {
        let mut lines = String::new();
        for (name, took, skipped) in &self.done {
            let note = skipped.as_ref().map(|why| format!("  skipped: {why}")).unwrap_or_default();
            lines += &format!("{:>8.1} s  {name}{note}\n", took.as_secs_f64());
        }
        lines + &format!("{:>8.1} s  in all", self.begun.elapsed().as_secs_f64())
    }
}

/// Runs a command to its end, its output passed through.
///
/// # Errors
/// It cannot be started, or ends with another code than 0.
pub(crate) fn run_command(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{program} cannot be started"))?;
    ensure!(status.success(), "{program} {}: {status}", arguments_of(command));
    Ok(())
}

fn arguments_of(command: &Command) -> String {
    let words: Vec<String> =
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_is_named() {
        let mut steps = Steps::new();
        let error = steps.run("clippy", || anyhow::bail!("two warnings")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step \"clippy\": two warnings");
    }

    #[test]
    fn a_skipped_step_says_why_in_the_summary() {
        let mut steps = Steps::new();
        steps.run("deny", || Ok(Outcome::Skipped("not installed".into()))).unwrap();
        assert!(steps.summary().contains("deny  skipped: not installed"), "{}", steps.summary());
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_words() {
        let error = run_command(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "sh -c exit 3: exit status: 3");
    }
}
