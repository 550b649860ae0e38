//! Which fields of an item are wanted: `columns=name,message_stats.publish_details.rate`.

use serde_json::{Map, Value};

/// The fields that are wanted; all without any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns(Vec<Vec<String>>);

impl Columns {
    pub(crate) fn parse(text: &str) -> Columns {
        let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
        Columns(paths.map(|path| path.split('.').map(str::to_owned).collect()).collect())
    }

    /// The item with the fields that are wanted and there.
    pub(crate) fn of(&self, item: Value) -> Value {
        if self.0.is_empty() {
            return item;
        }
        let mut kept = Map::new();
        for path in &self.0 {
            copy(&item, path, &mut kept);
        }
        Value::Object(kept)
    }
}

fn copy(from: &Value, path: &[String], into: &mut Map<String, Value>) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(value) = from.get(first) else { return };
    if rest.is_empty() {
        into.insert(first.clone(), value.clone());
        return;
    }
    let mut inner = match into.remove(first) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    copy(value, rest, &mut inner);
    if !inner.is_empty() {
        into.insert(first.clone(), Value::Object(inner));
    }
}

/// The value at `a.b.c`.
pub(crate) fn at<'a>(item: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(item, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_asked_for_is_left_also_deep_inside() {
        let item = json!({"name": "q", "a": {"b": {"c": 1, "d": 2}, "e": 3}, "f": 4});
        let of = |text: &str| Columns::parse(text).of(item.clone());
        assert_eq!(of(""), item);
        assert_eq!(of("name,a.b.c,nope,a.nope"), json!({"name": "q", "a": {"b": {"c": 1}}}));
        assert_eq!(of("a.b.c,a.e"), json!({"a": {"b": {"c": 1}, "e": 3}}));
        assert_eq!(of("nope"), json!({}));
        assert_eq!(at(&item, "a.b.d"), Some(&json!(2)));
        assert_eq!(at(&item, "name.x"), None);
    }
}
