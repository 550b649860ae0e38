//! A page in headless Chromium, driven by `tests/node/page.mjs`.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Process, chromium, node, root, wait_for};

/// An open page. Dropped, the browser is killed.
#[derive(Debug)]
pub struct Page {
    process: Process,
    answers: usize,
}

impl Page {
    /// Opens the address in a window of desktop size and waits for the page to load.
    ///
    /// # Errors
    /// No Chromium, or the page does not load.
    pub fn open(url: &str) -> Result<Page> {
        Page::open_as(url, 1200, 800, "light")
    }

    /// As [`Page::open`], of this size, for somebody who prefers `light` or `dark`.
    ///
    /// # Errors
    /// As [`Page::open`].
    pub fn open_as(url: &str, width: u32, height: u32, colours: &str) -> Result<Page> {
        let mut command = Command::new(node()?);
        command.current_dir(root().join("tests/node")).arg("page.mjs").arg(chromium()?).arg(url);
        command.args([width.to_string(), height.to_string(), colours.to_owned()]);
        let process = Process::start("chromium", &mut command)?;
        let mut page = Page { process, answers: 0 };
        page.answer(60).context("the page did not load")?;
        Ok(page)
    }

    /// Runs one of the script's commands; the answer must be `ok`.
    ///
    /// # Errors
    /// The browser's own words.
    pub fn run(&mut self, command: &str, details: Value) -> Result<Value> {
        let mut line = details;
        line["run"] = json!(command);
        self.process.send_line(&line.to_string())?;
        let answer = self.answer(40)?;
        ensure!(answer["ok"] == true, "{command} {line}: {}", answer["error"]);
        Ok(answer)
    }

    /// Waits until this text is seen.
    ///
    /// # Errors
    /// It is not, in time; with the text that is.
    pub fn wait_for_text(&mut self, text: &str) -> Result<()> {
        match self.run("wait_text", json!({"text": text})) {
            Ok(_) => Ok(()),
            Err(error) => {
                let shown = self.run("text", json!({}))?;
                Err(error.context(format!("the page shows: {}", shown["text"])))
            }
        }
    }

    /// All the text that is seen.
    ///
    /// # Errors
    /// The browser is gone.
    pub fn text(&mut self) -> Result<String> {
        Ok(self.run("text", json!({}))?["text"].as_str().unwrap_or_default().to_owned())
    }

    /// Fails when the page was loaded more than once, a script failed, a file was missing, the
    /// security policy refused something, or another host was asked.
    ///
    /// # Errors
    /// What was wrong.
    pub fn check_health(&mut self) -> Result<()> {
        let state = self.run("state", json!({}))?;
        ensure!(state["loads"] == 1, "the page was loaded {} times", state["loads"]);
        ensure!(state["problems"] == json!([]), "the page complains: {}", state["problems"]);
        Ok(())
    }

    fn answer(&mut self, seconds: u64) -> Result<Value> {
        let due = self.answers;
        let process = &mut self.process;
        let line = wait_for("the browser's answer", seconds, || {
            let ended = process.ended_and_read();
            match process.stdout().get(due) {
                Some(line) => Ok(Some(line.clone())),
                None if ended.is_some() => Ok(None),
                None => Err(format!("{due} answers")),
            }
        })?;
        let line = line.with_context(|| format!("the browser ended:\n{}", self.process.log()))?;
        self.answers += 1;
        serde_json::from_str(&line).with_context(|| format!("not an answer: {line}"))
    }
}
