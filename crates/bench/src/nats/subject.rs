//! Queues, routing keys and patterns as subjects: of a server all subjects are one space, so an
//! exchange is a word before its keys.

use crate::{
    Error,
    traffic::{Names, Routing, Traffic},
};

/// Where a message with that routing key goes.
pub(super) fn of_key(exchange: Option<&str>, key: &str) -> String {
    match exchange {
        Some(exchange) => format!("{exchange}.{key}"),
        None => key.to_owned(),
    }
}

/// What leads to a queue.
pub(super) fn of_queue(traffic: &Traffic, names: &Names, queue: u32) -> Result<Vec<String>, Error> {
    if traffic.routing == Routing::Direct {
        return Ok(vec![names.queue(queue).to_owned()]);
    }
    let patterns = traffic.patterns();
    let mine = patterns.iter().filter(|it| it.queue == queue);
    mine.map(|it| Ok(of_key(names.exchange.as_deref(), &of_pattern(&it.pattern)?))).collect()
}

/// `*` is the same; `#`, any number of words, is `>`, one or more of them, and only at the end.
fn of_pattern(pattern: &str) -> Result<String, Error> {
    let words = pattern.strip_suffix('#').unwrap_or(pattern);
    if words.contains('#') {
        let text = format!("NATS has nothing for # but at the end, as in {pattern}");
        return Err(Error::Wrong(text));
    }
    Ok(pattern.replace('#', ">"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_subject_with_wildcards_or_refused() {
        assert_eq!(of_pattern("org.*.app.#").unwrap(), "org.*.app.>");
        assert_eq!(of_pattern("org.app").unwrap(), "org.app");
        assert_eq!(of_pattern("#").unwrap(), ">");
        assert!(of_pattern("org.#.build").is_err());
    }

    #[test]
    fn every_queue_is_led_to_by_its_own_subjects() {
        let traffic = Traffic { routing: Routing::Patterns(4), queues: 2, ..Traffic::default() };
        let names = Names::new(&traffic);
        let exchange = names.exchange.clone().unwrap();
        let expected = [1, 3].map(|app| format!("{exchange}.org.example.*.app{app}.build.>"));
        assert_eq!(of_queue(&traffic, &names, 1).unwrap(), expected);
        let direct = Traffic::default();
        let names = Names::new(&direct);
        assert_eq!(of_queue(&direct, &names, 0).unwrap(), names.queues);
    }
}
