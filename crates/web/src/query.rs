//! The query part of an address: `?pattern=org.example.%23&text=ada&limit=50`.

use axum::{extract, http::Uri};
use serde::Serialize;

use crate::{
    entry::Position,
    filter::{Filter, Problem},
    limits::{ROWS_DEFAULT, ROWS_MAX},
};

/// What somebody wants to see, as typed.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Asked {
    pub(crate) pattern: String,
    pub(crate) text: String,
    /// Rows, 1 to [`ROWS_MAX`].
    pub(crate) limit: usize,
}

impl Asked {
    pub(crate) fn is_filtered(&self) -> bool {
        !self.pattern.trim().is_empty() || !self.text.trim().is_empty()
    }
}

/// A query as it came. A parameter given twice is the last; others than ours are left alone.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pattern: String,
    text: String,
    limit: String,
    after: String,
}

impl Query {
    pub(crate) fn of(uri: &Uri) -> Query {
        let mut query = Query::default();
        let pairs = extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        for (name, value) in pairs.map(|pairs| pairs.0).unwrap_or_default() {
            match name.as_str() {
                "pattern" => query.pattern = value,
                "text" => query.text = value,
                "limit" => query.limit = value,
                "after" => query.after = value,
                _ => {}
            }
        }
        query
    }

    pub(crate) fn asked(&self) -> Asked {
        let (pattern, text) = (self.pattern.clone(), self.text.clone());
        Asked { pattern, text, limit: self.limit() }
    }

    /// The filter, or what is wrong with it or with the limit.
    pub(crate) fn filter(&self) -> Result<Filter, Problem> {
        if !self.limit.is_empty() && self.limit.parse::<usize>().is_err() {
            let limit = crate::shown::line(&self.limit, 40);
            let message = format!("limit is '{limit}'; it is a number from 1 to {ROWS_MAX}");
            return Err(Problem { field: "limit", message });
        }
        Filter::new(&self.pattern, &self.text)
    }

    /// The limit, brought into its bounds.
    pub(crate) fn limit(&self) -> usize {
        self.limit.parse().unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX)
    }

    /// Where a page has got to. What cannot be read is nowhere: the page gets its list anew.
    pub(crate) fn after(&self) -> Option<Position> {
        self.after.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/?{text}").parse().unwrap())
    }

    #[test]
    fn a_query_is_read_whatever_it_holds() {
        let asked = query("pattern=a.%23&text=zo%C3%AB+l&x=y&limit=7&limit=9").asked();
        assert_eq!((asked.pattern.as_str(), asked.text.as_str(), asked.limit), ("a.#", "zoë l", 9));
        assert!(!query("").asked().is_filtered());
        for text in ["%", "%ff", "&&&==", "pattern", "text=%00"] {
            assert!(query(text).asked().limit == ROWS_DEFAULT, "{text}");
        }
    }

    #[test]
    fn a_limit_is_bounded_and_a_word_is_refused() {
        assert_eq!(query("limit=0").limit(), 1);
        assert_eq!(query("limit=100000").limit(), ROWS_MAX);
        let problem = query("limit=many").filter().unwrap_err();
        assert!(problem.message.contains("'many'") && problem.message.contains("500"));
    }
}
