//! Made-up expressions against a second, slow reading of the rules: a tree, walked without any
//! short way.

use std::{cmp::Ordering, fmt};

use proptest::prelude::*;
use selector::{Dialect, HeaderField, Selector, Truth, Value};

use crate::message::{Message, NOW};

/// An expression as it is meant. Names are numbers: places in a list of values.
#[derive(Debug, Clone)]
enum Tree {
    Value(Value<'static>),
    Name(usize),
    Priority,
    Utc,
    Minus(Box<Tree>),
    Arithmetic(Box<Tree>, char, Box<Tree>),
    Compare(Box<Tree>, &'static str, Box<Tree>),
    Between(Box<Tree>, bool, Box<Tree>, Box<Tree>),
    In(Box<Tree>, bool, Vec<Tree>),
    Like(Box<Tree>, bool, String),
    IsNull(Box<Tree>, bool),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

use Tree::{
    And, Arithmetic, Between, Compare, In, IsNull, Like, Minus, Name, Not, Or, Priority, Utc,
};

/// With every pair of parentheses; `UTC()` only where there is one.
struct Written<'a>(&'a Tree, Dialect);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = |tree| Written(tree, self.1);
        let not = |negated: &bool| if *negated { "noT" } else { "" };
        match self.0 {
            Tree::Value(Value::Bool(known)) => write!(f, "{known}"),
            Tree::Value(Value::Int(number)) => write!(f, "{number}"),
            Tree::Value(Value::Float(number)) => write!(f, "{number:?}"),
            Tree::Value(Value::String(text)) => write!(f, "'{}'", text.replace('\'', "''")),
            Tree::Value(Value::Bytes(_)) => write!(f, "'octets'"),
            Name(at) => write!(f, "n{at}"),
            Priority if self.1 == Dialect::Jms => write!(f, "JMSPriority"),
            Priority => write!(f, "h.priority"),
            Utc if self.1 == Dialect::Jms => write!(f, "{NOW}"),
            Utc => write!(f, "UTC( )"),
            Minus(tree) => write!(f, "-({})", to(tree)),
            Arithmetic(a, operator, b) => write!(f, "({}{operator} {})", to(a), to(b)),
            Compare(a, operator, b) => write!(f, "({}{operator}{})", to(a), to(b)),
            Between(a, negated, b, c) => {
                write!(f, "({} {} between {} AND {})", to(a), not(negated), to(b), to(c))
            }
            In(a, negated, items) => {
                let items: Vec<_> = items.iter().map(|item| to(item).to_string()).collect();
                write!(f, "({} {} In({}))", to(a), not(negated), items.join(" ,"))
            }
            Like(a, negated, pattern) => {
                write!(f, "({}\n{} like '{pattern}' escape '!')", to(a), not(negated))
            }
            IsNull(a, negated) => write!(f, "({} is {} null)", to(a), not(negated)),
            Not(a) => write!(f, "(not {})", to(a)),
            And(a, b) => write!(f, "({} aNd {})", to(a), to(b)),
            Or(a, b) => write!(f, "({} or {})", to(a), to(b)),
        }
    }
}

struct Naive<'a> {
    values: &'a [Option<Value<'static>>],
    dialect: Dialect,
}

type Known = Option<bool>;

fn and(a: Known, b: Known) -> Known {
    if a == Some(false) || b == Some(false) { Some(false) } else { Some(a? && b?) }
}

fn not(a: Known) -> Known {
    a.map(|known| !known)
}

fn or(a: Known, b: Known) -> Known {
    not(and(not(a), not(b)))
}

/// Four times a number, which is whole for every number the generator has: halves, and halves of
/// them.
fn fourfold(value: Value<'_>) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(number) * 4),
        Value::Float(number) => Some((number * 4.0) as i128),
        _ => None,
    }
}

impl Naive<'_> {
    fn truth(&self, tree: &Tree) -> Known {
        match self.value(tree) {
            Some(Value::Bool(known)) => Some(known),
            _ => None,
        }
    }

    fn value(&self, tree: &Tree) -> Option<Value<'static>> {
        let known = match tree {
            Tree::Value(value) => return Some(*value),
            Name(at) => return self.values[*at],
            Priority => return Some(Value::Int(4)),
            Utc => return Some(Value::Int(NOW)),
            Minus(tree) => {
                return match self.value(tree)? {
                    Value::Int(i64::MIN) => Some(Value::Float(-(i64::MIN as f64))),
                    Value::Int(number) => Some(Value::Int(-number)),
                    Value::Float(number) => Some(Value::Float(-number)),
                    _ => None,
                };
            }
            Arithmetic(a, operator, b) => {
                return self.arithmetic(self.value(a)?, *operator, self.value(b)?);
            }
            Compare(a, operator, b) => self.compare(self.value(a), operator, self.value(b)),
            Between(a, negated, low, high) => {
                let [a, low, high] = [a, low, high].map(|tree| self.value(tree));
                match negated {
                    false => and(self.compare(a, ">=", low), self.compare(a, "<=", high)),
                    true => or(self.compare(a, "<", low), self.compare(a, ">", high)),
                }
            }
            In(a, negated, items) => {
                let a = self.value(a);
                a?;
                let equals =
                    items.iter().map(|item| match self.compare(a, "=", self.value(item)) {
                        None if self.dialect == Dialect::AmqpSql => Some(false),
                        equal => equal,
                    });
                let known = equals.fold(Some(false), or);
                if *negated { not(known) } else { known }
            }
            Like(a, negated, pattern) => match self.value(a) {
                Some(Value::String(text)) => {
                    let chars = |text: &str| text.chars().collect::<Vec<_>>();
                    Some(like(&chars(pattern), &chars(text)) != *negated)
                }
                _ => None,
            },
            IsNull(a, negated) => Some(self.value(a).is_none() != *negated),
            Not(a) => not(self.truth(a)),
            And(a, b) => and(self.truth(a), self.truth(b)),
            Or(a, b) => or(self.truth(a), self.truth(b)),
        };
        known.map(Value::Bool)
    }

    fn compare(&self, a: Option<Value<'_>>, operator: &str, b: Option<Value<'_>>) -> Known {
        let (a, b) = (a?, b?);
        let order = match (a, b) {
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => match operator {
                "=" | "<>" => a.cmp(&b),
                _ => return Some(false),
            },
            _ => match (fourfold(a), fourfold(b)) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => return Some(operator == "<>" && self.dialect == Dialect::AmqpSql),
            },
        };
        Some(match operator {
            "=" => order == Ordering::Equal,
            "<>" => order != Ordering::Equal,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            _ => order != Ordering::Less,
        })
    }

    fn arithmetic(&self, a: Value<'_>, operator: char, b: Value<'_>) -> Option<Value<'static>> {
        let whole = match (a, b) {
            (Value::Int(_), Value::Int(0)) if matches!(operator, '/' | '%') => return None,
            (Value::Int(a), Value::Int(b)) => {
                let (a, b) = (i128::from(a), i128::from(b));
                match operator {
                    '+' => Some(a + b),
                    '-' => Some(a - b),
                    '*' => Some(a * b),
                    '/' if self.dialect == Dialect::AmqpSql => None,
                    '/' => Some(a / b),
                    _ => Some(a % b),
                }
            }
            _ => None,
        };
        if let Some(whole) = whole.and_then(|whole| i64::try_from(whole).ok()) {
            return Some(Value::Int(whole));
        }
        let number = |value| match value {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        };
        let (a, b) = (number(a)?, number(b)?);
        match operator {
            '/' | '%' if b == 0.0 => None,
            '+' => Some(Value::Float(a + b)),
            '-' => Some(Value::Float(a - b)),
            '*' => Some(Value::Float(a * b)),
            '/' => Some(Value::Float(a / b)),
            _ => Some(Value::Float(a % b)),
        }
    }
}

/// With `!` to escape.
fn like(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        (['!', one, pattern @ ..], [c, text @ ..]) => one == c && like(pattern, text),
        (['!', ..], []) => false,
        (['%', pattern @ ..], text) => (0..=text.len()).any(|at| like(pattern, &text[at..])),
        ([one, pattern @ ..], [c, text @ ..]) => (*one == '_' || one == c) && like(pattern, text),
        _ => false,
    }
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let whole = prop::sample::select(vec![0, 1, 2, 3, -1, 5, i64::MAX, i64::MIN, 1 << 53]);
    let halves = prop::sample::select(vec![0.0, 0.5, 1.0, -1.5, 3.0, 9e15, 1e18]);
    let texts = prop::sample::select(vec!["", "a", "ab", "aba", "b%", "it's", "ü_"]);
    prop_oneof![
        2 => whole.prop_map(Value::Int),
        1 => halves.prop_map(Value::Float),
        2 => texts.prop_map(Value::String),
        1 => any::<bool>().prop_map(Value::Bool),
    ]
}

/// Arithmetic one level deep: more, and its results are no longer quarters.
fn operand() -> impl Strategy<Value = Tree> {
    let leaf = || {
        prop_oneof![
            3 => value().prop_map(Tree::Value),
            5 => (0..6_usize).prop_map(Name),
            1 => Just(Priority),
            1 => Just(Utc),
        ]
        .boxed()
    };
    let operators = prop::sample::select(vec!['+', '-', '%']);
    prop_oneof![
        6 => leaf(),
        1 => leaf().prop_map(|tree| Minus(tree.into())),
        2 => (leaf(), operators, leaf()).prop_map(|(a, o, b)| Arithmetic(a.into(), o, b.into())),
        1 => (leaf(), any::<bool>()).prop_map(|(a, times)| {
            let operator = if times { '*' } else { '/' };
            Arithmetic(a.into(), operator, Tree::Value(Value::Int(2)).into())
        }),
    ]
}

fn condition() -> impl Strategy<Value = Tree> {
    let comparisons = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let negated = any::<bool>;
    let leaf = prop_oneof![
        4 => (operand(), comparisons, operand())
            .prop_map(|(a, o, b)| Compare(a.into(), o, b.into())),
        1 => (operand(), negated(), operand(), operand())
            .prop_map(|(a, n, b, c)| Between(a.into(), n, b.into(), c.into())),
        1 => (operand(), negated(), prop::collection::vec(operand(), 1..4))
            .prop_map(|(a, n, items)| In(a.into(), n, items)),
        1 => (operand(), negated(), "([ab%_]|![%_ab!]){0,4}")
            .prop_map(|(a, n, pattern)| Like(a.into(), n, pattern)),
        1 => (operand(), negated()).prop_map(|(a, n)| IsNull(a.into(), n)),
        1 => operand(),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let inner = || inner.clone().prop_map(Box::new);
        prop_oneof![
            inner().prop_map(Not),
            (inner(), inner()).prop_map(|(a, b)| And(a, b)),
            (inner(), inner()).prop_map(|(a, b)| Or(a, b)),
            (inner(), inner()).prop_map(|(a, b)| Compare(a, "=", b)),
            (inner(), any::<bool>()).prop_map(|(a, n)| IsNull(a, n)),
        ]
    })
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![Dialect::Jms, Dialect::AmqpSql])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn comes_to_what_the_rules_say(
        tree in condition(),
        values in prop::collection::vec(prop::option::weighted(0.8, value()), 6),
        dialect in dialect(),
    ) {
        let named: Vec<_> = values.iter().enumerate()
            .filter_map(|(at, value)| Some((format!("n{at}"), (*value)?)))
            .collect();
        let named: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let message = Message::of(&named).header(HeaderField::Durable, true);
        let text = Written(&tree, dialect).to_string();
        let expected = match (Naive { values: &values, dialect }).truth(&tree) {
            Some(known) => Truth::from(known),
            None => Truth::Unknown,
        };
        let selector = Selector::parse(&text, dialect).unwrap();
        prop_assert_eq!(selector.evaluate(&message), expected, "{} as {}", text, selector);
        let canonical = selector.to_string();
        let again = Selector::parse(&canonical, dialect).unwrap();
        prop_assert_eq!(&again, &selector, "{} as {}", text, canonical);
        prop_assert_eq!(again.to_string(), canonical);
    }

    #[test]
    fn words_in_any_order_are_read_or_refused(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..24),
        dialect in dialect(),
    ) {
        let text = words.concat();
        let Ok(selector) = Selector::parse(&text, dialect) else { return Ok(()) };
        let canonical = selector.to_string();
        prop_assert_eq!(Selector::parse(&canonical, dialect), Ok(selector), "{} as {}", text, canonical);
    }

    #[test]
    fn any_name_can_be_written(name in ".{0,8}", dialect in dialect()) {
        let (opens, closes) = if dialect == Dialect::Jms { ("\"", "\"") } else { ("[", "]") };
        let mut inner = name.replace(closes, &closes.repeat(2));
        if opens != closes {
            inner = inner.replace(opens, &opens.repeat(2));
        }
        let selector = Selector::parse(&format!("{opens}{inner}{closes}"), dialect).unwrap();
        prop_assert_eq!(selector.application_properties().collect::<Vec<_>>(), [name.as_str()]);
        prop_assert_eq!(Selector::parse(&selector.to_string(), dialect), Ok(selector));
    }
}

const WORDS: &[&str] = &[
    "a",
    "b ",
    " ",
    "1",
    "2.5",
    "'x'",
    "\"y\"",
    "[z]",
    "(",
    ")",
    ",",
    " AND ",
    " OR ",
    "NOT ",
    "=",
    "<>",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    " BETWEEN ",
    " IN ",
    " IN (",
    " LIKE '%a_'",
    " LIKE ",
    " ESCAPE '!'",
    " IS ",
    " IS NULL",
    "NULL",
    "TRUE",
    "JMSPriority",
    "p.to",
    "amqp.ttl",
    "UTC()",
    "EXISTS(a)",
    "0x41",
    "e",
    ".",
    "'",
    "\"",
    "[",
    "]",
    "!",
    "ü",
];
