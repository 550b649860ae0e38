//! One request, as a handler sees it: who, what, and what came with it.

use std::sync::Arc;

use axum::http::HeaderMap;
use broker::{
    Access, VirtualHost,
    authorize::{Action, Resource},
};
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{caller::Caller, query::Query, refusal::Refusal, site::Site};

/// A request.
pub(crate) struct Call {
    pub(crate) site: Arc<Site>,
    pub(crate) caller: Caller,
    /// What stands in the places of the route.
    pub(crate) places: Vec<String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// What stands in a place of the route.
    pub(crate) fn place(&self, at: usize) -> &str {
        self.places.get(at).map_or("", String::as_str)
    }

    /// Whether the caller may.
    ///
    /// # Errors
    /// They may not.
    pub(crate) fn need(&self, action: Action, resource: &Resource<'_>) -> Result<(), Refusal> {
        let authority = self.site.broker.authority();
        Ok(authority.authorize(&self.caller.identity, action, resource)?)
    }

    pub(crate) fn may(&self, action: Action, resource: &Resource<'_>) -> bool {
        self.need(action, resource).is_ok()
    }

    /// A virtual host that the address names.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn known_vhost(&self, name: &str) -> Result<Arc<VirtualHost>, Refusal> {
        self.site.broker.vhost(name).map_err(|error| Refusal::no_object(error.text))
    }

    /// A virtual host that the address names, and in which the caller may look around.
    ///
    /// # Errors
    /// There is none, or they may not.
    pub(crate) fn vhost(&self, name: &str) -> Result<Arc<VirtualHost>, Refusal> {
        let vhost = self.known_vhost(name)?;
        self.need(Action::SeeContents, &Resource::VirtualHost(name))?;
        Ok(vhost)
    }

    /// The virtual hosts in which the caller may look around.
    pub(crate) fn vhosts(&self) -> Vec<Arc<VirtualHost>> {
        self.vhosts_for(Action::SeeContents)
    }

    pub(crate) fn vhosts_for(&self, action: Action) -> Vec<Arc<VirtualHost>> {
        let mut vhosts = self.site.broker.vhosts();
        vhosts.retain(|vhost| self.may(action, &Resource::VirtualHost(vhost.name())));
        vhosts
    }

    /// The virtual host in that place, or all if the route has no such place.
    ///
    /// # Errors
    /// As [`Call::vhost`].
    pub(crate) fn vhosts_at(&self, at: usize) -> Result<Vec<Arc<VirtualHost>>, Refusal> {
        match self.places.get(at) {
            Some(name) => Ok(vec![self.vhost(name)?]),
            None => Ok(self.vhosts()),
        }
    }

    /// The caller in a virtual host, for whatever a client could do there.
    ///
    /// # Errors
    /// There is no such virtual host, or they may not enter.
    pub(crate) fn access(&self, vhost: &str) -> Result<Access, Refusal> {
        Ok(self.site.broker.access(vhost, self.caller.identity.clone())?)
    }

    /// Forgets what was allowed to users who were deleted: before somebody is given a right.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(crate) fn forget_departed(&self) -> Result<(), Refusal> {
        Ok(server::forget_departed(&self.site.broker, &self.site.users)?)
    }

    /// The body's object; an empty body is an empty one.
    ///
    /// # Errors
    /// It is no JSON object.
    pub(crate) fn object(&self) -> Result<Fields, Refusal> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Fields(Map::new()));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(fields)) => Ok(Fields(fields)),
            Ok(_) => Err(Refusal::bad_request("not_json: the body is no JSON object")),
            Err(error) => Err(Refusal::bad_request(format!("not_json: {error}"))),
        }
    }
}

/// The fields of a body.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Refuses a body without these fields.
    ///
    /// # Errors
    /// All that are missing, as RabbitMQ says it.
    pub(crate) fn need(&self, names: &[&str]) -> Result<(), Refusal> {
        let missing: Vec<String> = names
            .iter()
            .filter(|name| self.get(name).is_none())
            .map(|name| format!("{{key_missing,{name}}}"))
            .collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Refusal::bad_request(format!("[{}]", missing.join(",")))),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a text", other)),
        }
    }

    /// Yes or no; RabbitMQ takes the words as well.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" || text.is_empty() => Ok(false),
            Some(other) => Err(wrong(name, "true or false", other)),
        }
    }

    /// A whole number, or its digits.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => {
                let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
                number.map(Some).ok_or_else(|| wrong(name, "a whole number", value))
            }
        }
    }

    /// Arguments of AMQP; absent or an empty list are none.
    ///
    /// # Errors
    /// It is no object, or AMQP has no word for something in it.
    pub(crate) fn arguments(&self, name: &str) -> Result<broker::Arguments, Refusal> {
        match self.get(name) {
            None => Ok(broker::Arguments::default()),
            Some(Value::Object(object)) => {
                definitions::from_json(object).map_err(Refusal::bad_request)
            }
            // An empty object of PHP, and of Erlang.
            Some(Value::Array(items)) if items.is_empty() => Ok(broker::Arguments::default()),
            Some(other) => Err(wrong(name, "an object", other)),
        }
    }
}

fn wrong(name: &str, expected: &str, found: &Value) -> Refusal {
    let found: String = found.to_string().chars().take(80).collect();
    Refusal::bad_request(format!("'{name}' is not {expected}: {found}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        Fields(value.as_object().unwrap().clone())
    }

    #[test]
    fn fields_of_a_wrong_type_are_named() {
        let it = fields(json!({"s": 1, "b": "maybe", "n": "x", "a": [1], "t": "true", "d": "5"}));
        for refused in [
            it.text("s").unwrap_err(),
            it.flag("b").unwrap_err(),
            it.number("n").unwrap_err(),
            it.arguments("a").unwrap_err(),
        ] {
            let reason = refused.reason.as_str().unwrap();
            assert!(reason.contains(" is not "), "{reason}");
        }
        assert!(it.flag("t").unwrap() && !it.flag("absent").unwrap());
        assert_eq!(it.number("d").unwrap(), Some(5));
        let missing = it.need(&["s", "x", "y"]).unwrap_err();
        assert_eq!(missing.reason, "[{key_missing,x},{key_missing,y}]");
    }
}
