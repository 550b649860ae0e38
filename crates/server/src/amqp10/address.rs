//! Where a link leads, as its address says: RabbitMQ's version 2 (`/queues/:queue`,
//! `/exchanges/:exchange/:key`, percent-encoded) and version 1 (`/queue/…`, `/exchange/…/…`,
//! `/topic/…`), and plain names as users of Qpid and Artemis write them.

use percent_encoding::percent_decode_str;

/// An address, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A queue.
    Queue(String),
    /// A queue that is made when it is not there (RabbitMQ, version 1).
    OwnQueue(String),
    /// An exchange, and the routing key if there is one.
    Exchange(String, Key),
    /// A queue's name or an exchange's, whichever is there; behind a slash, a routing key.
    Named(String),
}

/// Where the routing key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// The address.
    Fixed(String),
    /// The subject of each message; as a source, every key.
    Subject,
}

impl Address {
    /// # Errors
    /// What is wrong with it, and how it should look.
    pub(super) fn parse(text: &str) -> Result<Address, String> {
        let wrong = |what: &str| {
            Err(format!(
                "the address '{text}' {what}; expected /queues/QUEUE, /exchanges/EXCHANGE/KEY, or a \
                 queue's name"
            ))
        };
        if let Some(rest) = text.strip_prefix("/queues/") {
            return match decoded(rest) {
                _ if rest.contains('/') => wrong("has more parts than a queue's name"),
                Some(queue) if !queue.is_empty() => Ok(Address::Queue(queue)),
                _ => wrong("names no queue"),
            };
        }
        if let Some(rest) = text.strip_prefix("/exchanges/") {
            let (exchange, key) = rest.split_once('/').unwrap_or((rest, ""));
            return match (decoded(exchange), decoded(key)) {
                _ if key.contains('/') => wrong("has more parts than an exchange and a key"),
                (Some(exchange), _) if exchange.is_empty() => wrong("names no exchange"),
                (Some(exchange), Some(key)) => Ok(Address::Exchange(exchange, Key::Fixed(key))),
                _ => wrong("is not percent-encoded UTF-8"),
            };
        }
        // RabbitMQ, version 1: not percent-encoded.
        if let Some(queue) = text.strip_prefix("/amq/queue/") {
            return Ok(Address::Queue(queue.to_owned()));
        }
        if let Some(queue) = text.strip_prefix("/queue/") {
            return Ok(Address::OwnQueue(queue.to_owned()));
        }
        if let Some(key) = text.strip_prefix("/topic/") {
            return Ok(Address::Exchange("amq.topic".to_owned(), Key::Fixed(key.to_owned())));
        }
        if let Some(rest) = text.strip_prefix("/exchange/") {
            return Ok(match rest.split_once('/') {
                Some((exchange, key)) => {
                    Address::Exchange(exchange.to_owned(), Key::Fixed(key.to_owned()))
                }
                None => Address::Exchange(rest.to_owned(), Key::Subject),
            });
        }
        // Artemis's clients, and Qpid JMS's prefixes.
        if let Some(queue) = text.strip_prefix("queue://") {
            return Ok(Address::Queue(queue.to_owned()));
        }
        if let Some(key) = text.strip_prefix("topic://") {
            return Ok(Address::Exchange("amq.topic".to_owned(), Key::Fixed(key.to_owned())));
        }
        match text.is_empty() || text.starts_with('/') {
            true => wrong("leads nowhere"),
            false => Ok(Address::Named(text.to_owned())),
        }
    }

    /// The address of a queue, as this broker says it.
    pub(super) fn of_queue(name: &str) -> String {
        format!("/queues/{}", encoded(name))
    }

    /// The address of an exchange with a key, as this broker says it.
    pub(super) fn of_exchange(name: &str, key: &str) -> String {
        format!("/exchanges/{}/{}", encoded(name), encoded(key))
    }
}

fn encoded(name: &str) -> String {
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    encoded.to_string().replace("%2D", "-").replace("%2E", ".").replace("%5F", "_")
}

fn decoded(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_is_understood() {
        let exchange =
            |name: &str, key: &str| Address::Exchange(name.to_owned(), Key::Fixed(key.to_owned()));
        for (text, address) in [
            ("/queues/jobs", Address::Queue("jobs".to_owned())),
            ("/queues/a%2Fb%20c", Address::Queue("a/b c".to_owned())),
            ("/exchanges/amq.topic/org.example", exchange("amq.topic", "org.example")),
            ("/exchanges/x", exchange("x", "")),
            ("/exchanges/x/", exchange("x", "")),
            ("/exchanges/a%2Fb/%C3%A4", exchange("a/b", "ä")),
            ("/queue/jobs", Address::OwnQueue("jobs".to_owned())),
            ("/amq/queue/jobs", Address::Queue("jobs".to_owned())),
            ("/topic/org.#", exchange("amq.topic", "org.#")),
            ("/exchange/x/k", exchange("x", "k")),
            ("/exchange/x", Address::Exchange("x".to_owned(), Key::Subject)),
            ("queue://jobs", Address::Queue("jobs".to_owned())),
            ("jobs", Address::Named("jobs".to_owned())),
            ("amq.topic/org.#", Address::Named("amq.topic/org.#".to_owned())),
        ] {
            assert_eq!(Address::parse(text), Ok(address), "{text}");
        }
        for text in [
            "",
            "/",
            "/queues/",
            "/queues/a/b",
            "/exchanges/",
            "/exchanges/x/a/b",
            "/x",
            "/queues/%FF",
        ] {
            let told = Address::parse(text).unwrap_err();
            assert!(told.contains("/queues/QUEUE"), "{told}");
        }
    }

    #[test]
    fn a_queues_address_leads_to_it() {
        for name in ["jobs", "a/b c", "amq.gen-x_y", "ü%", "-"] {
            assert_eq!(Address::parse(&Address::of_queue(name)), Ok(Address::Queue(name.into())));
        }
    }
}
