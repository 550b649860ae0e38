//! Who holds a lease: this notifier, and whether another one is seen to be gone. Where processes
//! cannot be looked at, nobody is, and leases end by themselves.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Mutex, PoisonError},
};

use uuid::Uuid;

/// A notifier. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Holder {
    name: String,
    /// Of this boot and this view of processes.
    machine: Option<String>,
}

impl Holder {
    pub(crate) fn new() -> Holder {
        let machine = machine();
        let pid = std::process::id();
        let own = Uuid::new_v4().simple().to_string();
        let name = match (&machine, begun(pid)) {
            (Some(machine), Some(begun)) => format!("{machine} {pid} {begun} {own}"),
            _ => format!("- {pid} - {own}"),
        };
        alive().insert(name.clone());
        Holder { name, machine }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether another is known to be gone; one on another machine never is.
    pub(crate) fn is_gone(&self, other: &str) -> bool {
        let [machine, pid, started, _] = other.split(' ').collect::<Vec<_>>()[..] else {
            return false;
        };
        let Ok(pid) = pid.parse() else { return false };
        if self.machine.as_deref() != Some(machine) {
            return false;
        }
        match pid == std::process::id() && begun(pid).as_deref() == Some(started) {
            true => !alive().contains(other),
            false => begun(pid).as_deref() != Some(started),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        alive().remove(&self.name);
    }
}

/// Those of this process.
fn alive() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    static ALIVE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pid means something within one boot and one namespace.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), space.display()).replace(' ', ""))
}

/// When a process began, in the kernel's ticks: a pid comes again, this does not. `proc(5)`: the
/// 22nd field, behind a name that may have blanks and brackets in it. A zombie is gone.
fn begun(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lives_is_not_gone_and_who_was_dropped_or_ended_is() {
        let (ours, theirs) = (Holder::new(), Holder::new());
        assert!(!ours.is_gone(theirs.name()) && !ours.is_gone(ours.name()));
        let name = theirs.name().to_owned();
        drop(theirs);
        let Some(machine) = machine() else { return };
        assert!(ours.is_gone(&name));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let name = format!("{machine} {pid} 1 x");
        child.wait().unwrap();
        assert!(ours.is_gone(&name), "it ended");
        let init = format!("{machine} 1 {} x", begun(1).unwrap());
        assert!(!ours.is_gone(&init), "it runs");
        assert!(!ours.is_gone(&format!("elsewhere {pid} 1 x")));
        assert!(!ours.is_gone("nonsense"));
    }
}
