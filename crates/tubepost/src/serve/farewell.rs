//! The way out of mails: its key in the data directory, and what the pages ask when somebody comes
//! by it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use notify::{
    Unsubscriber,
    store::{Location, Store},
};
use web::Unsubscribing;

use crate::{failure::Failure, serve::data_directory::DataDirectory};

/// The maker of addresses, when it is known where the pages are reached.
///
/// # Errors
/// Its key cannot be read or made.
pub(crate) fn unsubscriber(
    page_url: Option<&str>,
    data: &DataDirectory,
) -> Result<Option<Unsubscriber>, Failure> {
    let Some(page_url) = page_url else { return Ok(None) };
    let file = data.path().join("unsubscribe.key");
    let made = Unsubscriber::with_key_file(&file, page_url);
    made.map(Some).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
}

/// Answers for the pages.
pub(crate) struct Farewells {
    unsubscriber: Unsubscriber,
    location: Location,
    /// Opened when the first comes: it may be made only then.
    store: Mutex<Option<Arc<Store>>>,
}

impl Farewells {
    pub(crate) fn new(unsubscriber: Unsubscriber, location: Location) -> Farewells {
        Farewells { unsubscriber, location, store: Mutex::default() }
    }

    fn store(&self) -> Result<Arc<Store>, String> {
        let mut held = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*held {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(self.location.open().map_err(|error| error.to_string())?);
        *held = Some(Arc::clone(&store));
        Ok(store)
    }

    fn ask(
        &self,
        token: &str,
        ask: impl FnOnce(&Store, &notify::Farewell) -> Result<Vec<String>, notify::store::Error>,
    ) -> Result<Option<Vec<String>>, String> {
        // The seal first: a stranger's guess opens no store.
        let Some(farewell) = self.unsubscriber.read(token) else { return Ok(None) };
        let store = self.store()?;
        ask(&store, &farewell).map(Some).map_err(|error| error.to_string())
    }
}

impl Unsubscribing for Farewells {
    fn would_end(&self, token: &str) -> Result<Option<Vec<String>>, String> {
        self.ask(token, |store, farewell| store.would_end(farewell))
    }

    fn end(&self, token: &str) -> Result<Option<Vec<String>>, String> {
        let ended = self.ask(token, |store, farewell| store.unsubscribe(farewell))?;
        if let Some(names) = &ended {
            tracing::info!(?names, "unsubscribed by the address in a mail");
        }
        Ok(ended)
    }
}

impl fmt::Debug for Farewells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Farewells").field("location", &self.location).finish_non_exhaustive()
    }
}
