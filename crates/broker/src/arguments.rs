//! Arguments of declarations and bindings, and message headers as far as routing reads them.
//! One value type for every protocol; the widths are kept, so that what was declared can be shown
//! as it was declared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value of an argument or header. A float that is not a number equals itself: else a binding
/// with one could be made again and again, and never be taken away.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are the field types of AMQP 0-9-1 §4.2.1")]
pub enum Value {
    Void,
    Bool(bool),
    Byte(i8),
    UnsignedByte(u8),
    Short(i16),
    UnsignedShort(u16),
    SignedInt(i32),
    UnsignedInt(u32),
    Long(i64),
    #[serde(with = "written_float")]
    Float(f32),
    #[serde(with = "written_float")]
    Double(f64),
    Decimal(u8, u32),
    Longstr(String),
    Binary(Vec<u8>),
    Timestamp(u64),
    Array(Vec<Value>),
    Table(Arguments),
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Void, Value::Void) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Byte(a), Value::Byte(b)) => a == b,
            (Value::UnsignedByte(a), Value::UnsignedByte(b)) => a == b,
            (Value::Short(a), Value::Short(b)) => a == b,
            (Value::UnsignedShort(a), Value::UnsignedShort(b)) => a == b,
            (Value::SignedInt(a), Value::SignedInt(b)) => a == b,
            (Value::UnsignedInt(a), Value::UnsignedInt(b)) => a == b,
            (Value::Long(a), Value::Long(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b || a.to_bits() == b.to_bits(),
            (Value::Double(a), Value::Double(b)) => a == b || a.to_bits() == b.to_bits(),
            (Value::Decimal(a, b), Value::Decimal(c, d)) => (a, b) == (c, d),
            (Value::Longstr(a), Value::Longstr(b)) => a == b,
            (Value::Binary(a), Value::Binary(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => a == b,
            (Value::Table(a), Value::Table(b)) => a == b,
            _ => false,
        }
    }
}

impl Value {
    /// The number, when it is an integer of any width.
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Value::Byte(n) => Some(n.into()),
            Value::UnsignedByte(n) => Some(n.into()),
            Value::Short(n) => Some(n.into()),
            Value::UnsignedShort(n) => Some(n.into()),
            Value::SignedInt(n) => Some(n.into()),
            Value::UnsignedInt(n) => Some(n.into()),
            Value::Long(n) => Some(n),
            _ => None,
        }
    }

    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Longstr(text) => Some(text),
            _ => None,
        }
    }

    /// Whether two values mean the same: integers compare by number, not by width (RabbitMQ:
    /// `rabbit_misc:assert_args_equivalence`; also the comparison of a headers exchange).
    pub fn is_equivalent(&self, other: &Value) -> bool {
        match (self.as_integer(), other.as_integer()) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self == other,
            _ => false,
        }
    }

    /// The type's name in RabbitMQ's refusals.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Void => "void",
            Value::Bool(_) => "bool",
            Value::Byte(_) => "byte",
            Value::UnsignedByte(_) => "unsignedbyte",
            Value::Short(_) => "short",
            Value::UnsignedShort(_) => "unsignedshort",
            Value::SignedInt(_) => "signedint",
            Value::UnsignedInt(_) => "unsignedint",
            Value::Long(_) => "long",
            Value::Float(_) => "float",
            Value::Double(_) => "double",
            Value::Decimal(..) => "decimal",
            Value::Longstr(_) => "longstr",
            Value::Binary(_) => "binary",
            Value::Timestamp(_) => "timestamp",
            Value::Array(_) => "array",
            Value::Table(_) => "table",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Longstr(text) => f.write_str(text),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value}"),
            other => match other.as_integer() {
                Some(number) => write!(f, "{number}"),
                None => write!(f, "{other:?}"),
            },
        }
    }
}

/// Named values in the order given. Small; looked up by walking.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arguments(Vec<(String, Value)>);

impl Arguments {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both have the same names with equivalent values, in any order.
    pub fn is_equivalent(&self, other: &Arguments) -> bool {
        self.0.len() == other.0.len()
            && self
                .iter()
                .all(|(name, value)| other.get(name).is_some_and(|it| it.is_equivalent(value)))
    }
}

impl FromIterator<(String, Value)> for Arguments {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(values: T) -> Arguments {
        Arguments(values.into_iter().collect())
    }
}

/// The headers of a message, looked up only by exchanges that route by them.
pub trait Headers {
    /// The value of one header; `None` when the message has no such header.
    fn header(&self, name: &str) -> Option<Value>;

    /// The value of a property; `None` when the message does not have it.
    fn property(&self, _: Property) -> Option<Value> {
        None
    }
}

/// The properties that an exchange may route by (RabbitMQ: `hash-property`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are properties of AMQP 0-9-1")]
pub enum Property {
    MessageId,
    CorrelationId,
    Timestamp,
}

impl Property {
    pub(crate) fn named(name: &str) -> Option<Property> {
        match name {
            "message_id" => Some(Property::MessageId),
            "correlation_id" => Some(Property::CorrelationId),
            "timestamp" => Some(Property::Timestamp),
            _ => None,
        }
    }
}

/// A message without headers.
impl Headers for () {
    fn header(&self, _: &str) -> Option<Value> {
        None
    }
}

impl Headers for Arguments {
    fn header(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}

/// Floats in the ledger. JSON has no infinity and nothing that is not a number; written as `null`
/// they could not be read again, and the broker would not start. They are written as their bits.
mod written_float {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Bits(String),
    }

    pub(super) trait Float: Copy {
        fn number(self) -> f64;
        fn bits(self) -> String;
        fn of_number(number: f64) -> Self;
        fn of_bits(bits: &str) -> Option<Self>;
    }

    macro_rules! float {
        ($float:ty, $bits:ty) => {
            impl Float for $float {
                fn number(self) -> f64 {
                    self.into()
                }
                fn bits(self) -> String {
                    format!("{:x}", self.to_bits())
                }
                fn of_number(number: f64) -> $float {
                    number as $float
                }
                fn of_bits(bits: &str) -> Option<$float> {
                    <$bits>::from_str_radix(bits, 16).ok().map(<$float>::from_bits)
                }
            }
        };
    }

    float!(f32, u32);
    float!(f64, u64);

    pub(super) fn serialize<F: Float, S: Serializer>(float: &F, to: S) -> Result<S::Ok, S::Error> {
        match float.number().is_finite() {
            true => Written::Number(float.number()).serialize(to),
            false => Written::Bits(float.bits()).serialize(to),
        }
    }

    pub(super) fn deserialize<'de, F: Float, D: Deserializer<'de>>(from: D) -> Result<F, D::Error> {
        match Written::deserialize(from)? {
            Written::Number(number) => Ok(F::of_number(number)),
            Written::Bits(bits) => F::of_bits(&bits)
                .ok_or_else(|| D::Error::custom(format!("{bits:?} is not the bits of a float"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_compare_by_number_and_other_types_by_type() {
        assert!(Value::Byte(5).is_equivalent(&Value::Long(5)));
        assert!(!Value::Byte(5).is_equivalent(&Value::Longstr("5".into())));
        assert!(!Value::Byte(1).is_equivalent(&Value::Bool(true)));
    }

    #[test]
    fn arguments_survive_the_ledger() {
        let arguments: Arguments = [
            ("x-max-length".to_owned(), Value::Long(5)),
            ("t".to_owned(), Value::Table([("a".to_owned(), Value::Void)].into_iter().collect())),
        ]
        .into_iter()
        .collect();
        let text = serde_json::to_string(&arguments).unwrap();
        assert_eq!(serde_json::from_str::<Arguments>(&text).unwrap(), arguments);
    }

    #[test]
    fn every_float_survives_the_ledger_bit_by_bit() {
        let singles = [0.1, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX, f32::INFINITY, -f32::NAN];
        let doubles = [0.1, 1e300, 5e-324, f64::NEG_INFINITY, f64::NAN];
        let singles = singles.map(Value::Float).into_iter();
        for value in singles.chain(doubles.map(Value::Double)) {
            let text = serde_json::to_string(&value).unwrap();
            let read: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read, value, "{text}");
        }
        // As earlier versions wrote them.
        let read: Value = serde_json::from_str(r#"{"float":0.1}"#).unwrap();
        assert_eq!(read, Value::Float(0.1));
        assert!(serde_json::from_str::<Value>(r#"{"float":"none"}"#).is_err());
    }

    #[test]
    fn what_is_no_number_equals_itself() {
        let nan = Value::Array(vec![Value::Double(f64::NAN)]);
        assert!(nan.is_equivalent(&nan.clone()));
        assert_ne!(Value::Float(f32::NAN), Value::Double(f64::NAN));
    }
}
