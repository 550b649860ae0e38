//! Where a run is, known to all its threads, and when it is measured.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

/// The parts of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Connections are made.
    Connecting,
    /// Messages are published.
    Publishing,
    /// All is published; consumers take what is left.
    Draining,
    /// Everybody ends.
    Over,
}

/// Shared by the threads of a run.
#[derive(Debug)]
pub(crate) struct Stage {
    phase: AtomicU8,
    is_measuring: AtomicBool,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage {
            phase: AtomicU8::new(Phase::Connecting as u8),
            is_measuring: AtomicBool::new(false),
        }
    }

    pub(crate) fn now(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Connecting,
            1 => Phase::Publishing,
            2 => Phase::Draining,
            _ => Phase::Over,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.now() == Phase::Over
    }

    /// Past warming up, before the end.
    pub(crate) fn is_measuring(&self) -> bool {
        self.is_measuring.load(Relaxed)
    }

    pub(crate) fn measure(&self, on: bool) {
        self.is_measuring.store(on, Relaxed);
    }
}
