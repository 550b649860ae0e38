//! How a broker is told of queues and exchanges.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What an address looks like: AMQP 1.0 leaves that to brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addresses {
    /// `/queues/QUEUE` and `/exchanges/EXCHANGE/KEY`: Tubepost, and RabbitMQ from 4.0 on (its
    /// version 2).
    #[default]
    Paths,
    /// The queue's name: Qpid, Artemis and most others.
    Names,
}

impl Addresses {
    /// Of a queue.
    pub(super) fn of_queue(self, queue: &str) -> String {
        match self {
            Addresses::Paths => format!("/queues/{}", encoded(queue)),
            Addresses::Names => queue.to_owned(),
        }
    }

    /// Where messages go: to an exchange with a key, or else to the queue of that name.
    pub(super) fn of_key(self, exchange: Option<&str>, key: &str) -> String {
        match (self, exchange) {
            (_, None) => self.of_queue(key),
            (Addresses::Paths, Some(exchange)) => {
                format!("/exchanges/{}/{}", encoded(exchange), encoded(key))
            }
            (Addresses::Names, Some(exchange)) => format!("{exchange}/{key}"),
        }
    }
}

fn encoded(name: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name, &IN_A_PATH)
}

/// RFC 3986 §2.3: what stands for itself.
const IN_A_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_where_they_are_parts_of_a_path() {
        let paths = Addresses::Paths;
        assert_eq!(paths.of_queue("b12.0"), "/queues/b12.0");
        assert_eq!(paths.of_key(None, "a/b c"), "/queues/a%2Fb%20c");
        assert_eq!(paths.of_key(Some("b1.x"), "org.example"), "/exchanges/b1.x/org.example");
        assert_eq!(Addresses::Names.of_key(Some("b1.x"), "org.#"), "b1.x/org.#");
        assert_eq!(Addresses::Names.of_queue("a/b"), "a/b");
    }
}
