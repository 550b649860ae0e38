//! The canonical form of a selector: text that reads again as the same, with parentheses only where
//! they are needed. It is what operators are shown.

use std::fmt::{self, Display};

use crate::{
    arithmetic::{Arithmetic, Sign},
    like::write_string,
    parser::Power,
    program::{Items, Literal, Node, NodeId, Program, Side},
    spelling,
    value::Comparison,
};

impl Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.root(), Power::Or)
    }
}

impl Program {
    /// Writes a node where something that binds as `floor` is expected.
    fn write(&self, f: &mut fmt::Formatter<'_>, id: NodeId, floor: Power) -> fmt::Result {
        if self.power(id) >= floor {
            return self.write_bare(f, id);
        }
        f.write_str("(")?;
        self.write_bare(f, id)?;
        f.write_str(")")
    }

    fn power(&self, id: NodeId) -> Power {
        match self.node(id) {
            Node::Or(_) => Power::Or,
            Node::And(_) => Power::And,
            Node::Not(denied) => match self.node(*denied) {
                Node::In(..) | Node::Like(..) | Node::IsNull(_) => Power::Comparison,
                _ => Power::Not,
            },
            Node::Compare(..)
            | Node::Between(..)
            | Node::In(..)
            | Node::Like(..)
            | Node::IsNull(_) => Power::Comparison,
            Node::Arithmetic(Arithmetic::Add | Arithmetic::Subtract, ..) => Power::Sum,
            Node::Arithmetic(..) => Power::Product,
            Node::Literal(_) | Node::Name(_) | Node::Derived(..) | Node::Utc | Node::Sign(..) => {
                Power::Sign
            }
        }
    }

    fn write_bare(&self, f: &mut fmt::Formatter<'_>, id: NodeId) -> fmt::Result {
        match self.node(id) {
            Node::Literal(literal) => write_literal(f, literal),
            Node::Name(name) => spelling::write(f, self.name(*name), None, self.dialect),
            Node::Derived(derived, name) => {
                spelling::write(f, self.name(*name), Some(*derived), self.dialect)
            }
            Node::Utc => f.write_str("UTC()"),
            Node::Sign(sign, operand) => self.write_sign(f, *sign, *operand),
            Node::Arithmetic(operator, left, right) => {
                let (text, first, second) = match operator {
                    Arithmetic::Add => ("+", Power::Sum, Power::Product),
                    Arithmetic::Subtract => ("-", Power::Sum, Power::Product),
                    Arithmetic::Multiply => ("*", Power::Product, Power::Sign),
                    Arithmetic::Divide => ("/", Power::Product, Power::Sign),
                    Arithmetic::Remainder => ("%", Power::Product, Power::Sign),
                };
                self.write(f, *left, first)?;
                write!(f, " {text} ")?;
                self.write(f, *right, second)
            }
            Node::Compare(comparison, left, right) => {
                let text = match comparison {
                    Comparison::Equal => "=",
                    Comparison::NotEqual => "<>",
                    Comparison::Less => "<",
                    Comparison::LessOrEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => ">=",
                };
                self.write(f, *left, Power::Sum)?;
                write!(f, " {text} ")?;
                self.write(f, *right, Power::Sum)
            }
            Node::Between(side, value, low, high) => {
                self.write(f, *value, Power::Sum)?;
                f.write_str(match side {
                    Side::Inside => " BETWEEN ",
                    Side::Outside => " NOT BETWEEN ",
                })?;
                self.write(f, *low, Power::Sum)?;
                f.write_str(" AND ")?;
                self.write(f, *high, Power::Sum)
            }
            Node::Not(denied) => match self.node(*denied) {
                Node::In(..) | Node::Like(..) | Node::IsNull(_) => {
                    self.write_predicate(f, *denied, "NOT ")
                }
                _ => {
                    f.write_str("NOT ")?;
                    self.write(f, *denied, Power::Not)
                }
            },
            Node::In(..) | Node::Like(..) | Node::IsNull(_) => self.write_predicate(f, id, ""),
            Node::And(items) => self.write_items(f, *items, " AND ", Power::Not),
            Node::Or(items) => self.write_items(f, *items, " OR ", Power::And),
        }
    }

    fn write_predicate(&self, f: &mut fmt::Formatter<'_>, id: NodeId, not: &str) -> fmt::Result {
        match self.node(id) {
            Node::In(value, items) => {
                self.write(f, *value, Power::Sum)?;
                write!(f, " {not}IN (")?;
                self.write_items(f, *items, ", ", Power::Sum)?;
                f.write_str(")")
            }
            Node::Like(value, pattern) => {
                self.write(f, *value, Power::Sum)?;
                write!(f, " {not}LIKE ")?;
                let (text, escape) = self.pattern(*pattern).text();
                write_string(f, &text)?;
                match escape {
                    Some(escape) => write!(f, " ESCAPE '{escape}'"),
                    None => Ok(()),
                }
            }
            Node::IsNull(value) => {
                self.write(f, *value, Power::Sum)?;
                write!(f, " IS {not}NULL")
            }
            _ => Ok(()),
        }
    }

    fn write_items(
        &self,
        f: &mut fmt::Formatter<'_>,
        items: Items,
        between: &str,
        floor: Power,
    ) -> fmt::Result {
        for (at, item) in self.items(items).iter().enumerate() {
            if at > 0 {
                f.write_str(between)?;
            }
            self.write(f, *item, floor)?;
        }
        Ok(())
    }

    /// Two signs in a row are kept apart: elsewhere `--` begins a comment.
    fn write_sign(&self, f: &mut fmt::Formatter<'_>, sign: Sign, operand: NodeId) -> fmt::Result {
        f.write_str(match sign {
            Sign::Plus => "+",
            Sign::Minus => "-",
        })?;
        if matches!(self.node(operand), Node::Sign(..)) {
            f.write_str(" ")?;
        }
        self.write(f, operand, Power::Sign)
    }
}

fn write_literal(f: &mut fmt::Formatter<'_>, literal: &Literal) -> fmt::Result {
    match literal {
        Literal::Bool(true) => f.write_str("TRUE"),
        Literal::Bool(false) => f.write_str("FALSE"),
        Literal::Int(number) => write!(f, "{number}"),
        Literal::Float(number) => write_float(f, *number),
        Literal::String(text) => write_string(f, text),
        Literal::Bytes(octets) => {
            f.write_str("0x")?;
            octets.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
        }
    }
}

/// The shortest digits that read as the same number, with the point and the large E that RabbitMQ
/// insists on.
fn write_float(f: &mut fmt::Formatter<'_>, number: f64) -> fmt::Result {
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => write!(f, "{digits}E{exponent}"),
        Some((digits, exponent)) => write!(f, "{digits}.0E{exponent}"),
        None => f.write_str(&text),
    }
}
