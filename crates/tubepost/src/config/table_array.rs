//! `[[…]]`: tables in the file that are alike. Each says its own form; this file finds out where in
//! the document it is wrong.

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeValue, ValueDeserializer},
};

use super::{fault::Fault, file::Document, nearest::nearest};

/// What is written under one header.
pub(super) struct TableArray {
    /// The header, without brackets.
    pub(super) header: &'static str,
    /// What one of them is, with its article.
    pub(super) noun: &'static str,
    /// The keys that one may have.
    pub(super) keys: &'static [&'static str],
}

impl TableArray {
    /// Reads all of them.
    ///
    /// # Errors
    /// Every fault there is, each with its place.
    pub(super) fn read<'a, T: DeserializeOwned>(
        &self,
        document: Document<'a>,
        value: &Spanned<DeValue<'a>>,
    ) -> Result<Vec<T>, Vec<Fault>> {
        let DeValue::Array(items) = value.get_ref() else {
            let expected = format!("expected tables, each under [[{}]]", self.header);
            return Err(vec![document.fault(value.span(), expected)]);
        };
        let mut tables = Vec::new();
        let mut faults = Vec::new();
        for item in items {
            match self.read_one(document, item) {
                Ok(table) => tables.push(table),
                Err(fault) => faults.push(*fault),
            }
        }
        match faults.is_empty() {
            true => Ok(tables),
            false => Err(faults),
        }
    }

    fn read_one<'a, T: DeserializeOwned>(
        &self,
        document: Document<'a>,
        item: &Spanned<DeValue<'a>>,
    ) -> Result<T, Box<Fault>> {
        let is_unknown =
            |key: &&Spanned<std::borrow::Cow<'a, str>>| !self.keys.contains(&&**key.get_ref());
        if let DeValue::Table(table) = item.get_ref()
            && let Some(key) = table.keys().find(is_unknown)
        {
            let unknown = key.get_ref();
            let meant = match nearest(unknown, self.keys.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => format!("known are {}", self.keys.join(", ")),
            };
            let problem = format!("unknown key '{unknown}' of {}; {meant}", self.noun);
            return Err(Box::new(document.fault(key.span(), problem)));
        }
        T::deserialize(ValueDeserializer::from(item.clone())).map_err(|error| {
            let at = error.span().unwrap_or(item.span());
            Box::new(document.fault(at, error.message().trim_end()))
        })
    }
}
