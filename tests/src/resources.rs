//! What a process takes of the machine, and what this one may take.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Bytes of memory that a process has.
///
/// # Errors
/// It has ended.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let resident = pages.split(' ').nth(1).context("statm has a second number")?;
    Ok(resident.parse::<u64>()? * rustix::param::page_size() as u64)
}

/// The most bytes of memory that it had at once.
///
/// # Errors
/// It has ended.
pub fn resident_bytes_max(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// How many files this process and its children could have open.
pub fn files_max() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Lets this process and its children have so many files open.
///
/// # Errors
/// They may not.
pub fn allow_files(count: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum.map_or(count, |maximum| maximum.min(count));
    ensure!(current >= count, "{count} open files are needed, {current} are allowed");
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum })?;
    Ok(())
}
