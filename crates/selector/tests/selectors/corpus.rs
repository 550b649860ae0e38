//! What fuzzing has found (`fuzz/corpus/selector`), run once each as the fuzz target runs it: every
//! text is read or refused, and what was read is written as what reads the same.

use std::{fs, path::Path};

use selector::{Dialect, Selector, limits::TEXT_MAX};

use crate::message::Message;

#[test]
fn selectors() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/selector");
    let message = Message::of(&[("a", "ab".into()), ("b", 1.into()), ("c", true.into())]);
    let mut replayed = 0;
    for file in fs::read_dir(&corpus).unwrap() {
        let octets = fs::read(file.unwrap().path()).unwrap();
        let Ok(text) = str::from_utf8(&octets) else { continue };
        for dialect in [Dialect::Jms, Dialect::AmqpSql] {
            let Ok(selector) = Selector::parse(text, dialect) else { continue };
            let canonical = selector.to_string();
            if canonical.len() > TEXT_MAX {
                continue;
            }
            let again = Selector::parse(&canonical, dialect);
            let again = again.unwrap_or_else(|error| panic!("{text} as {canonical}: {error}"));
            assert_eq!(again, selector, "{text} as {canonical}");
            assert_eq!(again.evaluate(&message), selector.evaluate(&message), "{text}");
        }
        replayed += 1;
    }
    assert!(replayed >= 50, "{replayed} files in {}", corpus.display());
}
