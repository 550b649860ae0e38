//! A message made of a list, and what is said of it.

use std::collections::HashMap;

use selector::{Dialect, HeaderField, Name, Properties, PropertyField, Selector, Truth, Value};

/// When every test happens.
pub(crate) const NOW: i64 = 1_700_000_000_000;

#[derive(Default)]
pub(crate) struct Message(HashMap<Name, Value<'static>>);

impl Message {
    pub(crate) fn of(properties: &[(&str, Value<'static>)]) -> Message {
        let application =
            |(name, value): &(&str, Value<'static>)| (Name::Application((*name).into()), *value);
        Message(properties.iter().map(application).collect())
    }

    pub(crate) fn header(
        mut self,
        field: HeaderField,
        value: impl Into<Value<'static>>,
    ) -> Message {
        self.0.insert(Name::Header(field), value.into());
        self
    }

    pub(crate) fn property(
        mut self,
        field: PropertyField,
        value: impl Into<Value<'static>>,
    ) -> Message {
        self.0.insert(Name::Property(field), value.into());
        self
    }
}

impl Properties for Message {
    fn get(&self, name: &Name) -> Option<Value<'_>> {
        self.0.get(name).copied()
    }

    fn utc_ms(&self) -> i64 {
        NOW
    }
}

/// Each text comes to what is expected, and so does its canonical form.
#[track_caller]
pub(crate) fn check(dialect: Dialect, message: &Message, expected: Truth, texts: &[&str]) {
    for text in texts {
        let selector = Selector::parse(text, dialect).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(selector.evaluate(message), expected, "{text}, read as {selector}");
        let canonical = selector.to_string();
        let again = Selector::parse(&canonical, dialect).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(again, selector, "{text}, written as {canonical}");
        assert_eq!(again.to_string(), canonical, "{text}");
    }
}

/// Each text is refused with a word like this.
#[track_caller]
pub(crate) fn refuse(dialect: Dialect, texts: &[(&str, &str)]) {
    for (text, words) in texts {
        match Selector::parse(text, dialect) {
            Ok(selector) => panic!("{text} is read as {selector}"),
            Err(error) => assert!(error.to_string().contains(words), "{text}: {error}"),
        }
    }
}
