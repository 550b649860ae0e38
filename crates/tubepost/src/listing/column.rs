//! A column: which field of an object it shows, and how.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::table::Cell;

/// A field by its dotted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    name: String,
    /// What stands for an empty text.
    empty: Option<String>,
}

impl Column {
    /// The field of this name.
    pub(super) fn new(name: &str) -> Column {
        Column { name: name.to_owned(), empty: None }
    }

    /// `NAME`, or `NAME=WORD` with a word for an empty text.
    pub(super) fn usual(text: &str) -> Column {
        match text.split_once('=') {
            Some((name, word)) => Column { name: name.to_owned(), empty: Some(word.to_owned()) },
            None => Column::new(text),
        }
    }

    /// As a column of the same name among others, if there is one.
    pub(super) fn as_among(&self, others: &[Column]) -> Column {
        others.iter().find(|other| other.name == self.name).unwrap_or(self).clone()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The field. A key that has dots itself, such as one of a policy's definition, is found too.
    pub(super) fn value<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        find(object, &self.name)
    }

    /// The field as a table has it.
    pub(super) fn cell(&self, object: &Value) -> Cell {
        let value = self.value(object).unwrap_or(&Value::Null);
        match value {
            Value::Null => Cell::absent(),
            // Erlang's word for it, which RabbitMQ lets through here and there.
            Value::String(text) if text == "undefined" => Cell::absent(),
            Value::String(text) if text.is_empty() => match &self.empty {
                Some(word) => Cell::text(word),
                None => Cell::absent(),
            },
            Value::Array(list) if list.is_empty() => Cell::absent(),
            Value::Object(fields) if fields.is_empty() => Cell::absent(),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => match self.moment(whole) {
                    Some(moment) => Cell::text(&moment),
                    None => Cell::number(whole.to_string()),
                },
                None => Cell::number(decimal(number)),
            },
            Value::String(text) => Cell::text(text),
            Value::Array(list) if list.iter().all(Value::is_string) => {
                let words: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                Cell::text(&words.join(","))
            }
            other => Cell::text(&other.to_string()),
        }
    }

    // Fields that end so are milliseconds since 1970.
    fn moment(&self, milliseconds: i64) -> Option<String> {
        let is_moment = self.name.ends_with("_at") && milliseconds > MOMENT_MIN_MS;
        let moment = is_moment.then(|| Timestamp::from_millisecond(milliseconds).ok())??;
        Some(
            moment
                .to_zoned_datetime(TimeZone::system())
                .strftime("%Y-%m-%dT%H:%M:%S%:z")
                .to_string(),
        )
    }
}

/// All fields of an object that are worth a line: of objects in it their fields.
pub(super) fn all_of(object: &Value) -> Vec<Column> {
    let mut columns = Vec::new();
    collect("", object, &mut columns, 0);
    columns
}

fn collect(prefix: &str, value: &Value, columns: &mut Vec<Column>, depth: usize) {
    let Value::Object(fields) = value else { return };
    for (key, value) in fields {
        let name = format!("{prefix}{key}");
        match value {
            Value::Object(inner) if !inner.is_empty() && depth < DEPTH_MAX => {
                collect(&format!("{name}."), value, columns, depth + 1);
            }
            _ => columns.push(Column { name, empty: None }),
        }
    }
}

fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    if let Some(found) = value.get(name) {
        return Some(found);
    }
    let mut dots = name.match_indices('.').map(|(at, _)| at);
    dots.find_map(|at| {
        let (outer, inner) = name.split_at(at);
        find(value.get(outer)?, inner.get(1..)?)
    })
}

fn decimal(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() => format!("{value:.2}"),
        _ => number.to_string(),
    }
}

/// Deeper objects are shown as JSON.
const DEPTH_MAX: usize = 4;
/// 2001: no count of things that ends in `_at` gets there.
const MOMENT_MIN_MS: i64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cell(name: &str, object: &Value) -> String {
        Column::usual(name).cell(object).to_string()
    }

    #[test]
    fn a_field_is_found_by_its_dotted_name() {
        let object = json!({
            "name": "jobs",
            "message_stats": {"publish": 3, "publish_details": {"rate": 0.25}},
            "definition": {"x.y": 1},
        });
        assert_eq!(cell("name", &object), "jobs");
        assert_eq!(cell("message_stats.publish_details.rate", &object), "0.25");
        assert_eq!(cell("definition.x.y", &object), "1");
        assert_eq!(cell("message_stats.ack", &object), "-");
        assert_eq!(cell("name.x", &object), "-");
    }

    #[test]
    fn every_kind_of_value_has_a_text() {
        for (value, text) in [
            (json!(null), "-"),
            (json!(""), "-"),
            (json!("undefined"), "-"),
            (json!([]), "-"),
            (json!({}), "-"),
            (json!(true), "true"),
            (json!(12), "12"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(0.5), "0.50"),
            (json!(["a", "b"]), "a,b"),
            (json!([1, "b"]), "[1,\"b\"]"),
            (json!({"x-match": "all"}), "{\"x-match\":\"all\"}"),
            (json!("a\tb\u{1b}[31m"), "a\u{fffd}b\u{fffd}[31m"),
        ] {
            assert_eq!(cell("v", &json!({ "v": value })), text);
        }
        assert_eq!(cell("name=(default)", &json!({"name": ""})), "(default)");
        assert_eq!(cell("name=(default)", &json!({"name": "x"})), "x");
    }

    #[test]
    fn a_moment_is_shown_as_one() {
        let object = json!({"connected_at": 1_764_095_400_123_u64, "look_at": 7});
        assert!(cell("connected_at", &object).starts_with("2025-11-2"), "{object}");
        assert_eq!(cell("look_at", &object), "7");
    }

    #[test]
    fn one_object_has_a_line_for_each_field_down_to_its_leaves() {
        let object =
            json!({"name": "q", "arguments": {}, "a": {"b": {"c": 1}}, "list": [{"x": 1}]});
        let names: Vec<String> = all_of(&object).into_iter().map(|column| column.name).collect();
        assert_eq!(names, ["name", "arguments", "a.b.c", "list"]);
    }
}
