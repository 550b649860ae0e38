//! Subscriptions and the mail that tells people.
