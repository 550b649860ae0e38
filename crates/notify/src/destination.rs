//! The seam to everything that can tell a person.

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc};

use crate::{Kind, Notice};

/// A way to tell people. Knows nothing of rules, of order or of waiting: it tries once.
pub trait Destination: Send + Sync {
    /// Delivers one notice. `Ok` means that the other side took it and answers for it now.
    ///
    /// # Errors
    /// [`Failure`] says who has to wait, or that waiting does not help.
    fn deliver(&self, notice: &Notice) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Nothing was delivered for a while: let go of what is held.
    fn rest(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// How many notices it delivers at once, at least one.
    fn at_once(&self) -> usize {
        4
    }
}

/// One that somebody else looks at, too.
impl<D: Destination> Destination for Arc<D> {
    fn deliver(&self, notice: &Notice) -> impl Future<Output = Result<(), Failure>> + Send {
        Destination::deliver(&**self, notice)
    }

    fn rest(&self) -> impl Future<Output = ()> + Send {
        Destination::rest(&**self)
    }

    fn at_once(&self) -> usize {
        Destination::at_once(&**self)
    }
}

/// Why a notice was not taken. Each carries the reason in the other side's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody can be told now: away, refusing the login, out of order. Everything of this kind
    /// waits.
    Away(String),
    /// This address cannot be told now; others can. Only it waits.
    Deferred(String),
    /// This notice will never be taken.
    Refused(String),
    /// Nor will another: the address is none any more, as the other side says. It counts against
    /// the address.
    Bounced(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Away(reason)
        | Failure::Deferred(reason)
        | Failure::Refused(reason)
        | Failure::Bounced(reason)) = self;
        f.write_str(reason)
    }
}

/// The ways that are set up, by kind.
#[derive(Clone, Default)]
pub struct Destinations(BTreeMap<Kind, Arc<dyn Any>>);

impl Destinations {
    /// Sets up a kind, in the place of what it was.
    pub fn put(&mut self, kind: Kind, destination: impl Destination + 'static) {
        self.0.insert(kind, Arc::new(destination));
    }

    /// Whether a kind is set up.
    pub fn has(&self, kind: Kind) -> bool {
        self.0.contains_key(&kind)
    }

    /// Those that are.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.0.keys().copied()
    }

    /// How many notices of a kind are delivered at once.
    pub(crate) fn at_once(&self, kind: Kind) -> usize {
        self.0.get(&kind).map_or(1, |destination| destination.at_once().max(1))
    }

    /// Delivers by the kind that the notice is for.
    pub(crate) async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let kind = notice.to.kind();
        match self.0.get(&kind) {
            Some(destination) => destination.deliver(notice).await,
            // It was there when the rule was made.
            None => Err(Failure::Refused(format!("{kind} is not set up; add [notify.{kind}]"))),
        }
    }

    /// Lets each let go of what it holds.
    pub(crate) async fn rest(&self) {
        for destination in self.0.values() {
            destination.rest().await;
        }
    }
}

impl fmt::Debug for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A destination of any type.
trait Any: Send + Sync {
    fn deliver<'a>(
        &'a self,
        notice: &'a Notice,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

    fn rest(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    fn at_once(&self) -> usize;
}

impl<D: Destination> Any for D {
    fn deliver<'a>(
        &'a self,
        notice: &'a Notice,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>> {
        Box::pin(Destination::deliver(self, notice))
    }

    fn rest(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Destination::rest(self))
    }

    fn at_once(&self) -> usize {
        Destination::at_once(self)
    }
}
