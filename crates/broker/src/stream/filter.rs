//! Filters of streams: a publisher marks a message with a value, and a consumer names the values it
//! wants (RabbitMQ: `x-stream-filter-value` and `x-stream-filter`). What does not match is passed
//! over without being read.

use crate::{Headers, Value};

/// The value a message is marked with, as an index keeps it: a hash, and 0 for none. Two values of
/// one hash are taken for the same, once in four thousand million; RabbitMQ's Bloom filters do so
/// more often, and its clients filter again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FilterMark(pub(crate) u32);

impl FilterMark {
    /// No value.
    pub(crate) const NONE: FilterMark = FilterMark(0);

    /// What a message's headers say.
    pub(crate) fn of(headers: &dyn Headers) -> FilterMark {
        match headers.header("x-stream-filter-value") {
            Some(Value::Longstr(value)) => FilterMark::of_value(&value),
            _ => FilterMark::NONE,
        }
    }

    fn of_value(value: &str) -> FilterMark {
        FilterMark(crc32c::crc32c(value.as_bytes()).max(1))
    }
}

/// Which messages of a stream a consumer wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFilter {
    marks: Vec<FilterMark>,
    unfiltered: bool,
}

impl StreamFilter {
    /// Those that are marked with one of these values, and with `unfiltered` those that bear no
    /// mark.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>, unfiltered: bool) -> StreamFilter {
        StreamFilter { marks: values.into_iter().map(FilterMark::of_value).collect(), unfiltered }
    }

    pub(crate) fn lets(&self, mark: FilterMark) -> bool {
        match mark {
            FilterMark::NONE => self.unfiltered,
            mark => self.marks.contains(&mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_lets_its_values_through_and_unmarked_ones_when_asked() {
        let filter = StreamFilter::new(["a", "b"], false);
        let marks = ["a", "b", "c", ""].map(FilterMark::of_value);
        assert_eq!(marks.map(|mark| filter.lets(mark)), [true, true, false, false]);
        assert!(!filter.lets(FilterMark::NONE));
        assert!(StreamFilter::new(["a"], true).lets(FilterMark::NONE));
    }
}
