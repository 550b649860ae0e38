//! Prometheus' text format 0.0.4.

use std::fmt::Write;

use super::selection::Selection;

/// A family that is read off something: its name, its help, and what of it.
pub(super) type Family<T> = (&'static str, &'static str, fn(&T) -> u64);

/// Grows sample by sample; the help of a family stands once, before its first sample.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    /// The family's name as it is written; empty for one that nobody wants.
    family: String,
    /// All of it, when there is none.
    selection: Option<Selection>,
}

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

impl Exposition {
    /// Of what was asked for only, under the names of detailed metrics.
    pub(super) fn of(selection: Selection) -> Exposition {
        Exposition { selection: Some(selection), ..Exposition::default() }
    }

    /// Begins a family: all its samples follow.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.family = match &self.selection {
            None => name.to_owned(),
            Some(selection) if selection.takes(name) => Selection::name(name),
            Some(_) => return self.family.clear(),
        };
        let name = &self.family;
        // Writing to a string does not fail.
        write!(self.text, "# TYPE {name} {kind}\n# HELP {name} {help}\n").ok();
    }

    /// A sample of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) {
        let is_of_others = |it: &Selection| !it.takes_labels(labels);
        if self.family.is_empty() || self.selection.as_ref().is_some_and(is_of_others) {
            return;
        }
        self.text.push_str(&self.family);
        for (at, (name, value)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            write!(self.text, "{name}=\"").ok();
            escape(value, &mut self.text);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        match value.into() {
            Number::Whole(value) => writeln!(self.text, " {value}").ok(),
            Number::Real(value) => writeln!(self.text, " {value}").ok(),
        };
    }

    /// A family of one sample.
    pub(super) fn one(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &str,
        value: impl Into<Number>,
    ) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// A value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number::Whole(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Number {
        Number::Real(value)
    }
}

/// What of a label's value has to be written otherwise.
fn escape(value: &str, into: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            other => into.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_under_their_family_and_labels_are_escaped() {
        let mut out = Exposition::default();
        out.one("a_total", Kind::Counter, "All of it", 3_u64);
        out.family("b", Kind::Gauge, "Each");
        out.sample(&[("queue", "a\"b\\c\nd"), ("vhost", "/")], 0.5);
        assert_eq!(
            out.into_text(),
            "# TYPE a_total counter\n# HELP a_total All of it\na_total 3\n# TYPE b gauge\n\
             # HELP b Each\nb{queue=\"a\\\"b\\\\c\\nd\",vhost=\"/\"} 0.5\n"
        );
    }
}
