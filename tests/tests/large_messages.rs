//! A message of a gigabyte by AMQP 1.0, streamed by an unmodified client into the broker and out of
//! it again: the server's memory stays what it is.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::{fs, time::Instant};

use anyhow::{Result, ensure};
use harness::{
    Broker, Site, python_script_with, resident_bytes, resident_bytes_max, scaled, wait_for,
};

/// What the server may take more than before the message came.
const MEMORY_BYTES: u64 = 48 << 20;

#[test]
fn a_message_of_a_gigabyte_goes_through_at_flat_memory() -> Result<()> {
    let octets = scaled(256 << 20, 1 << 30);
    let site = Site::new()?;
    let server = site.serve()?;
    let before = resident_bytes(server.pid())?;
    let begun = Instant::now();
    let variables = [("TUBEPOST_OCTETS", &*octets.to_string())];
    python_script_with("proton_large.py", &site.amqp_url(), Broker::Tubepost, &variables)?;
    let most = resident_bytes_max(server.pid())?;
    println!(
        "{} MiB in and out in {:.1} s; resident before {} MiB, at most {} MiB",
        octets >> 20,
        begun.elapsed().as_secs_f64(),
        before >> 20,
        most >> 20
    );
    ensure!(most < before + MEMORY_BYTES, "{before} bytes resident before, {most} at most");
    let messages = site.path("data/messages");
    wait_for("the space to come back", 30, || {
        let names = fs::read_dir(&messages).map_err(|error| error.to_string())?;
        let names = names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let left: Vec<String> = names.filter(|name| name.contains("attach")).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?} are there")) }
    })?;
    server.terminate()
}
