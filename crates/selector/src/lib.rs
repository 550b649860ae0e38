//! Message selectors: a condition in a subset of SQL-92 that says which messages a consumer wants,
//! as JMS has them and AMQP 1.0 carries them (`apache.org:selector-filter:string`), and as RabbitMQ
//! 4.2 filters streams (`amqp:sql-filter`).
//!
//! A text is read once ([`Selector::parse`], in one of two [`Dialect`]s) into an arena of nodes,
//! and then asked for each message ([`Selector::matches`]). What a message has is for the caller to
//! say ([`Properties`]): a [`Name`] goes in, a borrowed [`Value`] or none comes out. Logic has
//! three values ([`Truth`]), as in SQL: a comparison with what is not there is unknown, and so is
//! its opposite. An evaluation allocates nothing and looks at each node once at most; a text can
//! neither nest nor grow beyond [`limits`]. Where brokers differ, the code says which is followed.
//!
//! ```
//! use selector::{Dialect, Name, Properties, Selector, Value};
//!
//! struct Order;
//!
//! impl Properties for Order {
//!     fn get(&self, name: &Name) -> Option<Value<'_>> {
//!         let Name::Application(name) = name else { return None };
//!         match &**name {
//!             "country" => Some("UK".into()),
//!             "weight" => Some(5.into()),
//!             _ => None,
//!         }
//!     }
//!
//!     fn utc_ms(&self) -> i64 {
//!         1_700_000_000_000
//!     }
//! }
//!
//! let selector = Selector::parse("country in ('UK','FR') and weight*2 > 9.5", Dialect::Jms)?;
//! assert!(selector.matches(&Order));
//! assert_eq!(selector.to_string(), "country IN ('UK', 'FR') AND weight * 2 > 9.5");
//! assert_eq!(selector.application_properties().collect::<Vec<_>>(), ["country", "weight"]);
//!
//! let error = Selector::parse("weight > AND country = 'UK'", Dialect::Jms).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "column 10: found AND, expected a value; \
//!      write it before this word, or the word in double quotes if it is a property's name"
//! );
//! # Ok::<(), selector::Error>(())
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a test may fail by panic"))]

mod arithmetic;
mod canonical;
mod dialect;
mod error;
mod evaluate;
mod lexer;
mod like;
pub mod limits;
mod name;
mod number;
mod parser;
mod program;
mod selector;
mod spelling;
mod truth;
mod value;

pub use dialect::Dialect;
pub use error::Error;
pub use evaluate::Properties;
pub use name::{HeaderField, Name, PropertyField};
pub use selector::Selector;
pub use truth::Truth;
pub use value::Value;
