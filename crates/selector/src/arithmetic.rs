//! `+ - * / %` on numbers. Never panics; what has no answer has no value.

use crate::{Dialect, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

impl Sign {
    /// With what is no number, no value: `+name = 'x'` never holds (RabbitMQ).
    pub(crate) fn apply(self, value: Value<'_>) -> Option<Value<'_>> {
        match (self, value) {
            (Sign::Plus, value) => value.is_number().then_some(value),
            (Sign::Minus, Value::Int(number)) => Some(match number.checked_neg() {
                Some(negative) => Value::Int(negative),
                None => Value::Float(-(number as f64)),
            }),
            (Sign::Minus, Value::Float(number)) => Some(Value::Float(-number)),
            (Sign::Minus, _) => None,
        }
    }
}

impl Arithmetic {
    /// - What is no number makes no value, as does a division by zero, whole or not (RabbitMQ. In
    ///   Java and C++ an approximate one is infinite, and a whole one ends the evaluation).
    /// - What leaves an i64 goes on as an approximate number, which is nearest to RabbitMQ's
    ///   numbers without end. Java wraps around, so there `a + 1 > a` may be false.
    /// - Whole numbers divide to a whole number in JMS (Java, Qpid C++), and to an approximate one
    ///   in RabbitMQ's SQL (as in ActiveMQ and Broker-J).
    pub(crate) fn apply(
        self,
        left: Value<'_>,
        right: Value<'_>,
        dialect: Dialect,
    ) -> Option<Value<'static>> {
        match (left, right) {
            (Value::Int(left), Value::Int(right)) => self.whole(left, right, dialect),
            (Value::Int(left), Value::Float(right)) => self.approximate(left as f64, right),
            (Value::Float(left), Value::Int(right)) => self.approximate(left, right as f64),
            (Value::Float(left), Value::Float(right)) => self.approximate(left, right),
            _ => None,
        }
    }

    fn whole(self, left: i64, right: i64, dialect: Dialect) -> Option<Value<'static>> {
        let exact = match self {
            Arithmetic::Add => left.checked_add(right),
            Arithmetic::Subtract => left.checked_sub(right),
            Arithmetic::Multiply => left.checked_mul(right),
            Arithmetic::Divide | Arithmetic::Remainder if right == 0 => return None,
            Arithmetic::Divide if dialect == Dialect::AmqpSql => None,
            Arithmetic::Divide => left.checked_div(right),
            Arithmetic::Remainder => Some(left.wrapping_rem(right)),
        };
        match exact {
            Some(number) => Some(Value::Int(number)),
            None => self.approximate(left as f64, right as f64),
        }
    }

    fn approximate(self, left: f64, right: f64) -> Option<Value<'static>> {
        Some(Value::Float(match self {
            Arithmetic::Add => left + right,
            Arithmetic::Subtract => left - right,
            Arithmetic::Multiply => left * right,
            Arithmetic::Divide | Arithmetic::Remainder if right == 0.0 => return None,
            Arithmetic::Divide => left / right,
            Arithmetic::Remainder => left % right,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Value::{Float, Int};

    #[test]
    fn nothing_overflows_and_nothing_divides_by_zero() {
        let end = 9_223_372_036_854_775_808.0;
        for (left, operator, right, jms, sql) in [
            (i64::MAX, Arithmetic::Add, 1, Some(Float(end)), Some(Float(end))),
            (i64::MIN, Arithmetic::Subtract, 1, Some(Float(-end)), Some(Float(-end))),
            (i64::MIN, Arithmetic::Multiply, -1, Some(Float(end)), Some(Float(end))),
            (i64::MIN, Arithmetic::Divide, -1, Some(Float(end)), Some(Float(end))),
            (i64::MIN, Arithmetic::Remainder, -1, Some(Int(0)), Some(Int(0))),
            (7, Arithmetic::Divide, 0, None, None),
            (7, Arithmetic::Remainder, 0, None, None),
            (7, Arithmetic::Divide, -2, Some(Int(-3)), Some(Float(-3.5))),
            (7, Arithmetic::Remainder, -5, Some(Int(2)), Some(Int(2))),
        ] {
            assert_eq!(operator.apply(Int(left), Int(right), Dialect::Jms), jms);
            assert_eq!(operator.apply(Int(left), Int(right), Dialect::AmqpSql), sql);
        }
        assert_eq!(Arithmetic::Divide.apply(Float(1.0), Float(0.0), Dialect::Jms), None);
        assert_eq!(Sign::Minus.apply(Int(i64::MIN)), Some(Float(end)));
        assert_eq!(Sign::Plus.apply(Value::String("1")), None);
    }
}
