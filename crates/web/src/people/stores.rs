//! The store of rules and the outbox, opened when somebody asks. A look makes neither: that there
//! is a store is what a notifier begins to take every event for.

use std::sync::{Arc, Mutex, PoisonError};

use notify::store::{Error, Location, Store};

#[derive(Debug)]
pub(crate) struct Stores {
    rules: Held,
    outbox: Held,
}

#[derive(Debug)]
struct Held {
    location: Location,
    store: Mutex<Option<Arc<Store>>>,
}

impl Stores {
    pub(crate) fn new(rules: Location) -> Stores {
        let held = |location| Held { location, store: Mutex::default() };
        Stores { outbox: held(rules.outbox()), rules: held(rules) }
    }

    /// The rules, to look at; an empty store while there is none.
    pub(crate) fn look(&self) -> Result<Arc<Store>, Error> {
        match self.rules.location.exists() {
            true => self.rules.open(),
            false => Store::in_memory().map(Arc::new),
        }
    }

    /// The rules, to change; made when there are none.
    pub(crate) fn change(&self) -> Result<Arc<Store>, Error> {
        self.rules.open()
    }

    /// The outbox, to look at; `None` while no notifier ran.
    pub(crate) fn look_at_outbox(&self) -> Result<Option<Arc<Store>>, Error> {
        self.outbox.location.exists().then(|| self.outbox.open()).transpose()
    }

    /// The outbox, to send by.
    pub(crate) fn outbox(&self) -> Result<Arc<Store>, Error> {
        self.outbox.open()
    }
}

impl Held {
    fn open(&self) -> Result<Arc<Store>, Error> {
        let mut held = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*held {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(self.location.open()?);
        *held = Some(Arc::clone(&store));
        Ok(store)
    }
}
