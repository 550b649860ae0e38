//! The native half of the Python package `tubepost`: the client library, in forms that its Python
//! half (`python/tubepost`) makes pythonic. Values cross as text and JSON.
//!
//! No thread of Rust's ever asks for the interpreter: what comes is put into an [`inbox`], and
//! Python takes it, woken by a file descriptor. So nothing here waits for the interpreter's lock,
//! and nothing of it is under way when the interpreter ends.

mod draft;
mod exceptions;
mod handlers;
mod handover;
mod inbox;
mod log;
mod process;
mod receiver;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::{
        draft::Draft,
        handlers::Handlers,
        handover::{Handover, flush, hand_over},
        log::{log_fileno, take_log},
        receiver::Receiver,
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn begin(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::log::begin();
        Ok(())
    }
}
