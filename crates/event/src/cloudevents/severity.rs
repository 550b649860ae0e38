//! Severity as CloudEvents' extension has it: OpenTelemetry's numbers and names.

use serde_json::Value;

use super::{Attributes, integer, shown, wrong};
use crate::{Error, Severity};

pub(super) const TEXT: &str = "severitytext";
pub(super) const NUMBER: &str = "severitynumber";

/// The text and the number.
pub(super) fn of(severity: Severity) -> (&'static str, u8) {
    match severity {
        Severity::Debug => ("DEBUG", 5),
        Severity::Info => ("INFO", 9),
        Severity::Warning => ("WARN", 13),
        Severity::Error => ("ERROR", 17),
    }
}

/// By the number; without one by the text, and where that is none of the recommended it stays an
/// extension like any other.
pub(super) fn take(attributes: &mut Attributes) -> Result<Severity, Error> {
    let number = attributes.shift_remove(NUMBER).filter(|number| !number.is_null());
    if let Some(number) = number {
        let severity = match integer(&number) {
            Some(0..=8) => Severity::Debug,
            Some(9..=12) => Severity::Info,
            Some(13..=16) => Severity::Warning,
            Some(17..) => Severity::Error,
            _ => return Err(wrong(NUMBER, format!("is {}, not from 0 on", shown(&number)))),
        };
        attributes.shift_remove(TEXT);
        return Ok(severity);
    }
    let text = attributes.get(TEXT).and_then(Value::as_str).unwrap_or_default();
    let severity = match text.to_ascii_uppercase().as_str() {
        "TRACE" | "DEBUG" => Severity::Debug,
        "INFO" => Severity::Info,
        "WARN" | "WARNING" => Severity::Warning,
        "ERROR" | "FATAL" => Severity::Error,
        _ => return Ok(Severity::default()),
    };
    attributes.shift_remove(TEXT);
    Ok(severity)
}
