//! The load: `tubepost bench`, the same program for everybody.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{contender::Site, restart::Restart};

/// What one contender did in one case.
#[derive(Debug, Clone)]
pub(super) enum Finding {
    /// Figures, as `tubepost bench --json` writes them.
    Figures(Value),
    /// It cannot, or did not to the end: why.
    None(String),
}

/// How a case is loaded.
pub(super) struct Load<'a> {
    pub(super) tubepost: &'a Path,
    pub(super) case: &'a str,
    /// Shorter, to see whether it works.
    pub(super) is_quick: bool,
}

impl Load<'_> {
    /// Puts it on a contender.
    ///
    /// # Errors
    /// The load generator cannot be run.
    pub(super) fn on(&self, site: &mut Site, directory: &Path) -> Result<Finding> {
        let restarts = self.case.eq_ignore_ascii_case("g");
        if restarts && site.pid().is_none() {
            return Ok(Finding::None("it is not ours to start again".to_owned()));
        }
        let mut command = self.command(site);
        if !restarts {
            return finding(command.output().context("the load cannot be started")?);
        }
        let restart = Restart::prepare(directory)?;
        command.arg("--restart").arg(restart.command());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().context("the load cannot be started")?;
        restart.serve(site, || Ok(child.wait_with_output()?)).and_then(finding)
    }

    fn command(&self, site: &Site) -> Command {
        let mut command = Command::new(self.tubepost);
        command.args(["bench", self.case, "--json", "--url", &site.url()]);
        command.args(site.load_arguments());
        command.args(["--runs", if self.is_quick { "1" } else { "3" }]);
        if let Some(pid) = site.pid() {
            command.args(["--pid", &pid.to_string()]);
        }
        if self.is_quick {
            command.args(match self.case.to_ascii_lowercase().as_str() {
                "e" => ["--connections", "500"],
                "f" | "g" => ["--messages", "100000"],
                _ => ["--seconds", "2"],
            });
        }
        command
    }
}

fn finding(output: std::process::Output) -> Result<Finding> {
    // With a verdict that is not clean it has figures all the same, and ends with 1.
    let said = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = said.lines().next() {
        let figures = serde_json::from_str(line).context("the load's figures are no JSON")?;
        return Ok(Finding::Figures(figures));
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
    Ok(Finding::None(words.strip_prefix("tubepost: ").unwrap_or(&words).to_owned()))
}

/// What a verdict says when not everything arrived once and in order.
pub(super) fn verdict(figures: &Value) -> Option<String> {
    let said: Vec<String> = [
        ("lost", "lost"),
        ("duplicated", "twice"),
        ("misordered", "out of order"),
        ("altered", "altered"),
        ("refused", "refused"),
    ]
    .iter()
    .filter_map(|(key, words)| {
        let number = figures["verdict"][*key].as_u64().filter(|it| *it > 0)?;
        Some(format!("{number} {words}"))
    })
    .collect();
    (!said.is_empty()).then(|| {
        let all = figures["published"].as_u64().unwrap_or(0);
        format!("{} of {all} published", said.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

    use super::*;

    #[test]
    fn figures_count_whatever_the_verdict_and_a_refusal_is_a_reason() {
        let output = |code: i32, stdout: &str, stderr: &str| std::process::Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        let json = r#"{"published": 9, "verdict": {"lost": 3, "twice": 0}}"#;
        let Finding::Figures(figures) = finding(output(1, json, "A16: 3 lost")).unwrap() else {
            panic!("it has figures")
        };
        assert_eq!(verdict(&figures).unwrap(), "3 lost of 9 published");
        let Finding::None(why) = finding(output(2, "", "tubepost: C: it cannot\n")).unwrap() else {
            panic!("it has none")
        };
        assert_eq!(why, "C: it cannot");
    }
}
