//! W3C trace context: which trace an event belongs to, carried in its headers from whoever
//! published it to whoever handles it. Knows no tracing system.

use std::{fmt, future::Future, str::FromStr, sync::OnceLock};

use event::Event;
use serde_json::Value;
use uuid::Uuid;

/// The place in a trace, as `traceparent` and `tracestate` have it (W3C Trace Context).
///
/// ```
/// use client::TraceContext;
///
/// let context: TraceContext =
///     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?;
/// context.scope_sync(|| {
///     // What is published here belongs to the trace.
///     assert_eq!(TraceContext::current().map(|it| it.trace_id().to_owned()),
///                Some("0af7651916cd43dd8448eb211c80319c".to_owned()));
/// });
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// A trace that begins here.
    pub fn begin() -> TraceContext {
        let parent = format!("00-{}-{}-01", Uuid::new_v4().simple(), span());
        TraceContext { parent, state: None }
    }

    /// The next span of the same trace.
    pub fn child(&self) -> TraceContext {
        let flags = self.parent.get(53..55).unwrap_or("01");
        let parent = format!("00-{}-{}-{flags}", self.trace_id(), span());
        TraceContext { parent, state: self.state.clone() }
    }

    /// With the state of a tracing system, as `tracestate` has it.
    #[must_use]
    pub fn with_state(self, state: &str) -> TraceContext {
        // W3C Trace Context §3.3: of what is too long, or no header, nothing is passed on.
        let is_fit = !state.is_empty()
            && state.len() <= STATE_BYTES_MAX
            && state.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        TraceContext { state: is_fit.then(|| state.to_owned()), ..self }
    }

    /// The trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }

    /// What `traceparent` says.
    pub fn traceparent(&self) -> &str {
        &self.parent
    }

    /// What `tracestate` says.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// What an event carries; nothing when that is no trace context.
    pub fn of(event: &Event) -> Option<TraceContext> {
        let context: TraceContext = event.headers.get(PARENT)?.as_str()?.parse().ok()?;
        let state = event.headers.get(STATE).and_then(Value::as_str);
        Some(context.with_state(state.unwrap_or_default()))
    }

    /// Lets an event carry it.
    pub fn put_into(&self, event: &mut Event) {
        event.headers.insert(PARENT.to_owned(), self.parent.as_str().into());
        match &self.state {
            Some(state) => event.headers.insert(STATE.to_owned(), state.as_str().into()),
            None => event.headers.shift_remove(STATE),
        };
    }

    /// Where this code is: of the innermost scope, else what [`TraceContext::set_source`] gives.
    pub fn current() -> Option<TraceContext> {
        let scoped = CURRENT.try_with(Clone::clone).ok();
        scoped.or_else(|| SOURCE.get().and_then(|source| source()))
    }

    /// Where [`TraceContext::current`] looks outside of any scope, once for the process: the
    /// current span of a tracing system.
    ///
    /// # Errors
    /// The source was set before.
    pub fn set_source(
        source: fn() -> Option<TraceContext>,
    ) -> Result<(), fn() -> Option<TraceContext>> {
        SOURCE.set(source)
    }

    /// Runs what belongs to it.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// As [`TraceContext::scope`], of what does not wait.
    pub fn scope_sync<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }
}

impl FromStr for TraceContext {
    type Err = String;

    /// W3C Trace Context §3.2. Of a later version what the first one has is read.
    fn from_str(text: &str) -> Result<TraceContext, String> {
        let fault = || format!("'{}' is no traceparent", text.escape_debug());
        let hex = |part: &str, digits: usize| {
            part.len() == digits
                && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let mut parts = text.split('-');
        let mut next = |digits| parts.next().filter(|part| hex(part, digits)).ok_or_else(fault);
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
        let has_more = parts.next().is_some();
        if version == "ff" || is_zero(trace) || is_zero(span) || (version == "00" && has_more) {
            return Err(fault());
        }
        Ok(TraceContext { parent: format!("00-{trace}-{span}-{flags}"), state: None })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parent)
    }
}

/// A span's id: 16 hexadecimal digits, not all zero (a version 4 UUID has a bit set in its half).
fn span() -> String {
    let id = Uuid::new_v4().simple().to_string();
    id.get(8..24).unwrap_or_default().to_owned()
}

tokio::task_local! {
    static CURRENT: TraceContext;
}

static SOURCE: OnceLock<fn() -> Option<TraceContext>> = OnceLock::new();
const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
const STATE_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_carried_is_what_was_put_in() {
        let mut event = Event::new("a.b".parse().unwrap(), json!({})).unwrap();
        assert_eq!(TraceContext::of(&event), None);
        let context = PARENT.parse::<TraceContext>().unwrap().with_state("vendor=1");
        context.put_into(&mut event);
        assert_eq!(TraceContext::of(&event), Some(context.clone()));
        let child = context.child();
        assert_eq!(child.trace_id(), context.trace_id());
        assert_ne!(child.traceparent(), context.traceparent());
        assert_eq!(child.tracestate(), Some("vendor=1"));
        assert_eq!(child.traceparent().parse(), Ok(TraceContext { state: None, ..child }));
        TraceContext::begin().put_into(&mut event);
        assert!(!event.headers.contains_key("tracestate"), "the old state is not the new trace's");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(text.parse::<TraceContext>().is_err(), "{text}");
        }
        let later = format!("cc{}-more", &PARENT[2..]);
        assert_eq!(later.parse::<TraceContext>().unwrap().traceparent(), PARENT);
    }
}
