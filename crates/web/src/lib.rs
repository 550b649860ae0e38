//! The pages: the live feed, and for who signs in their own rules and what came of them
//! ([`People`]), which is an HTTP API, too.
//!
//! A [`Feed`] holds the newest events, each with its description, and wakes those who look.
//! [`Feed::follow`] fills it from any AMQP bus; [`serve()`] shows it: as HTML that needs no script,
//! kept up to date by server-sent events where there is one, and as JSON. Everything shown comes
//! from strangers: it is cut, cleaned (`shown`), escaped by the templates, and met in the browser
//! by a content-security policy that runs and loads nothing but the pages' own files.
//!
//! ```no_run
//! # async fn example(bus: client::BusUrl) -> Result<(), Box<dyn std::error::Error>> {
//! let feed = web::Feed::default();
//! let registry = std::sync::Arc::new(event::Registry::builtin());
//! tokio::spawn(feed.clone().follow(bus, registry, "tubepost web".to_owned()));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:15670").await?;
//! let until_ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
//! web::serve(listener, feed, web::Options::default(), until_ctrl_c).await?;
//! # Ok(())
//! # }
//! ```

mod api;
mod asset;
mod catalogue;
mod entry;
mod error;
mod feed;
mod filter;
mod follow;
mod guard;
mod json_view;
mod limits;
mod me;
mod page;
mod patch_view;
mod people;
mod personal_feed;
mod publish;
mod publishers;
mod query;
mod route;
mod serve;
mod shown;
mod stream;
mod unsubscribe;
mod view;

#[cfg(test)]
#[path = "../tests/pages/sample.rs"]
mod sample;

pub use error::Error;
pub use feed::{Bus, Feed};
pub use guard::Login;
pub use people::{
    Account, Accounts, Attempt, NotSignedIn, Oidc, OidcSettings, People, SignedIn, Trying, Ways,
};
pub use personal_feed::{FeedDocument, Feeds, NoFeed};
pub use serve::{Metrics, Options, serve};
pub use unsubscribe::Unsubscribing;
