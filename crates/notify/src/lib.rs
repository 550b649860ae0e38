//! Subscriptions, and the ways to tell people of events. Runs on any AMQP bus.
//!
//! A [`Subscription`] is a [`Rule`] (what) and an address (where). The [`Notifier`] takes every
//! event of its durable queue, asks each rule, and makes one [`Notice`] for each address that
//! wants it, however many rules asked. They are kept in the store, in one transaction for all that
//! came meanwhile, and only then is the event acknowledged. From the store lanes are leased and
//! told by a [`Destination`], of which there is one for each kind of place: [`Mailer`],
//! [`Webhooks`], [`NtfyPublisher`], [`IrcMessenger`], [`MatrixMessenger`], [`PushSender`],
//! [`FeedKeeper`] and [`DesktopPost`] so far.
//!
//! ```text
//! bus ─► rule ─► letter ─► store ─► ack
//!                          store ─► lane (an address, or a digest) ─► destination ─► told
//!                                                        └─ refused for good ─► parked
//! ```
//!
//! Matching ([`Rule::test`]) and rendering ([`Letterhead::render`]) are pure functions; what is due
//! is worked out in the store's transaction, which is told the time. Only `notifier` knows the
//! bus, only `mail` knows SMTP, and HTTP is `http_door`'s.
//!
//! ```
//! let settings: notify::Settings = toml::from_str(
//!     r##"
//!     [mail]
//!     from = "Tubepost <tubepost@example.org>"
//!
//!     [[subscription]]
//!     name = "pushes to kernel"
//!     to = "ada@example.org"
//!     patterns = ["#.git.receive"]
//!     packages = ["kernel"]
//!     "##,
//! )?;
//! let config = settings.check()?.expect("there is a subscription");
//! assert_eq!(config.patterns()[0].as_str(), "#.git.receive");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod audience;
mod backoff;
mod chat_text;
mod config;
mod counters;
mod delivery;
mod desktop;
mod destination;
mod digest;
mod dispatcher;
mod error;
mod feed;
mod fmn;
mod follower;
mod holder;
mod irc;
mod key_file;
mod limits;
mod mail;
mod matcher;
mod matrix;
mod notice;
mod notifier;
mod ntfy;
mod outbox;
mod place;
mod preview;
mod push;
pub mod rule;
mod secret;
mod settings;
mod source;
pub mod store;
mod subscription;
mod templates;
mod tls_stream;
mod unsubscribe;
mod webhook;
mod why;

pub use audience::Audience;
pub use config::{Config, Login, Mail};
pub use counters::{Counters, Counts};
pub use desktop::{DESKTOP_NOTICES_MAX, DesktopPost, Slip, desktop_inbox, desktop_user};
pub use destination::{Destination, Destinations, Failure};
pub use digest::{Digest, Group};
pub use error::Error;
pub use feed::{Document, FeedKeeper, Feeds, Form, feed_url};
pub use fmn::{Import, Imported, import as import_fmn};
pub use irc::{Irc, IrcMessenger, IrcSettings};
pub use lettre::message::Mailbox;
pub use mail::{Dkim, Letterhead, Mailer};
pub use matcher::{Failures, Matcher, Scratch};
pub use matrix::{Matrix, MatrixMessenger, MatrixSettings};
pub use notice::{Matter, Notice, Reason};
pub use notifier::{Notifier, QUEUE};
pub use ntfy::{Ntfy, NtfyPublisher, NtfySettings};
pub use place::{Kind, Place};
pub use preview::{Past, Preview};
pub use push::{Push, PushSender, PushSettings, PushSubscription, VapidKey};
pub use secret::Secret;
pub use settings::{MailSettings, Settings, SubscriptionSettings, Tls};
pub use subscription::Subscription;
pub use templates::Templates;
pub use unsubscribe::{Farewell, Unsubscriber};
pub use webhook::{Webhook, WebhookSettings, Webhooks};
pub use why::Verdict;
