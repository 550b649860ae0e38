//! Instructions for each message, counted by valgrind: the same whatever else the machine does. A
//! part is run N times and 2 N times, and the difference counts, so that starting up does not.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    project, setup,
    step::{Outcome, Steps, run_command},
};

/// The program whose parts are counted, a package of `benches/`.
const PACKAGE: &str = "tubepost-benches";

pub(super) fn run(steps: &mut Steps) -> Result<()> {
    steps.run("setup", || {
        setup::valgrind()?;
        Ok(Outcome::Done)
    })?;
    steps.run("cargo build --release", || {
        run_command(&mut project::cargo(&["build", "--release", "--package", PACKAGE]))?;
        Ok(Outcome::Done)
    })?;
    let program = project::target_directory()?.join("release").join(PACKAGE);
    let list = Command::new(&program).output().context("the parts cannot be listed")?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let mut lines = Vec::new();
    for line in list.lines() {
        // name, rounds, what it does
        let mut words = line.splitn(3, '\t');
        let (name, rounds) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let what = words.next().unwrap_or_default();
        let rounds: u64 = rounds.parse().with_context(|| format!("no part: {line}"))?;
        steps.run(name, || {
            let (once, twice) =
                (count(&program, name, rounds)?, count(&program, name, 2 * rounds)?);
            let each = twice.saturating_sub(once) as f64 / rounds as f64;
            println!("{each:.0} instructions a message");
            lines.push(format!("{name:<16} {each:>10.0}  {what}"));
            Ok(Outcome::Done)
        })?;
    }
    ensure!(!lines.is_empty(), "{} has no parts", program.display());
    println!("\n{:<16} {:>10}  what", "part", "Ir/message");
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn count(program: &Path, part: &str, rounds: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([part, &rounds.to_string()]);
    // The C library picks its copying by the processor; valgrind knows none of AVX-512.
    command.env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-ERMS");
    let output = command.output().context("valgrind cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind: {}: {said}", output.status);
    collected(&said).with_context(|| format!("valgrind counted nothing: {said}"))
}

/// `==PID== Collected : 123`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_among_valgrind_s_words() {
        let said = "==7== Events    : Ir\n==7== Collected : 123456\n==7==\n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==7== Events"), None);
    }
}
