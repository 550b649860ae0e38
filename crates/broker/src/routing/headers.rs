//! Headers: the binding's arguments are looked for among the message's headers. Every binding is
//! looked at, but each header of a message only once.

use std::cmp::Ordering;

use bytestring::ByteString;
use smallvec::SmallVec;

use super::Map;
use crate::{
    Arguments, Error, Headers, Value,
    binding::{Binding, Destination, DestinationKey},
};

#[derive(Debug, Default)]
pub(crate) struct HeadersRouter {
    bindings: Map<(DestinationKey, ByteString), Vec<Bound>>,
    /// The headers that any binding asks for, each at its slot, with how often.
    names: Vec<(String, u32)>,
    slots: Map<String, u32>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Bound {
    arguments: Arguments,
    destination: Destination,
    wanted: Wanted,
}

/// What one binding asks for.
#[derive(Debug)]
struct Wanted {
    any: bool,
    /// The header's slot, and its value; `None` when it only has to be there.
    headers: Vec<(u32, Option<Value>)>,
}

impl HeadersRouter {
    pub(super) fn bind(&mut self, binding: &Binding) {
        let (any, wanted) = wanted(&binding.arguments);
        let headers = wanted
            .map(|(name, value)| {
                let value = (*value != Value::Void).then(|| value.clone());
                (self.slot(name), value)
            })
            .collect();
        let bound = Bound {
            arguments: binding.arguments.clone(),
            destination: binding.destination.clone(),
            wanted: Wanted { any, headers },
        };
        let at = (binding.destination.key(), binding.key.clone());
        self.bindings.entry(at).or_default().push(bound);
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        let at = (binding.destination.key(), binding.key.clone());
        let Some(same) = self.bindings.get_mut(&at) else { return };
        let Some(index) = same.iter().position(|it| it.arguments == binding.arguments) else {
            return;
        };
        let gone = same.swap_remove(index);
        if same.is_empty() {
            self.bindings.remove(&at);
        }
        gone.wanted.headers.iter().for_each(|(slot, _)| self.give_back(*slot));
    }

    fn slot(&mut self, name: &str) -> u32 {
        if let Some(&slot) = self.slots.get(name) {
            self.names.get_mut(slot as usize).into_iter().for_each(|it| it.1 += 1);
            return slot;
        }
        let new = (name.to_owned(), 1);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.names.get_mut(slot as usize).into_iter().for_each(|it| *it = new.clone());
                slot
            }
            None => {
                self.names.push(new);
                (self.names.len() - 1) as u32
            }
        };
        self.slots.insert(name.to_owned(), slot);
        slot
    }

    fn give_back(&mut self, slot: u32) {
        let Some((name, uses)) = self.names.get_mut(slot as usize) else { return };
        *uses -= 1;
        if *uses == 0 {
            self.slots.remove(name.as_str());
            name.clear();
            self.free.push(slot);
        }
    }

    pub(super) fn route(&self, headers: &dyn Headers, visit: &mut dyn FnMut(&Destination)) {
        let looked_up = |(name, uses): &(String, u32)| (*uses > 0).then(|| headers.header(name));
        let found: SmallVec<[Option<Value>; 8]> =
            self.names.iter().map(|name| looked_up(name).flatten()).collect();
        for bound in self.bindings.values().flatten().filter(|it| it.wanted.matches(&found)) {
            visit(&bound.destination);
        }
    }
}

impl Wanted {
    fn matches(&self, found: &[Option<Value>]) -> bool {
        let mut headers = self.headers.iter();
        let is_there = |(slot, value): &(u32, Option<Value>)| match (
            found.get(*slot as usize).and_then(Option::as_ref),
            value,
        ) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(header), Some(value)) => are_equal(header, value),
        };
        if self.any { headers.any(is_there) } else { headers.all(is_there) }
    }
}

/// Whether any header is enough, and the headers that are asked for. RabbitMQ: `x-match` is all
/// (the default), any, all-with-x or any-with-x; the first two do not look at arguments that begin
/// with `x-`. An argument without a value asks only for presence.
fn wanted(arguments: &Arguments) -> (bool, impl Iterator<Item = (&str, &Value)>) {
    let mode = arguments.get(MATCH).and_then(Value::as_str).unwrap_or("all");
    let (any, with_x) = (mode.starts_with("any"), mode.ends_with("-with-x"));
    let wanted = arguments
        .iter()
        .filter(move |(name, _)| *name != MATCH && (with_x || !name.starts_with("x-")));
    (any, wanted)
}

/// RabbitMQ compares as Erlang's `==` does once the outermost type is taken away: numbers by value,
/// be they integers, floats or timestamps; texts by their bytes; what is inside an array or a table
/// type and all.
fn are_equal(one: &Value, other: &Value) -> bool {
    if let (Some(one), Some(other)) = (Number::of(one), Number::of(other)) {
        return one.is_equal(other);
    }
    match (bytes_of(one), bytes_of(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Number> {
        match *value {
            Value::Timestamp(time) => Some(Number::Integer(time.into())),
            Value::Float(it) => Some(Number::Float(it.into())),
            Value::Double(it) => Some(Number::Float(it)),
            ref other => other.as_integer().map(|it| Number::Integer(it.into())),
        }
    }

    fn is_equal(self, other: Number) -> bool {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => a == b,
            (Number::Float(a), Number::Float(b)) => a == b,
            (Number::Integer(a), Number::Float(b)) | (Number::Float(b), Number::Integer(a)) => {
                // Exact: an integer that a float can only be near to is another number.
                (a as f64).partial_cmp(&b) == Some(Ordering::Equal) && a as f64 as i128 == a
            }
        }
    }
}

fn bytes_of(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Longstr(text) => Some(text.as_bytes()),
        Value::Binary(bytes) => Some(bytes),
        _ => None,
    }
}

/// Refuses a binding whose `x-match` is none of the four (RabbitMQ:
/// `rabbit_exchange_type_headers:validate_binding`).
pub(crate) fn validate(arguments: &Arguments) -> Result<(), Error> {
    match arguments.get(MATCH) {
        None => Ok(()),
        Some(Value::Longstr(mode))
            if matches!(mode.as_str(), "all" | "any" | "all-with-x" | "any-with-x") =>
        {
            Ok(())
        }
        Some(Value::Longstr(mode)) => Err(Error::precondition(format!(
            "Invalid x-match field value {}; expected all, any, all-with-x, or any-with-x",
            crate::policy::binary(mode)
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

    fn binding(name: &str, pairs: &[(&str, Value)]) -> Binding {
        Binding {
            destination: Destination::Exchange(name.into()),
            key: ByteString::new(),
            arguments: arguments(pairs),
        }
    }

    fn routed(router: &HeadersRouter, message: &[(&str, Value)]) -> Vec<String> {
        let mut found = Vec::new();
        router.route(&arguments(message), &mut |it| match it {
            Destination::Exchange(name) => found.push(name.to_string()),
            Destination::Queue(_) => unreachable!("the tests bind exchanges"),
        });
        found.sort();
        found
    }

    fn matches(wanted: &[(&str, Value)], message: &[(&str, Value)]) -> bool {
        let mut router = HeadersRouter::default();
        router.bind(&binding("x", wanted));
        !routed(&router, message).is_empty()
    }

    fn text(text: &str) -> Value {
        Value::Longstr(text.into())
    }

    #[test]
    fn the_four_modes() {
        let message = [("a", Value::Long(1)), ("x-b", text("2"))];
        let mode = |mode: &str, rest: &[(&str, Value)]| {
            let mut all = vec![("x-match", text(mode))];
            all.extend_from_slice(rest);
            matches(&all, &message)
        };
        let (one, two) = (("a", Value::SignedInt(1)), ("x-b", text("no")));
        assert!(mode("all", &[one.clone(), two.clone()]), "x- arguments are not looked at");
        assert!(!mode("all-with-x", &[one.clone(), two.clone()]));
        assert!(mode("any-with-x", &[one.clone(), two.clone()]));
        assert!(mode("any-with-x", &[("x-b", text("2"))]));
        assert!(!mode("any", &[("x-b", text("2"))]));
        assert!(!mode("any", &[("c", Value::Void)]));
        assert!(mode("any", &[("a", Value::Void)]), "no value asks for presence");
        assert!(mode("all", &[]) && !mode("any", &[]));
    }

    #[test]
    fn numbers_are_equal_by_value_and_texts_by_their_bytes() {
        let equal = |one: Value, other: Value| matches(&[("h", one)], &[("h", other)]);
        assert!(equal(Value::Byte(5), Value::Timestamp(5)));
        assert!(equal(Value::Long(1), Value::Double(1.0)));
        assert!(!equal(Value::Long((1 << 53) + 1), Value::Double((1_u64 << 53) as f64)));
        assert!(equal(text("a"), Value::Binary(b"a".to_vec())));
        assert!(!equal(text("1"), Value::Long(1)) && !equal(Value::Bool(true), Value::Long(1)));
        assert!(!equal(Value::Decimal(0, 1), Value::Long(1)));
        let array = |value| Value::Array(vec![value]);
        assert!(equal(array(Value::Long(1)), array(Value::Long(1))));
        assert!(!equal(array(Value::Long(1)), array(Value::Byte(1))), "types count inside");
        assert!(equal(Value::Void, Value::Table(Arguments::default())), "it is there");
    }

    #[test]
    fn what_was_unbound_is_looked_for_no_more() {
        let mut router = HeadersRouter::default();
        let (a, b) = (binding("a", &[("h", text("1"))]), binding("b", &[("h", text("1"))]));
        let other = binding("a", &[("k", text("1"))]);
        [&a, &b, &other].into_iter().for_each(|it| router.bind(it));
        let message = [("h", text("1")), ("k", text("1"))];
        assert_eq!(routed(&router, &message), ["a", "a", "b"]);
        router.unbind(&a);
        assert_eq!(routed(&router, &message), ["a", "b"]);
        router.unbind(&b);
        router.unbind(&other);
        assert!(router.bindings.is_empty() && router.slots.is_empty());
        router.bind(&binding("c", &[("z", text("1"))]));
        assert_eq!(router.names.len(), 2, "slots are used again");
        assert_eq!(routed(&router, &[("z", text("1"))]), ["c"]);
    }

    #[test]
    fn an_unknown_mode_is_refused() {
        let refusal = |mode: Value| validate(&arguments(&[("x-match", mode)])).unwrap_err().text;
        assert_eq!(
            refusal(text("some")),
            "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x"
        );
        assert_eq!(
            refusal(Value::Bool(true)),
            "Invalid x-match field type bool (value true); expected longstr"
        );
    }
}
