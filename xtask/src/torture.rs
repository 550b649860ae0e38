//! `cargo xtask torture`: the long programmes, one after the other. Each is a test that is short in
//! every run and long under `TUBEPOST_TORTURE`. One that fails prints how to run its seed again,
//! and the others run all the same.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    project, setup,
    step::{Outcome, Steps},
    suite,
    tally::{self, Tally},
};

/// A long programme.
struct Programme {
    /// What it is called on the command line.
    name: &'static str,
    /// What it does, for the list.
    what: &'static str,
    stand: Stand,
    /// Which tests of the stand: parts of their names. None: all.
    filters: &'static [&'static str],
}

/// Where a programme runs.
#[derive(Clone, Copy, PartialEq)]
enum Stand {
    /// A journal on a simulated disk.
    Journal,
    /// A broker on one.
    Broker,
    /// The release binary: this file of the end-to-end tests.
    Binary(&'static str),
}

/// All of them, in the order they run. A new one is a row.
const PROGRAMMES: &[Programme] = &[
    Programme {
        name: "journal-failing",
        what: "the journal: every operation fails, once and for ever, 60 scripts",
        stand: Stand::Journal,
        filters: &["failing_disk"],
    },
    Programme {
        name: "journal-power",
        what: "the journal: 500,000 disks as a power loss may leave them",
        stand: Stand::Journal,
        filters: &["power_loss"],
    },
    Programme {
        name: "journal-damage",
        what: "the journal: every bit of 64 KiB flipped, cut at every byte of them",
        stand: Stand::Journal,
        filters: &["damage"],
    },
    Programme {
        name: "broker-failing",
        what: "the broker: every operation fails, every sync, every need for space, 20 to 80 scripts",
        stand: Stand::Broker,
        filters: &["failing_disk"],
    },
    Programme {
        name: "broker-power",
        what: "the broker: 1,500,000 disks as a power loss may leave them",
        stand: Stand::Broker,
        filters: &["power_loss"],
    },
    Programme {
        name: "broker-damage",
        what: "the broker: every bit of its files flipped, cut at every byte, 6 scripts",
        stand: Stand::Broker,
        filters: &["damage"],
    },
    Programme {
        name: "broker-commands",
        what: "the broker: 1,000,000 rows of 200 random commands against the naive model",
        stand: Stand::Broker,
        filters: &["random_commands"],
    },
    Programme {
        name: "kills",
        what: "the binary: killed 5,000 times under load, 500 times with syncs at intervals",
        stand: Stand::Binary("crash"),
        filters: &[],
    },
    Programme {
        name: "nobody-loses",
        what: "the binary: publisher, agent, broker or subscriber killed, 200 times",
        stand: Stand::Binary("nobody_loses"),
        filters: &["whoever_is_killed"],
    },
    Programme {
        name: "notify-kills",
        what: "the binary: bus and notifier killed 500 times, and each event comes by mail",
        stand: Stand::Binary("notify_kills"),
        filters: &[],
    },
    Programme {
        name: "system-calls",
        what: "the binary: killed at every system call on the disk that a script makes",
        stand: Stand::Binary("system_calls"),
        filters: &[],
    },
    Programme {
        name: "power",
        what: "the binary: 300 losses of power under load, and one at every operation of a script",
        stand: Stand::Binary("power_loss"),
        filters: &[],
    },
    Programme {
        name: "failed-sync",
        what: "the binary: every sync of a script fails, the power after it, 149 and 160 times",
        stand: Stand::Binary("failed_sync"),
        filters: &[],
    },
    Programme {
        name: "slow-sync",
        what: "the binary: syncs that take 10 ms, 200 ms, 2 s",
        stand: Stand::Binary("slow_sync"),
        filters: &[],
    },
    Programme {
        name: "full-disk",
        what: "the binary: a disk of 64 MiB filled and drained 20 times",
        stand: Stand::Binary("blocked"),
        filters: &[],
    },
    Programme {
        name: "rabbitmqadmin",
        what: "the binary: RabbitMQ's own command line, version 2, which takes minutes to build",
        stand: Stand::Binary("rabbitmqadmin_2"),
        filters: &[],
    },
    Programme {
        name: "many",
        what: "the binary: 10,000 idle connections, 2,047 channels of one, 100,000 queues",
        stand: Stand::Binary("many"),
        filters: &[],
    },
    Programme {
        name: "large-messages",
        what: "the binary: a message of 1 GiB by AMQP 1.0, in and out, at flat memory",
        stand: Stand::Binary("large_messages"),
        filters: &[],
    },
    Programme {
        name: "backlog",
        what: "the binary: 10,000,000 messages of 1 KiB that wait; takes 11 GB in the temporary \
               directory, and is skipped where less than 20 GB are free",
        stand: Stand::Binary("backlog"),
        filters: &[],
    },
];

/// What was asked for.
#[derive(Default)]
struct Choice {
    names: Vec<String>,
    /// How long each test may go on.
    minutes: Option<u64>,
}

/// Runs the verb.
///
/// # Errors
/// A programme it does not know; what the end-to-end ones need is missing or does not build.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if arguments == ["--list"] {
        PROGRAMMES.iter().for_each(|it| println!("{:<16} {}", it.name, it.what));
        return Ok(ExitCode::SUCCESS);
    }
    let choice = Choice::of(arguments)?;
    let chosen = choice.programmes()?;
    let mut steps = Steps::new();
    let mut environment = vec![("TUBEPOST_TORTURE".to_owned(), "1".into())];
    if let Some(minutes) = choice.minutes {
        environment.push(("TUBEPOST_TORTURE_MINUTES".to_owned(), minutes.to_string().into()));
    }
    // What is missing is said now, and not after hours.
    if chosen.iter().any(|it| matches!(it.stand, Stand::Binary(_))) {
        prepare(&mut steps, &mut environment)?;
    }
    let first_seed = first_seed();
    println!(
        "the first seed is {first_seed}; TUBEPOST_FIRST_SEED={first_seed} runs the same again"
    );
    environment.push(("TUBEPOST_FIRST_SEED".to_owned(), first_seed.into()));
    let mut failed = Vec::new();
    for (index, programme) in chosen.iter().enumerate() {
        let Programme { name, what, .. } = programme;
        println!("\n{} of {}: {what}", index + 1, chosen.len());
        let begun = Instant::now();
        if let Err(error) = steps.run(name, || programme.run(&environment)) {
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

/// What the end-to-end programmes stand on, as `cargo xtask test` makes it.
fn prepare(steps: &mut Steps, environment: &mut Vec<(String, PathBuf)>) -> Result<()> {
    steps.run("setup", || {
        environment.extend(setup::everything()?.variables());
        Ok(Outcome::Done)
    })?;
    steps.run("cargo build --release", || {
        environment.push(suite::build_binary()?);
        Ok(Outcome::Done)
    })
}

impl Programme {
    fn command(&self, environment: &[(String, PathBuf)]) -> Command {
        let mut command = project::cargo(&["test", "--quiet"]);
        command.args(match self.stand {
            Stand::Journal => {
                &["--profile", "torture", "--package", "tubepost-journal", "--test", "it"][..]
            }
            Stand::Broker => {
                &["--profile", "torture", "--package", "tubepost-broker", "--test", "instruments"]
            }
            // With what the binary was built with: its clients are to be as fast.
            Stand::Binary(_) => &["--release", "--package", "tubepost-tests", "--test"],
        });
        if let Stand::Binary(test) = self.stand {
            command.arg(test);
        }
        command.args(["--", "--nocapture"]).args(self.filters);
        // Two of them beside each other would disturb what the other measures.
        if matches!(self.stand, Stand::Binary(_)) {
            command.arg("--test-threads=1");
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.env("RUST_LIB_BACKTRACE", "0");
        command
    }

    fn run(&self, environment: &[(String, PathBuf)]) -> Result<Outcome> {
        let mut command = self.command(environment);
        let directory = project::target_directory()?.join("torture-output");
        let path = directory.join(self.name).with_extension("txt");
        fs::create_dir_all(&directory)?;
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let mut file = io::BufWriter::new(file);
        let (mut tally, mut skipped) = (Tally::default(), BTreeSet::new());
        let status = tally::run_lines(&mut command, &mut file, |line| {
            if !is_of_a_process(line) {
                print!("{line}");
            }
            tally += Tally::of_line(line);
            if let Some((_, reason)) = line.split_once("skipped: ") {
                skipped.insert(reason.trim().to_owned());
            }
        })?;
        let (failed, path) = (tally.failed, path.display());
        ensure!(status.success(), "{failed} of its tests failed ({status}); all it said: {path}");
        ensure!(tally.passed > 0, "it has no test: {:?} matches none", self.filters);
        Ok(match skipped.is_empty() {
            true => Outcome::Done,
            false => Outcome::Skipped(skipped.into_iter().collect::<Vec<_>>().join("; ")),
        })
    }
}

/// What servers and commands said that an end-to-end test ran: thousands of times the same.
fn is_of_a_process(line: &str) -> bool {
    ["---- ", "  out ", "  err "].iter().any(|begin| line.starts_with(begin))
}

impl Choice {
    fn of(arguments: &[String]) -> Result<Choice> {
        let mut choice = Choice::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--minutes" {
                let number = words.next().and_then(|number| number.parse().ok());
                choice.minutes = Some(number.context("--minutes needs a number behind it")?);
            } else {
                choice.names.push(word.clone());
            }
        }
        Ok(choice)
    }

    fn programmes(&self) -> Result<Vec<&'static Programme>> {
        if self.names.is_empty() {
            return Ok(PROGRAMMES.iter().collect());
        }
        let find = |name: &String| match PROGRAMMES.iter().find(|it| it.name == name) {
            Some(programme) => Ok(programme),
            None => bail!("no programme is called {name}; cargo xtask torture --list shows all"),
        };
        self.names.iter().map(find).collect()
    }
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

    fn words(programme: &Programme) -> Vec<String> {
        let command = programme.command(&[("TUBEPOST_TORTURE".to_owned(), "1".into())]);
        let torture = command.get_envs().find(|(name, _)| *name == "TUBEPOST_TORTURE");
        assert_eq!(torture.and_then(|(_, value)| value).unwrap(), "1");
        command.get_args().map(|it| it.to_string_lossy().into_owned()).collect()
    }

    fn run_words(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        run(&words).unwrap_err().to_string()
    }

    #[test]
    fn every_programme_has_a_name_of_its_own() {
        let names: BTreeSet<_> = PROGRAMMES.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), PROGRAMMES.len());
    }

    #[test]
    fn every_end_to_end_programme_is_a_file_of_tests() {
        for programme in PROGRAMMES {
            let Stand::Binary(test) = programme.stand else { continue };
            let file = project::root().join(format!("tests/tests/{test}.rs"));
            assert!(file.is_file(), "{} is not there", file.display());
        }
    }

    #[test]
    fn a_wrong_call_is_refused_before_anything_runs() {
        assert!(run_words(&["broker-powr"]).contains("--list"));
        assert!(run_words(&["--minutes"]).contains("number"));
        assert!(run_words(&["--minutes", "some"]).contains("number"));
    }

    #[test]
    fn a_programme_runs_its_tests_in_their_long_form() {
        let words = words(&PROGRAMMES[0]);
        assert!(words.ends_with(&["--", "--nocapture", "failing_disk"].map(str::to_owned)));
    }

    #[test]
    fn an_end_to_end_programme_runs_one_test_after_the_other() {
        let kills = PROGRAMMES.iter().find(|it| it.name == "kills").unwrap();
        let words = words(kills);
        assert!(words.contains(&"crash".to_owned()), "{words:?}");
        assert!(words.ends_with(&["--test-threads=1".to_owned()]), "{words:?}");
    }
}
