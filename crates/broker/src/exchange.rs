//! An exchange: its declaration, its bindings, and the router its kind gives it.

use std::str::FromStr;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::{
    Arguments, Error,
    binding::{Binding, DestinationKey},
    routing::{Map, Router},
};

/// The kinds of exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// The routing key equals the binding key.
    Direct,
    /// Every destination.
    Fanout,
    /// The routing key fits the binding's pattern.
    Topic,
    /// The message's headers fit the binding's arguments.
    Headers,
}

impl ExchangeKind {
    /// The name that clients declare.
    pub fn name(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
        }
    }
}

impl FromStr for ExchangeKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<ExchangeKind, Error> {
        match name {
            "direct" => Ok(ExchangeKind::Direct),
            "fanout" => Ok(ExchangeKind::Fanout),
            "topic" => Ok(ExchangeKind::Topic),
            "headers" => Ok(ExchangeKind::Headers),
            other => Err(Error::precondition(format!("unknown exchange type '{other}'"))),
        }
    }
}

/// What is declared of an exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExchangeDeclaration {
    /// Its name.
    pub name: ByteString,
    /// Its kind.
    pub kind: ExchangeKind,
    /// It survives a restart.
    pub durable: bool,
    /// It goes when the last binding from it goes.
    pub auto_delete: bool,
    /// Clients cannot publish to it; only other exchanges lead there.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Arguments,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) declaration: ExchangeDeclaration,
    router: Router,
    /// Bindings by destination and key; more than one where only the arguments differ.
    bindings: Map<(DestinationKey, ByteString), Vec<Binding>>,
}

impl Exchange {
    pub(crate) fn new(declaration: ExchangeDeclaration) -> Exchange {
        let router = Router::new(declaration.kind);
        Exchange { declaration, router, bindings: Map::default() }
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    pub(crate) fn has_bindings(&self) -> bool {
        !self.bindings.is_empty()
    }

    pub(crate) fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values().flatten()
    }

    /// Adds a binding; `false` when it was there.
    pub(crate) fn bind(&mut self, binding: &Binding) -> bool {
        let same =
            self.bindings.entry((binding.destination.key(), binding.key.clone())).or_default();
        if same.iter().any(|it| it.arguments.is_equivalent(&binding.arguments)) {
            return false;
        }
        same.push(binding.clone());
        if same.len() == 1 || self.router.reads_arguments() {
            self.router.bind(binding);
        }
        true
    }

    /// Takes a binding away; `None` when there was none.
    pub(crate) fn unbind(&mut self, binding: &Binding) -> Option<Binding> {
        let at = (binding.destination.key(), binding.key.clone());
        let same = self.bindings.get_mut(&at)?;
        let index = same.iter().position(|it| it.arguments.is_equivalent(&binding.arguments))?;
        let removed = same.remove(index);
        let last = same.is_empty();
        if last {
            self.bindings.remove(&at);
        }
        if last || self.router.reads_arguments() {
            self.router.unbind(&removed);
        }
        Some(removed)
    }

    /// Takes away all bindings to `destination` under `key`.
    pub(crate) fn unbind_all(
        &mut self,
        destination: &DestinationKey,
        key: &ByteString,
    ) -> Vec<Binding> {
        let at = (destination.clone(), key.clone());
        let removed = self.bindings.remove(&at).unwrap_or_default();
        let to_router = if self.router.reads_arguments() { removed.len() } else { 1 };
        removed.iter().take(to_router).for_each(|binding| self.router.unbind(binding));
        removed
    }

    /// Whether `binding` is already there.
    pub(crate) fn has(&self, binding: &Binding) -> bool {
        self.bindings.get(&(binding.destination.key(), binding.key.clone())).is_some_and(|same| {
            same.iter().any(|it| it.arguments.is_equivalent(&binding.arguments))
        })
    }
}

/// Policies.
impl Exchange {
    /// What policies and arguments together say of it, whenever that changes.
    pub(crate) fn set_effective(&mut self, _: crate::policy::ExchangeEffective) {}
}
