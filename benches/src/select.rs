//! Whether a message is one that a consumer asked for: a selector, and properties that lie decoded.

use std::hint::black_box;

use selector::{Dialect, HeaderField, Name, Properties, Selector, Value};

/// Looks names up as an adapter does: in a short list.
struct Message {
    application: Vec<(&'static str, Value<'static>)>,
}

impl Properties for Message {
    fn get(&self, name: &Name) -> Option<Value<'_>> {
        match name {
            Name::Application(name) => {
                self.application.iter().find(|(key, _)| *key == &**name).map(|(_, value)| *value)
            }
            Name::Header(HeaderField::Priority) => Some(5.into()),
            Name::Header(_) | Name::Property(_) => None,
        }
    }

    fn utc_ms(&self) -> i64 {
        1_700_000_000_000
    }
}

fn select(text: &str, messages: u64) {
    let message = Message {
        application: vec![
            ("country", "UK".into()),
            ("weight", 5.into()),
            ("path", "/srv/git/rpms/kernel/spec".into()),
            ("active", true.into()),
        ],
    };
    let selector = Selector::parse(text, Dialect::Jms).expect("it is one");
    for _ in 0..messages {
        assert!(black_box(&selector).matches(black_box(&message)));
    }
}

pub(crate) fn one(messages: u64) {
    select("country = 'UK'", messages);
}

pub(crate) fn many(messages: u64) {
    let text = "country IN ('FR', 'DE', 'UK') AND weight * 2 BETWEEN 7.5 AND 12 AND JMSPriority > 4 \
                AND (path LIKE '/srv/%/kernel/%' OR missing IS NOT NULL) AND NOT (weight = 6)";
    select(text, messages);
}
