//! Headers: the binding's arguments are looked for among the message's headers.

use crate::{
    Arguments, Error, Headers, Value,
    binding::{Binding, Destination},
};

#[derive(Debug, Default)]
pub(crate) struct HeadersRouter {
    bindings: Vec<Binding>,
}

impl HeadersRouter {
    pub(super) fn bind(&mut self, binding: &Binding) {
        self.bindings.push(binding.clone());
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        self.bindings.retain(|it| it != binding);
    }

    pub(super) fn route(&self, headers: &dyn Headers, visit: &mut dyn FnMut(&Destination)) {
        for binding in self.bindings.iter().filter(|it| matches(&it.arguments, headers)) {
            visit(&binding.destination);
        }
    }
}

/// RabbitMQ: `x-match` is all (the default), any, all-with-x or any-with-x; the first two do not
/// look at arguments that begin with `x-`. An argument without a value asks only for presence.
fn matches(arguments: &Arguments, headers: &dyn Headers) -> bool {
    let mode = arguments.get(MATCH).and_then(Value::as_str).unwrap_or("all");
    let (any, with_x) = (mode.starts_with("any"), mode.ends_with("-with-x"));
    let mut wanted =
        arguments.iter().filter(|(name, _)| *name != MATCH && (with_x || !name.starts_with("x-")));
    let found = |(name, value): (&str, &Value)| match headers.header(name) {
        None => false,
        Some(_) if *value == Value::Void => true,
        Some(header) => header.is_equivalent(value),
    };
    if any { wanted.any(found) } else { wanted.all(found) }
}

/// Refuses a binding whose `x-match` is none of the four.
pub(crate) fn validate(arguments: &Arguments) -> Result<(), Error> {
    match arguments.get(MATCH) {
        None => Ok(()),
        Some(Value::Longstr(mode))
            if matches!(mode.as_str(), "all" | "any" | "all-with-x" | "any-with-x") =>
        {
            Ok(())
        }
        Some(Value::Longstr(mode)) => Err(Error::precondition(format!(
            "Invalid x-match field value {mode:?}; \
             expected all, any, all-with-x, or any-with-x"
        ))),
        Some(other) => Err(Error::precondition(format!(
            "Invalid x-match field type {} (value {other}); expected longstr",
            other.type_name()
        ))),
    }
}

const MATCH: &str = "x-match";

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(pairs: &[(&str, Value)]) -> Arguments {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn the_four_modes() {
        let message = arguments(&[("a", Value::Long(1)), ("x-b", Value::Longstr("2".into()))]);
        let mode = |mode: &str, rest: &[(&str, Value)]| {
            let mut all = vec![("x-match", Value::Longstr(mode.into()))];
            all.extend_from_slice(rest);
            matches(&arguments(&all), &message)
        };
        let (one, two) = (("a", Value::SignedInt(1)), ("x-b", Value::Longstr("no".into())));
        assert!(mode("all", &[one.clone(), two.clone()]), "x- arguments are not looked at");
        assert!(!mode("all-with-x", &[one.clone(), two.clone()]));
        assert!(mode("any-with-x", &[one.clone(), two.clone()]));
        assert!(!mode("any", &[("c", Value::Void)]));
        assert!(mode("any", &[("a", Value::Void)]), "no value asks for presence");
        assert!(mode("all", &[]));
        assert!(!mode("any", &[]));
    }

    #[test]
    fn an_unknown_mode_is_refused() {
        assert!(validate(&arguments(&[("x-match", Value::Longstr("some".into()))])).is_err());
        assert!(validate(&arguments(&[("x-match", Value::Bool(true))])).is_err());
    }
}
