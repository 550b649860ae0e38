//! What a selector says of a message. Allocates nothing, and looks at each node once at most.

use crate::{
    Dialect, Name, Truth, Value,
    program::{Items, Node, NodeId, Program, Side},
    spelling::Derived,
    value::Comparison,
};

/// A message, as a selector sees it.
///
/// Who implements it decides what a message of its protocol has under each name: the borrowed
/// value, or none. A selector asks for a name each time it stands in the text, so looking is to be
/// cheap; [`Selector::names`](crate::Selector::names) are all that will be asked for.
pub trait Properties {
    /// What the message has under this name.
    fn get(&self, name: &Name) -> Option<Value<'_>>;

    /// The time, in milliseconds since 1970, for `UTC()`
    /// ([`Selector::uses_utc`](crate::Selector::uses_utc)). The same for all of one evaluation.
    fn utc_ms(&self) -> i64;
}

/// A program and a message.
pub(crate) struct Evaluation<'a, P: ?Sized> {
    pub(crate) program: &'a Program,
    pub(crate) properties: &'a P,
}

impl<'a, P: Properties + ?Sized> Evaluation<'a, P> {
    /// The truth of a node; one whose value is no boolean is unknown (Qpid C++, RabbitMQ).
    pub(crate) fn truth(&self, id: NodeId) -> Truth {
        match self.program.node(id) {
            Node::Compare(comparison, left, right) => self.compare(*comparison, *left, *right),
            Node::And(items) => self.all(*items),
            Node::Or(items) => self.any(*items),
            Node::Not(denied) => !self.truth(*denied),
            Node::Between(side, value, low, high) => self.between(*side, *value, *low, *high),
            Node::In(value, items) => self.is_in(*value, *items),
            Node::Like(value, pattern) => {
                // What is no text is unknown (Qpid C++, RabbitMQ; false in Broker-J).
                let text = self.value(*value).and_then(Value::text);
                text.map_or(Truth::Unknown, |text| {
                    self.program.pattern(*pattern).matches(text).into()
                })
            }
            Node::IsNull(value) => self.value(*value).is_none().into(),
            Node::Literal(_)
            | Node::Name(_)
            | Node::Derived(..)
            | Node::Utc
            | Node::Sign(..)
            | Node::Arithmetic(..) => match self.value(id) {
                Some(Value::Bool(known)) => known.into(),
                _ => Truth::Unknown,
            },
        }
    }

    fn value(&self, id: NodeId) -> Option<Value<'a>> {
        match self.program.node(id) {
            Node::Literal(literal) => Some(literal.value()),
            Node::Name(name) => self.look_up(self.program.name(*name)),
            Node::Derived(derived, name) => {
                derive(*derived, self.look_up(self.program.name(*name)))
            }
            Node::Utc => Some(Value::Int(self.properties.utc_ms())),
            Node::Sign(sign, operand) => sign.apply(self.value(*operand)?),
            Node::Arithmetic(operator, left, right) => {
                operator.apply(self.value(*left)?, self.value(*right)?, self.program.dialect)
            }
            Node::Compare(..)
            | Node::Between(..)
            | Node::In(..)
            | Node::Like(..)
            | Node::IsNull(_)
            | Node::Not(_)
            | Node::And(_)
            | Node::Or(_) => match self.truth(id) {
                Truth::True => Some(Value::Bool(true)),
                Truth::False => Some(Value::Bool(false)),
                Truth::Unknown => None,
            },
        }
    }

    fn look_up(&self, name: &Name) -> Option<Value<'a>> {
        self.properties.get(name).or_else(|| name.default_value())
    }

    fn compare(&self, comparison: Comparison, left: NodeId, right: NodeId) -> Truth {
        match (self.value(left), self.value(right)) {
            (Some(left), Some(right)) => comparison.holds(left, right, self.program.dialect).into(),
            _ => Truth::Unknown,
        }
    }

    fn all(&self, items: Items) -> Truth {
        let mut truth = Truth::True;
        for item in self.program.items(items) {
            truth = truth.and(self.truth(*item));
            if truth == Truth::False {
                break;
            }
        }
        truth
    }

    fn any(&self, items: Items) -> Truth {
        let mut truth = Truth::False;
        for item in self.program.items(items) {
            truth = truth.or(self.truth(*item));
            if truth == Truth::True {
                break;
            }
        }
        truth
    }

    /// Two comparisons: one bound that is missed settles it, whether there is another or not (JMS
    /// and SQL-92; in Qpid C++ both must be there).
    fn between(&self, side: Side, value: NodeId, low: NodeId, high: NodeId) -> Truth {
        let Some(value) = self.value(value) else { return Truth::Unknown };
        let holds = |comparison: Comparison, bound: NodeId| match self.value(bound) {
            Some(bound) => comparison.holds(value, bound, self.program.dialect).into(),
            None => Truth::Unknown,
        };
        match side {
            Side::Inside => {
                holds(Comparison::GreaterOrEqual, low).and(holds(Comparison::LessOrEqual, high))
            }
            Side::Outside => holds(Comparison::Less, low).or(holds(Comparison::Greater, high)),
        }
    }

    /// As `=` with each item, joined by `OR`. An item that is not there leaves it unknown, but in
    /// RabbitMQ it is one that is not equal.
    fn is_in(&self, value: NodeId, items: Items) -> Truth {
        let dialect = self.program.dialect;
        let Some(value) = self.value(value) else { return Truth::Unknown };
        let mut truth = Truth::False;
        for item in self.program.items(items) {
            match self.value(*item) {
                Some(item) if Comparison::Equal.holds(value, item, dialect) => return Truth::True,
                None if dialect == Dialect::Jms => truth = Truth::Unknown,
                _ => {}
            }
        }
        truth
    }
}

/// What JMS has of what AMQP has.
fn derive(derived: Derived, source: Option<Value<'_>>) -> Option<Value<'_>> {
    match (derived, source) {
        (Derived::DeliveryMode, Some(Value::Bool(true))) => Some(Value::String("PERSISTENT")),
        (Derived::DeliveryMode, Some(Value::Bool(false))) => Some(Value::String("NON_PERSISTENT")),
        (Derived::Redelivered, Some(Value::Int(count))) => Some(Value::Bool(count > 0)),
        (Derived::DeliveryCount, Some(Value::Int(count))) => {
            Some(Value::Int(count.saturating_add(1)))
        }
        (Derived::Expiration, expiration) => Some(expiration.unwrap_or(Value::Int(0))),
        _ => None,
    }
}
