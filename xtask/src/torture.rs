//! `cargo xtask torture`: the long programmes, one after the other. Each is a test that is short in
//! every run and long under `TUBEPOST_TORTURE`. One that fails prints how to run its seed again,
//! and the others run all the same.

use std::{
    process::{Command, ExitCode},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, bail};

use crate::{
    project,
    step::{Outcome, Steps, run_command},
};

/// A long programme.
struct Programme {
    /// What it is called on the command line.
    name: &'static str,
    /// What it does, for the list.
    what: &'static str,
    /// `cargo test` with these words, and what the test's binary is given behind them.
    cargo: &'static [&'static str],
    filters: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const JOURNAL: &[&str] = &["--package", "tubepost-journal", "--test", "it"];
const BROKER: &[&str] = &["--package", "tubepost-broker", "--test", "instruments"];

/// All of them, in the order they run. A new one is a row.
const PROGRAMMES: &[Programme] = &[
    Programme {
        name: "journal-failing",
        what: "the journal: every operation fails, once and for ever, 60 scripts",
        cargo: JOURNAL,
        filters: &["failing_disk"],
        environment: &[],
    },
    Programme {
        name: "journal-power",
        what: "the journal: 500,000 disks as a power loss may leave them",
        cargo: JOURNAL,
        filters: &["power_loss"],
        environment: &[],
    },
    Programme {
        name: "journal-damage",
        what: "the journal: every bit of 64 KiB flipped, cut at every byte",
        cargo: JOURNAL,
        filters: &["damage"],
        environment: &[],
    },
    Programme {
        name: "broker-failing",
        what: "the broker: every operation fails, every sync, every need for space, 20 to 80 scripts",
        cargo: BROKER,
        filters: &["failing_disk"],
        environment: &[],
    },
    Programme {
        name: "broker-power",
        what: "the broker: 1,500,000 disks as a power loss may leave them",
        cargo: BROKER,
        filters: &["power_loss"],
        environment: &[],
    },
    Programme {
        name: "broker-damage",
        what: "the broker: every bit of its files flipped, cut at every byte, 6 scripts",
        cargo: BROKER,
        filters: &["damage"],
        environment: &[],
    },
    Programme {
        name: "broker-commands",
        what: "the broker: 1,000,000 rows of 200 random commands against the naive model",
        cargo: BROKER,
        filters: &["random_commands"],
        environment: &[],
    },
];

/// Runs the verb.
///
/// # Errors
/// A programme it does not know.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if arguments == ["--list"] {
        PROGRAMMES.iter().for_each(|it| println!("{:<18} {}", it.name, it.what));
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(arguments)?;
    let first_seed = first_seed();
    println!(
        "the first seed is {first_seed}; TUBEPOST_FIRST_SEED={first_seed} runs the same again"
    );
    let mut steps = Steps::new();
    let mut failed = Vec::new();
    for (index, programme) in chosen.iter().enumerate() {
        let Programme { name, what, .. } = programme;
        println!("\n{} of {}: {what}", index + 1, chosen.len());
        let begun = Instant::now();
        let outcome = steps.run(name, || {
            run_command(&mut programme.command(&first_seed))?;
            Ok(Outcome::Done)
        });
        if let Err(error) = outcome {
            println!("FAILED: {error:#}");
            failed.push(format!("{:>8.1} s  {name}", begun.elapsed().as_secs_f64()));
        }
    }
    println!("\n{}", steps.summary());
    if failed.is_empty() {
        println!("every programme held");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nFAILED, and what to run again stands above each:\n{}", failed.join("\n"));
    Ok(ExitCode::FAILURE)
}

impl Programme {
    fn command(&self, first_seed: &str) -> Command {
        let mut command = project::cargo(&["test", "--quiet", "--profile", "torture"]);
        command.args(self.cargo).args(["--", "--nocapture"]).args(self.filters);
        command.env("TUBEPOST_TORTURE", "1").env("TUBEPOST_FIRST_SEED", first_seed);
        command.env("RUST_LIB_BACKTRACE", "0").envs(self.environment.iter().copied());
        command
    }
}

fn choose(names: &[String]) -> Result<Vec<&'static Programme>> {
    if names.is_empty() {
        return Ok(PROGRAMMES.iter().collect());
    }
    let find = |name: &String| match PROGRAMMES.iter().find(|it| it.name == name) {
        Some(programme) => Ok(programme),
        None => bail!("no programme is called {name}; cargo xtask torture --list shows all"),
    };
    names.iter().map(find).collect()
}

/// Another one each time, unless it is given, so that no two long runs are the same. Far apart: a
/// programme uses up to a million from there on.
fn first_seed() -> String {
    std::env::var("TUBEPOST_FIRST_SEED").unwrap_or_else(|_| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (since.as_secs() << 20).to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_programme_has_a_name_of_its_own_and_a_test_to_run() {
        for (index, programme) in PROGRAMMES.iter().enumerate() {
            let others = PROGRAMMES.iter().skip(index + 1);
            assert!(others.into_iter().all(|other| other.name != programme.name));
            assert!(programme.cargo.contains(&"--package") && !programme.filters.is_empty());
        }
    }

    #[test]
    fn an_unknown_programme_is_refused_before_anything_runs() {
        let error = run(&["broker-powr".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("--list"), "{error}");
    }

    #[test]
    fn a_programme_runs_its_tests_in_their_long_form() {
        let command = PROGRAMMES[0].command("7");
        let words: Vec<_> = command.get_args().map(|it| it.to_string_lossy()).collect();
        assert!(words.ends_with(&["--".into(), "--nocapture".into(), "failing_disk".into()]));
        let torture = command.get_envs().find(|(name, _)| *name == "TUBEPOST_TORTURE");
        assert_eq!(torture.and_then(|(_, value)| value).unwrap(), "1");
    }
}
