//! A body as templates see it. The engine's own conversion hashes every key; most objects have a
//! handful of keys, which are found quicker by looking at each.

use std::sync::Arc;

use minijinja::{
    Value,
    value::{Enumerator, Object, Serde},
};
use serde_json::{Map, Value as Json};

/// An object of a body, as the engine's value.
pub(crate) fn object(map: &Map<String, Json>) -> Value {
    match map.len() {
        // Looking at each key for each key would cost more than an event's fuel pays for.
        0 | FEW.. => Value::from(Serde(map)),
        _ => {
            let entry = |(key, value): (&String, &Json)| (Value::from(key.as_str()), of(value));
            Value::from_object(Few(map.iter().map(entry).collect()))
        }
    }
}

fn of(json: &Json) -> Value {
    match json {
        Json::String(text) => Value::from(text.as_str()),
        Json::Object(map) => object(map),
        Json::Array(items) => Value::from(items.iter().map(of).collect::<Vec<_>>()),
        Json::Bool(bool) => Value::from(*bool),
        other => Value::from(Serde(other)),
    }
}

/// An object with few keys, in their order.
#[derive(Debug)]
struct Few(Vec<(Value, Value)>);

impl Object for Few {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let found = self.0.iter().find(|(name, _)| name.as_str() == Some(key));
        found.map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| name.clone()).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

const FEW: usize = 25;

#[cfg(test)]
mod tests {
    use minijinja::Environment;
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_cannot_tell_it_from_the_engines_own() {
        let keys = |count: usize| -> Map<String, Json> {
            (0..count).map(|n| (format!("k{n}"), json!({"n": n}))).collect()
        };
        let template = "{{ body }} {{ body|length }} {{ body.a.b }} {{ body['a'].c }} {{ body.x.y }} \
             {{ body|items|list }} {% for key in body %}{{ key }}{% endfor %} {{ body.list[1] }} \
             {{ body.list|last }} {{ body|tojson }} {{ 'a' in body }} {{ 'z' in body }} \
             {{ body is mapping }} {{ body.n + 1 }} {{ body.f }} {{ body.null is none }} \
             {{ body.many|length }} {{ body.many.k29.n }} {{ body.empty|length }} \
             {{ body == body }} {{ body.a|dictsort }} {{ body|first }} {{ body.big }}";
        let body = json!({
            "a": {"b": "é", "c": [1, {"d": null}]}, "list": [1, 2.5, "x"], "n": -7, "f": 1e300,
            "null": null, "yes": true, "many": keys(30), "empty": {}, "big": u64::MAX,
        });
        let map = body.as_object().unwrap();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
        let say =
            |body: Value| environment.render_str(template, minijinja::context! { body }).unwrap();
        assert_eq!(say(object(map)), say(Value::from(Serde(map))));
    }
}
