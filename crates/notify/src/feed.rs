//! A feed as a destination: notices are put into the store, and [`Feeds`] gives them to who knows
//! the secret. Knows no HTTP.

mod document;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

pub use document::{Document, Form};

use event::Description;

use crate::{
    Destination, Failure, Notice,
    chat_text::web_link,
    mail::{one_line, visible},
    store::{Error, FEED_NAME_BYTES as NAME_BYTES, FeedEntry, Location, Store},
};

/// Puts notices into the feeds of a store. The store must be this one's own: one that is followed
/// makes others wait.
#[derive(Debug)]
pub struct FeedKeeper {
    store: Arc<Store>,
}

impl FeedKeeper {
    /// One for the feeds of a store.
    pub fn new(store: Store) -> FeedKeeper {
        FeedKeeper { store: Arc::new(store) }
    }
}

impl Destination for FeedKeeper {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let (store, feed) = (Arc::clone(&self.store), notice.to.address().to_owned());
        let entry = entry_of(notice);
        let kept = tokio::task::spawn_blocking(move || store.keep_entry(&feed, &entry)).await;
        match kept {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Failure::Refused("the feed was removed".to_owned())),
            Ok(Err(error)) => Err(Failure::Away(error.to_string())),
            Err(error) => Err(Failure::Away(format!("the feed was not written: {error}"))),
        }
    }

    /// A store takes one change at a time.
    fn at_once(&self) -> usize {
        1
    }
}

/// What a feed has of a notice, every text cut and cleaned.
fn entry_of(notice: &Notice) -> FeedEntry {
    let told = &notice.description;
    let count = 1 + notice.more.len();
    let (title, text) = match notice.is_digest() {
        false => (one_line(&told.summary, TITLE_CHARS_MAX), body_of(notice)),
        true => {
            let lines = notice.matters().take(DIGEST_LINES_MAX).map(|(_, told)| {
                let summary = one_line(&told.summary, TITLE_CHARS_MAX);
                match link_of(told) {
                    Some(link) => format!("{summary}\n{link}\n"),
                    None => format!("{summary}\n"),
                }
            });
            let mut text = lines.collect::<Vec<_>>().concat();
            if count > DIGEST_LINES_MAX {
                text.push_str(&format!("and {} more\n", count - DIGEST_LINES_MAX));
            }
            let first = one_line(&told.summary, TITLE_CHARS_MAX / 2);
            (format!("{count} events: {first}"), text)
        }
    };
    FeedEntry {
        key: notice.key().to_string(),
        title,
        link: link_of(told),
        text,
        author: told.agent.as_deref().map(|name| one_line(name, NAME_CHARS_MAX)),
        reasons: notice
            .reasons
            .iter()
            .take(REASONS_MAX)
            .map(|reason| one_line(&reason.subscription, NAME_CHARS_MAX))
            .collect(),
        at: notice.received_at,
    }
}

fn body_of(notice: &Notice) -> String {
    let told = &notice.description;
    let parts = [told.text.as_deref(), told.patch.as_deref()];
    let text = parts.into_iter().flatten().map(str::trim_end).filter(|part| !part.is_empty());
    visible(&text.collect::<Vec<_>>().join("\n\n"), TEXT_BYTES_MAX)
}

/// The link, if it is one for a browser: a reader must not be led to `javascript:`.
fn link_of(told: &Description) -> Option<String> {
    told.link.as_deref().and_then(web_link).map(String::from)
}

/// Gives feeds by their secrets, for whoever serves them. The store may be made later.
pub struct Feeds {
    location: Location,
    base: String,
    store: Mutex<Option<Arc<Store>>>,
}

impl Feeds {
    /// The feeds of a store, served below `base`: `https://bus.example.org`.
    pub fn new(location: Location, base: &str) -> Feeds {
        let base = base.trim_end_matches('/').to_owned();
        Feeds { location, base, store: Mutex::default() }
    }

    /// The feed that the secret opens, in this form; waits for the store.
    ///
    /// # Errors
    /// The store's.
    pub fn document(&self, secret: &str, form: Form) -> Result<Option<Document>, Error> {
        let Some(store) = self.store()? else { return Ok(None) };
        let content = store.feed(secret)?;
        Ok(content.map(|content| document::write(&content, form, &self.base, secret)))
    }

    fn store(&self) -> Result<Option<Arc<Store>>, Error> {
        let mut held = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() && self.location.exists() {
            *held = Some(Arc::new(self.location.open()?));
        }
        Ok(held.clone())
    }
}

impl fmt::Debug for Feeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeds").field("location", &self.location).finish_non_exhaustive()
    }
}

/// Whether this is how a store names feeds.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() == NAME_BYTES * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where a feed is fetched: behind the base, and as `FORM` says.
pub fn feed_url(base: &str, secret: &str, form: Form) -> String {
    format!("{}/feeds/{secret}.{}", base.trim_end_matches('/'), form.extension())
}

const TITLE_CHARS_MAX: usize = 300;
const NAME_CHARS_MAX: usize = 100;
const REASONS_MAX: usize = 20;
const TEXT_BYTES_MAX: usize = 8 * 1024;
const DIGEST_LINES_MAX: usize = 50;

#[cfg(test)]
mod tests;
