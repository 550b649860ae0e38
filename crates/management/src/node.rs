//! The process and the machine, as far as `/proc` says.

use std::{fs, num::NonZero, thread::available_parallelism};

use rustix::process::{Resource, getrlimit};

/// Bytes of memory that the process has; 0 where nobody can say.
pub(crate) fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// File descriptors that are open.
pub(crate) fn open_files() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

/// File descriptors that there may be.
pub(crate) fn open_files_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Threads that there are.
pub(crate) fn threads() -> u64 {
    fs::read_dir("/proc/self/task").map_or(0, |entries| entries.count() as u64)
}

/// Cores that the process may use.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_files_and_threads() {
        assert!(resident_bytes() > 100_000);
        assert!(open_files() >= 3 && open_files() < open_files_max());
        assert!(threads() >= 1 && processors() >= 1);
    }
}
