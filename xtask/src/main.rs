//! The project's own tasks: `cargo xtask VERB`.

mod codegen;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        Some(("codegen", rest)) => codegen::run(rest),
        _ => anyhow::bail!("usage: cargo xtask codegen [--check] [--spec FILE]"),
    }
}
