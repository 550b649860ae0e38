//! What a consumer asks of a stream: where to begin, and which messages it wants.

use super::StreamFilter;
use crate::{
    Arguments, Timestamp, Value,
    policy::{STREAM_OFFSET, max_age},
};

/// Where in a stream a consumer begins (RabbitMQ: `x-stream-offset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadFrom {
    /// The oldest message there is.
    First,
    /// The newest message there is.
    Last,
    /// What comes from now on.
    #[default]
    Next,
    /// The message with this number, or the first one behind it that there is.
    Offset(u64),
    /// The first message that was published then or later.
    Time(Timestamp),
    /// The first message that was published so many milliseconds ago or later.
    Ago(u64),
}

/// What a consumer asks of a stream. Means nothing to other queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Where it begins.
    pub from: ReadFrom,
    /// Which messages it wants; `None`: all.
    pub filter: Option<StreamFilter>,
}

impl Reading {
    /// What a consumer's arguments say: `x-stream-offset`, `x-stream-filter`,
    /// `x-stream-match-unfiltered` (RabbitMQ: `rabbit_stream_queue:parse_offset_arg`).
    ///
    /// # Errors
    /// The offset, which is none.
    pub(crate) fn of_arguments(arguments: &Arguments) -> Result<Reading, &Value> {
        let from = match arguments.get(STREAM_OFFSET) {
            None => ReadFrom::Next,
            Some(offset) => read_from(offset).ok_or(offset)?,
        };
        let unfiltered =
            matches!(arguments.get("x-stream-match-unfiltered"), Some(Value::Bool(true)));
        let filter = match arguments.get("x-stream-filter") {
            Some(Value::Longstr(value)) => Some(StreamFilter::new([value.as_str()], unfiltered)),
            Some(Value::Array(values)) => {
                let values = values.iter().filter_map(Value::as_str);
                Some(StreamFilter::new(values, unfiltered))
            }
            _ => None,
        };
        Ok(Reading { from, filter })
    }
}

fn read_from(offset: &Value) -> Option<ReadFrom> {
    match offset {
        Value::Timestamp(seconds) => Some(ReadFrom::Time(Timestamp(seconds.saturating_mul(1000)))),
        Value::Longstr(text) => match text.as_str() {
            "first" => Some(ReadFrom::First),
            "last" => Some(ReadFrom::Last),
            "next" => Some(ReadFrom::Next),
            interval => max_age::milliseconds(interval).map(ReadFrom::Ago),
        },
        number => u64::try_from(number.as_integer()?).ok().map(ReadFrom::Offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(arguments: &[(&str, Value)]) -> Result<Reading, Value> {
        let arguments = arguments.iter().map(|(name, value)| (name.to_string(), value.clone()));
        Reading::of_arguments(&arguments.collect()).map_err(Value::clone)
    }

    #[test]
    fn an_offset_is_a_word_a_number_a_time_or_an_interval() {
        let text = |text: &str| Value::Longstr(text.to_owned());
        for (value, from) in [
            (text("first"), ReadFrom::First),
            (text("last"), ReadFrom::Last),
            (text("next"), ReadFrom::Next),
            (text("5m"), ReadFrom::Ago(300_000)),
            (Value::SignedInt(0), ReadFrom::Offset(0)),
            (Value::Long(i64::MAX), ReadFrom::Offset(i64::MAX as u64)),
            (Value::UnsignedByte(7), ReadFrom::Offset(7)),
            (Value::Timestamp(9), ReadFrom::Time(Timestamp(9000))),
            (Value::Timestamp(u64::MAX), ReadFrom::Time(Timestamp(u64::MAX))),
        ] {
            let read = reading(&[("x-stream-offset", value)]).unwrap();
            assert_eq!(read, Reading { from, filter: None });
        }
        assert_eq!(reading(&[]), Ok(Reading::default()));
        for value in [text("soon"), text(""), Value::Long(-1), Value::Bool(true), Value::Void] {
            assert_eq!(reading(&[("x-stream-offset", value.clone())]), Err(value));
        }
    }

    #[test]
    fn a_filter_is_one_value_or_several() {
        let text = |text: &str| Value::Longstr(text.to_owned());
        let one = reading(&[("x-stream-filter", text("a"))]).unwrap();
        assert_eq!(one.filter, Some(StreamFilter::new(["a"], false)));
        let values = Value::Array(vec![text("a"), Value::Long(1), text("b")]);
        let several =
            [("x-stream-filter", values), ("x-stream-match-unfiltered", Value::Bool(true))];
        assert_eq!(reading(&several).unwrap().filter, Some(StreamFilter::new(["a", "b"], true)));
        assert_eq!(reading(&several[1..]).unwrap().filter, None);
    }
}
