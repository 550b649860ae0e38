//! What goes wrong, and when: the power at a certain operation, a sync, or every sync quietly.

use fuser::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// Counters of operations, and what is to happen at some of them.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Operations that change something, syncs included.
    pub(crate) operations: u64,
    power_fails_at: Option<u64>,
    syncs_until_failure: Option<u64>,
    /// Syncs return success and do nothing.
    pub(crate) lie: bool,
    /// No power: nothing works until it is back.
    pub(crate) off: bool,
    /// The process, or a thread of it, that asks for the operation.
    pub(crate) caller: u32,
}

/// What a sync is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Work,
    Lie,
    Fail,
}

impl Faults {
    /// The power fails at the operation `ahead` operations from now (1 is the next), which no
    /// longer happens; the process that asks for it is killed.
    pub(crate) fn fail_power_at(&mut self, ahead: u64) {
        self.power_fails_at = Some(self.operations + ahead);
    }

    /// The sync `ahead` syncs from now (1 is the next) fails.
    pub(crate) fn fail_sync_at(&mut self, ahead: u64) {
        self.syncs_until_failure = Some(ahead);
    }

    /// The power is back; what was to happen no longer is.
    pub(crate) fn power_on(&mut self) {
        (self.power_fails_at, self.syncs_until_failure, self.off) = (None, None, false);
    }

    /// Counts an operation.
    ///
    /// # Errors
    /// There is no power.
    pub(crate) fn operation(&mut self) -> Result<(), Errno> {
        if self.off {
            return Err(Errno::EIO);
        }
        self.operations += 1;
        if self.power_fails_at.is_none_or(|at| self.operations < at) {
            return Ok(());
        }
        self.off = true;
        // Linux takes the number of a thread for its process; which may have ended already.
        if let Some(process) = i32::try_from(self.caller).ok().and_then(Pid::from_raw) {
            let _ = kill_process(process, Signal::KILL);
        }
        Err(Errno::EIO)
    }

    /// Counts a sync.
    ///
    /// # Errors
    /// There is no power.
    pub(crate) fn sync(&mut self) -> Result<Sync, Errno> {
        self.operation()?;
        if let Some(left) = &mut self.syncs_until_failure {
            *left -= 1;
            if *left == 0 {
                self.syncs_until_failure = None;
                return Ok(Sync::Fail);
            }
        }
        Ok(if self.lie { Sync::Lie } else { Sync::Work })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_sync_fails_and_the_fourth_does_not() {
        let mut faults = Faults::default();
        faults.fail_sync_at(3);
        let syncs: Vec<_> = (0..4).map(|_| faults.sync().unwrap()).collect();
        assert_eq!(syncs, [Sync::Work, Sync::Work, Sync::Fail, Sync::Work]);
        assert_eq!(faults.operations, 4);
    }

    #[test]
    fn without_power_nothing_works_until_it_is_back() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut faults = Faults { caller: child.id(), ..Faults::default() };
        faults.fail_power_at(2);
        assert!(faults.operation().is_ok() && faults.operation().is_err());
        assert!(!child.wait().unwrap().success(), "the process was killed");
        assert!(faults.sync().is_err());
        faults.power_on();
        assert_eq!(faults.sync(), Ok(Sync::Work));
    }
}
