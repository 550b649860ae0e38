//! Texts that mean to hurt: each is refused or read, at once and on a small stack.

use std::thread;

use crate::message::Message;
use selector::{
    Dialect::{self, AmqpSql, Jms},
    Error, Selector, Truth,
    limits::{DEPTH_MAX, NODES_MAX, TEXT_MAX},
};

/// Half of what a thread of tokio's has.
const STACK: usize = 1024 * 1024;

fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}

fn bombs() -> Vec<String> {
    let many = TEXT_MAX / 8;
    vec![
        "(".repeat(TEXT_MAX),
        "((".repeat(many) + "a" + &"))".repeat(many),
        "NOT ".repeat(many) + "a",
        "-".repeat(TEXT_MAX - 1) + "a",
        "+-".repeat(many) + "1",
        "a IN (".repeat(many) + "1",
        "a BETWEEN ".repeat(many / 2),
        "1+(".repeat(many),
        "a*b+".repeat(many) + "a",
        "a-".repeat(many) + "a",
        "a = 1 IS NULL ".repeat(100),
        "NOT a LIKE 'x' AND ".repeat(many / 3) + "a",
        "EXISTS(".repeat(many),
        "[".repeat(TEXT_MAX),
        "[[".repeat(many),
        "'".repeat(TEXT_MAX - 1),
        "\"".repeat(TEXT_MAX),
        "0x".repeat(many),
        "9".repeat(TEXT_MAX),
        "1_".repeat(many),
        "p.reply-".repeat(many),
        format!("a LIKE '{}'", "%_".repeat(many)),
        format!("a LIKE '{}' ESCAPE '%'", "%".repeat(many * 2)),
        format!("a IN ({}1)", "1,".repeat(many)),
        format!("a IN ({}1)", "x.y,".repeat(many)),
        "a".repeat(TEXT_MAX + 1),
        (0..many / 4).map(|n| format!("a{n} = {n} OR ")).collect::<String>() + "b",
    ]
}

#[test]
fn bombs_are_read_or_refused() {
    on_a_small_stack(|| {
        for bomb in bombs() {
            for dialect in [Jms, AmqpSql] {
                let Ok(selector) = Selector::parse(&bomb, dialect) else { continue };
                selector.evaluate(&Message::of(&[("a", "a".into())]));
                assert!(!selector.to_string().is_empty());
            }
        }
    });
}

/// The deepest of each kind that is taken, and that it is taken again.
#[test]
fn at_its_deepest_everything_works() {
    let deepest = |before: &'static str, middle: &'static str, after: &'static str| {
        let text = |n: usize| before.repeat(n) + middle + &after.repeat(n);
        let fits = |dialect: Dialect, n: usize| Selector::parse(&text(n), dialect).is_ok();
        let depth = (0..=DEPTH_MAX).rev().find(|n| fits(Jms, *n)).unwrap();
        assert!(depth >= DEPTH_MAX / 3, "{before} {depth}");
        let too_deep = Selector::parse(&text(depth + 1), Jms);
        assert!(matches!(too_deep, Err(Error::TooDeep { .. })), "{before} {too_deep:?}");
        let selector = Selector::parse(&text(depth), Jms).unwrap();
        assert_eq!(Selector::parse(&selector.to_string(), Jms), Ok(selector.clone()));
        selector.evaluate(&Message::of(&[("a", 1.into())]))
    };
    on_a_small_stack(move || {
        assert_eq!(deepest("(", "a = 1", ")"), Truth::True);
        deepest("NOT ", "a", "");
        deepest("- ", "a", "");
        deepest("a + (", "a", ")");
        deepest("(", "a", ") IN (a)");
        deepest("a AND (", "a", ")");
        deepest("", "a", " - a");
    });
}

#[test]
fn many_terms_are_not_deep() {
    let joined =
        (0..NODES_MAX / 3 - 1).map(|n| format!("a = {n}")).collect::<Vec<_>>().join(" OR ");
    let selector = Selector::parse(&joined, Jms).unwrap();
    assert!(selector.matches(&Message::of(&[("a", 1_000.into())])));
    assert_eq!(selector.names().len(), 1);
    let listed = format!("a IN ({})", vec!["'x'"; NODES_MAX - 2].join(","));
    assert!(Selector::parse(&listed, AmqpSql).is_ok());
    let more = format!("a IN ({})", vec!["'x'"; NODES_MAX].join(","));
    assert!(matches!(Selector::parse(&more, AmqpSql), Err(Error::TooMany { .. })));
}

#[test]
fn a_selector_goes_between_threads() {
    fn goes<T: Send + Sync + Clone + 'static>() {}
    goes::<Selector>();
}
