//! The messaging model: virtual hosts, exchanges, queues, bindings, routing.
