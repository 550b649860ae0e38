//! What belongs to one process: its sender and its runtime. A fork gets its own; that of its
//! parent, whose locks may be held by threads that the fork does not have, is left alone.

use std::{
    mem, process,
    sync::{Mutex, PoisonError},
};

use client::{Sender, Surroundings};
use pyo3::{exceptions::PyOSError, prelude::*};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::exceptions::exception;

/// Made once for each process. Its lock is only taken by who holds the interpreter's, as is a
/// fork: so no fork finds it taken.
struct Own<T>(Mutex<Option<(u32, T)>>);

impl<T> Own<T> {
    const fn new() -> Own<T> {
        Own(Mutex::new(None))
    }

    fn with<R>(
        &self,
        make: impl FnOnce() -> PyResult<T>,
        seen: impl FnOnce(&T) -> R,
    ) -> PyResult<R> {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = process::id();
        if own.as_ref().is_none_or(|(made_by, _)| *made_by != pid) {
            mem::forget(own.replace((pid, make()?)));
        }
        match &*own {
            Some((_, it)) => Ok(seen(it)),
            None => Err(PyOSError::new_err("nothing was made")),
        }
    }
}

/// The sender of this process, made at its first use.
pub(crate) fn sender() -> PyResult<Sender> {
    static SENDER: Own<Sender> = Own::new();
    let make = || {
        let around = Surroundings::of_process().map_err(|error| exception(&error))?;
        Ok(Sender::new(around))
    };
    SENDER.with(make, Sender::clone)
}

/// The runtime that connections of this process run on.
pub(crate) fn runtime() -> PyResult<Handle> {
    static RUNTIME: Own<Runtime> = Own::new();
    let make = || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("tubepost")
            .enable_all()
            .build();
        runtime.map_err(|error| PyOSError::new_err(format!("no runtime: {error}")))
    };
    RUNTIME.with(make, |runtime| runtime.handle().clone())
}

/// Handlers run in Python; these only talk to the bus.
const WORKERS: usize = 2;
