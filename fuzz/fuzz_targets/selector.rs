//! A selector's text, in both dialects: what is read is written as what reads the same, and says
//! the same of a message.
#![no_main]

use selector::{Dialect, Name, Properties, Selector, Value, limits::TEXT_MAX};

struct Message;

impl Properties for Message {
    fn get(&self, name: &Name) -> Option<Value<'_>> {
        match name {
            Name::Application(name) => match name.len() % 6 {
                0 => Some(Value::Bool(true)),
                1 => Some(Value::Int(i64::MAX)),
                2 => Some(Value::Float(0.5)),
                3 => Some(Value::String("aaaaaaaaaaaaaaaa_%ü")),
                4 => Some(Value::Bytes(b"\xff")),
                _ => None,
            },
            Name::Header(_) => None,
            Name::Property(_) => Some(Value::String("a")),
        }
    }

    fn utc_ms(&self) -> i64 {
        i64::MIN
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    for dialect in [Dialect::Jms, Dialect::AmqpSql] {
        let selector = bounded::bounded(text.len(), || Selector::parse(text, dialect));
        let Ok(selector) = selector else { continue };
        let truth = selector.evaluate(&Message);
        let canonical = selector.to_string();
        if canonical.len() > TEXT_MAX {
            continue;
        }
        let again = Selector::parse(&canonical, dialect).expect("the canonical form is read");
        assert_eq!(again, selector);
        assert_eq!(again.evaluate(&Message), truth);
    }
});
