//! The project's own tasks: `cargo xtask VERB`. Each verb is one module; this file only picks.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer reads what it says")]

mod bench;
mod build;
mod codegen;
mod dist;
mod packaged;
#[path = "../../tests/src/port.rs"]
mod port;
mod process;
mod project;
mod setup;
mod spec;
mod step;
mod suite;
mod tally;
mod tidy;
mod torture;
mod training;
mod wheel;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask VERB
  test [--quick]     set up, then every check and test; --quick leaves out set-up and end to end
  torture [NAME…] [--minutes N] [--list]
                     the long programmes: failing disks, power loss, damage, random commands,
                     kills; with --minutes no test goes on for longer
  setup              only what the end-to-end tests need: Debian packages, Python venv, npm ci
  wheel              the Python package, built and put into the tests' environment
  dist               what is given away: binary, manual pages, completions, wheel, their sums;
                     built twice, the second time laid out by what the first was found to do
  bench [CASE…] [--against rabbitmq|nats|URL]… [--quick] [--binary FILE]
                     Tubepost beside other brokers, case by case; writes docs/benchmarks.md
  bench --curves [--quick]
                     Tubepost alone: cost as work grows, fairness; writes docs/curves.md
  bench --instructions
                     instructions for each message by part of its way, counted by valgrind
  codegen [--check] [--specs FOLDER]
                     the methods of AMQP 0-9-1 and the types of AMQP 1.0, from the specifications
  spec               what AMQP 1.0 demands (MUST), and which demands no code or test cites
  tidy               the rules of the house that can be measured";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(&arguments).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|it| matches!(it.as_str(), "--help" | "-h")) {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        Some(("test", rest)) => suite::run(rest),
        Some(("bench", rest)) => bench::run(rest),
        Some(("codegen", rest)) => codegen::run(rest),
        Some(("torture", rest)) => torture::run(rest),
        Some(("setup", rest)) => setup::run(rest),
        Some(("spec", rest)) => spec::run(rest),
        Some(("tidy", rest)) => tidy::run(rest),
        Some(("wheel", rest)) => wheel::run(rest),
        Some(("dist", rest)) => dist::run(rest),
        Some(("help", _)) => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}
