//! What the broker's process takes of the machine, when it runs on this one: its CPU time and
//! memory, of itself and its children.

use std::{fs, path::PathBuf};

use serde::Serialize;

/// A broker's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pid(pub u32);

/// What it has taken at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ServerUse {
    /// CPU time since it began, in seconds.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
}

impl Pid {
    /// The process that listens on a TCP port of this machine, if it may be seen.
    pub fn listening_on(port: u16) -> Option<Pid> {
        let sockets = ["/proc/net/tcp", "/proc/net/tcp6"];
        let inode =
            sockets.iter().find_map(|file| listener(&fs::read_to_string(file).ok()?, port))?;
        let socket = PathBuf::from(format!("socket:[{inode}]"));
        let is_open = |pid: &u32| {
            let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            files
                .map(|file| file.path())
                .any(|file| fs::read_link(file).ok().as_ref() == Some(&socket))
        };
        let all = fs::read_dir("/proc").ok()?.flatten();
        let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.find(is_open).map(Pid)
    }

    /// Now; `None` when it is gone.
    pub fn look(self) -> Option<ServerUse> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.0)).ok()?;
        of_files(&stat, &statm)
    }
}

/// The inode of the socket that listens there (proc(5): `/proc/net/tcp`; state 0A is LISTEN).
fn listener(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, _, state) = (words.next()?, words.next()?, words.next()?);
        let (_, hex) = local.rsplit_once(':')?;
        let is_it = state == "0A" && u16::from_str_radix(hex, 16) == Ok(port);
        is_it.then(|| words.nth(5)?.parse().ok())?
    })
}

/// proc(5): `/proc/pid/stat` fields 14 and 15 are user and system time in ticks; `/proc/pid/statm`
/// field 2 is resident pages.
fn of_files(stat: &str, statm: &str) -> Option<ServerUse> {
    // Behind the name, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(ServerUse {
        cpu_s: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        resident_bytes: pages * rustix::param::page_size() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_of_a_port_is_found() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(Pid::listening_on(port), Some(Pid(std::process::id())));
        let used = Pid(std::process::id()).look().unwrap();
        assert!(used.resident_bytes > 100_000, "{used:?}");
        assert_eq!(Pid(u32::MAX).look(), None);
    }
}
