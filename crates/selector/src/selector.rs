//! The selector itself.

use std::{fmt, sync::Arc};

use crate::{
    Dialect, Error, Name, Properties, Truth, evaluate::Evaluation, parser, program::Program,
};

/// A condition on messages, ready to be asked. Immutable, and cheap to clone.
///
/// As text it is canonical: what `selector.to_string()` gives reads again as an equal selector,
/// unless numbers written out make it longer than [`limits::TEXT_MAX`](crate::limits::TEXT_MAX).
#[derive(Clone, PartialEq)]
pub struct Selector(Arc<Program>);

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// The text is none, or larger than [`limits`](crate::limits) allow.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Selector, Error> {
        Ok(Selector(Arc::new(parser::parse(text, dialect)?)))
    }

    /// Whether the message is to be delivered.
    pub fn matches<P: Properties + ?Sized>(&self, properties: &P) -> bool {
        self.evaluate(properties) == Truth::True
    }

    /// What the selector comes to.
    pub fn evaluate<P: Properties + ?Sized>(&self, properties: &P) -> Truth {
        Evaluation { program: &self.0, properties }.truth(self.0.root())
    }

    /// Everything that an evaluation may ask a message for, each once, in the order of the text.
    pub fn names(&self) -> &[Name] {
        &self.0.names
    }

    /// Those of them that are application properties. Where there is none, nobody needs to decode
    /// the section.
    pub fn application_properties(&self) -> impl Iterator<Item = &str> {
        self.names().iter().filter_map(|name| match name {
            Name::Application(name) => Some(&**name),
            Name::Header(_) | Name::Property(_) => None,
        })
    }

    /// Whether an evaluation may ask for the time.
    pub fn uses_utc(&self) -> bool {
        self.0.uses_utc
    }

    /// The language it is written in.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({:?}: {})", self.0.dialect, self.0)
    }
}
