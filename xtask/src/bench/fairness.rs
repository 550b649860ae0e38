//! Fairness: what somebody who asks for little notices of others who ask for all there is, and of
//! one who takes nothing.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{
    contender::{Contender, Site},
    curves::measure,
};
use crate::setup::Servers;

/// The one who is looked at: 100 durable messages a second, each due at its time.
const LITTLE: [&str; 7] = ["--rate", "100", "--durable", "--confirm", "100", "--seconds", ""];

/// Measures it alone, beside a publisher at full speed, and beside a consumer that reads nothing; a
/// section of the page.
///
/// # Errors
/// The server or a load cannot be run.
pub(super) fn measure_all(servers: &Servers, home: &Path, is_quick: bool) -> Result<String> {
    let seconds = if is_quick { "3" } else { "15" };
    let little = |site: &Site| {
        let words = LITTLE.map(|word| if word.is_empty() { seconds } else { word });
        measure(&servers.tubepost, site, words.map(str::to_owned))
    };
    let site = Contender::Tubepost.start(servers, home)?;
    let alone = little(&site)?;
    let transient = Other::start(&servers.tubepost, &site, "A1024")?;
    let beside_transient = little(&site)?;
    drop(transient);
    let durable = Other::start(&servers.tubepost, &site, "B1")?;
    let beside_durable = little(&site)?;
    drop(durable);
    let stuck = Other::start(&servers.tubepost, &site, "A1024")?;
    stuck.signal("-STOP")?;
    let beside_stuck = little(&site)?;
    drop(stuck);
    let rows = [
        ("alone", &alone),
        (
            "beside one that publishes and consumes transient messages of 1 KiB at full speed",
            &beside_transient,
        ),
        ("beside one that does so with durable ones, confirmed", &beside_durable),
        (
            "beside one whose consumer and publisher were stopped in the middle (SIGSTOP)",
            &beside_stuck,
        ),
    ];
    let mut text = HEAD.to_owned();
    for (who, figures) in rows {
        let row = format!(
            "| {who} | {} | {} | {} | {} |\n",
            ms(figures, "/delivery/p50_ms"),
            ms(figures, "/delivery/p99_ms"),
            ms(figures, "/confirm/p50_ms"),
            ms(figures, "/confirm/p99_ms"),
        );
        print!("{row}");
        text += &row;
    }
    Ok(text)
}

fn ms(figures: &Value, path: &str) -> String {
    figures.pointer(path).and_then(Value::as_f64).map_or("–".to_owned(), |it| format!("{it:.3}"))
}

/// Somebody else's load, until it is dropped.
struct Other(Child);

impl Other {
    fn start(tubepost: &Path, site: &Site, case: &str) -> Result<Other> {
        let mut command = Command::new(tubepost);
        command.args(["bench", case, "--seconds", "600", "--url", &site.url()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("the other load cannot be started")?;
        thread::sleep(UNDER_WAY);
        Ok(Other(child))
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status()?;
        ensure!(status.success(), "kill {signal}: {status}");
        Ok(())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // One that was stopped first has to go on to end; its queues go with the server.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Until it publishes.
const UNDER_WAY: Duration = Duration::from_secs(2);

const HEAD: &str = "\n## fairness\n\n\
One connection with 100 durable messages of 1 KiB a second, each due at its time, on a queue of its own; in\n\
milliseconds. On two cores that the others and the load generators want as well, most of what is waited for\n\
is a processor.\n\n\
| | delivery p50 | p99 | confirm p50 | p99 |\n| --- | ---: | ---: | ---: | ---: |\n";
