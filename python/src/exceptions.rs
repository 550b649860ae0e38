//! The library's errors as the exceptions of `tubepost._exceptions`, with the library's words.

use client::Error;
use pyo3::{import_exception, prelude::*};

import_exception!(tubepost._exceptions, BusError);
import_exception!(tubepost._exceptions, ConfigurationError);
import_exception!(tubepost._exceptions, InvalidEvent);
import_exception!(tubepost._exceptions, NotKept);

/// The exception of an error.
pub(crate) fn exception(error: &Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::NoEvent(_) | Error::Event { .. } => InvalidEvent::new_err(text),
        Error::Url { .. } | Error::Configuration { .. } => ConfigurationError::new_err(text),
        Error::AgentRefused { .. }
        | Error::AgentAway { .. }
        | Error::Socket { .. }
        | Error::SpoolFull { .. }
        | Error::DiskFull { .. }
        | Error::Outbox { .. }
        | Error::Spool { .. } => NotKept::new_err(text),
        _ => BusError::new_err(text),
    }
}

/// The exception of what is no event.
pub(crate) fn no_event(error: &event::Error) -> PyErr {
    InvalidEvent::new_err(error.to_string())
}
