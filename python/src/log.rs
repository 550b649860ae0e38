//! What the library reports, for Python's `logging`: kept here, a bounded number of lines, until a
//! thread of Python's takes them.

use std::{
    fmt::{self, Write as _},
    sync::LazyLock,
};

use pyo3::prelude::*;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    subscriber::set_global_default,
};
use tracing_subscriber::{Layer, Registry, layer::Context, layer::SubscriberExt as _};

use crate::inbox::Inbox;

/// Level as `logging` counts, and text.
type Line = (u8, String);

static LINES: LazyLock<Option<Inbox<Line>>> = LazyLock::new(|| Inbox::new().ok());

/// From now on it is kept.
pub(crate) fn begin() {
    // Nobody else sets one in this library of its own.
    let _ = set_global_default(Registry::default().with(Keep));
}

/// Readable while lines are there.
#[pyfunction]
pub(crate) fn log_fileno() -> Option<i32> {
    LINES.as_ref().map(Inbox::fileno)
}

/// The lines that came: level as `logging` counts, and text.
#[pyfunction]
pub(crate) fn take_log() -> Vec<(u8, String)> {
    LINES.as_ref().map(|lines| lines.take_all().into()).unwrap_or_default()
}

struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Ours, not lapin's.
        *metadata.level() <= Level::INFO && metadata.target().starts_with("client")
            || metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(lines) = &*LINES else { return };
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            _ => 10,
        };
        let mut text = Text::default();
        event.record(&mut text);
        lines.put_within(LINES_MAX, (level, text.message + &text.fields));
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A string cannot refuse to be written to.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, "; {name}: {value:?}"),
        };
    }
}

const LINES_MAX: usize = 1000;
