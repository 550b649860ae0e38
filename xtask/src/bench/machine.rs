//! The machine that is measured on, in a few lines.

use std::{fs, path::Path, process::Command};

/// Processor, cores, memory, kernel, and the file system that the data lies on.
pub(super) fn lines(data: &Path) -> Vec<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| {
        let kibibytes: f64 =
            line.strip_prefix("MemTotal:")?.trim().split(' ').next()?.parse().ok()?;
        Some(format!("{:.0} GiB", kibibytes / 1_048_576.0))
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut df = Command::new("df");
    let file_system = df.arg("--output=fstype").arg(data).output().ok().and_then(|output| {
        Some(String::from_utf8_lossy(&output.stdout).lines().nth(1)?.trim().to_owned())
    });
    let unknown = || "unknown".to_owned();
    vec![
        format!("processor: {}, {cores} cores", model.map_or("unknown", |(_, name)| name.trim())),
        format!("memory: {}", memory.unwrap_or_else(unknown)),
        // Without the words of whoever built it.
        format!("kernel: {}", kernel.trim().split('-').next().unwrap_or_default()),
        format!("file system of the data: {}", file_system.unwrap_or_else(unknown)),
        "the load generator runs on the same machine and takes its share of it".to_owned(),
    ]
}
