//! Who is it: the users of a Tubepost, their passwords, and whether a login is one of them. What a
//! user may do is the broker's question, not this crate's.
//!
//! Users live in one small file, `users.json`, with argon2id hashes, replaced as a whole and read
//! again when it changed: `tubepost user add` takes effect on a running server. Three kinds of
//! login are accepted:
//!
//! - a user that an operator created, from anywhere: with a password, or vouched for by a
//!   certificate ([`Users::vouched`]);
//! - `guest` with password `guest`, from this machine only, and only while no operator created a
//!   user of that name (creating one is how to close it);
//! - the service account, whose random password only this process knows ([`Users::service_login`]),
//!   for the services that run inside the server.
//!
//! Users move in from RabbitMQ with their passwords ([`Users::import`]): its salted SHA hashes are
//! verified, and become argon2id at the first login. Guessing is slowed without locking anybody
//! out; and who is logged in learns of a change by [`Users::generation`] and [`Users::recheck`].
//!
//! A login is an exchange of messages: [`sasl`], the same for every protocol.
//!
//! ```
//! use auth::{Peer, Secret, Users};
//!
//! let directory = tempfile::tempdir()?;
//! let users = Users::open(directory.path().join("users.json"))?;
//! users.add("ada", &Secret::new("correct horse"))?;
//! assert!(users.verify("ada", &Secret::new("correct horse"), Peer::Remote).is_ok());
//! assert!(users.verify("ada", &Secret::new("wrong"), Peer::Remote).is_err());
//! assert!(users.verify("guest", &Secret::new("guest"), Peer::Remote).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod definition;
mod error;
mod hashing;
mod limits;
mod options;
mod remembered;
pub mod sasl;
mod scram;
mod secret;
mod stored_hash;
mod tags;
mod throttle;
mod user;
mod user_file;
mod user_limits;
mod users;

pub use definition::{Credential, Imported, NewUser, UserDefinition};
pub use error::{Error, Refused};
pub use options::Options;
pub use scram::Iterations;
pub use secret::Secret;
pub use stored_hash::StoredHash;
pub use tags::Tags;
pub use user::{Ended, Origin, Peer, Recheck, User};
pub use user_limits::UserLimits;
pub use users::{Clock, Users};
