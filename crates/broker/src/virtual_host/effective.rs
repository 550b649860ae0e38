//! Policies of the queues and exchanges that are there.

use bytestring::ByteString;

use super::VirtualHost;
use crate::{
    ExchangeDeclaration, Queue, Value,
    policy::{Effective, ExchangeEffective, Policies, QueueArguments},
    sync::read,
};

impl VirtualHost {
    /// Hands all queues and exchanges what counts for them now. The caller has the ledger's turn.
    pub(crate) fn refresh_policies(&self) {
        let policies = self.policies.now();
        for queue in self.queues() {
            queue.set_effective(self.effective(&policies, &queue));
        }
        let effective: Vec<(ByteString, ExchangeEffective)> = self
            .exchanges()
            .into_iter()
            .map(|it| (it.name.clone(), self.exchange_effective(&policies, &it)))
            .collect();
        self.apply(|topology| {
            for (name, effective) in effective {
                topology.set_effective(&name, effective);
            }
        });
    }

    /// What counts for a queue of this virtual host: its arguments and its policies as one.
    pub fn effective_of(&self, queue: &Queue) -> Effective {
        self.effective(&self.policies.now(), queue)
    }

    /// What counts for an exchange; `None` when there is none of that name.
    pub fn effective_of_exchange(&self, name: &str) -> Option<ExchangeEffective> {
        let declaration = read(&self.topology).exchange(name)?.declaration.clone();
        Some(self.exchange_effective(&self.policies.now(), &declaration))
    }

    fn effective(&self, policies: &Policies, queue: &Queue) -> Effective {
        let arguments = QueueArguments::of(&queue.declaration().arguments);
        let applied = policies.of_queue(&self.name, queue.name(), arguments.queue_type);
        Effective::of_queue(&arguments, &applied.definition())
    }

    pub(super) fn exchange_effective(
        &self,
        policies: &Policies,
        declaration: &ExchangeDeclaration,
    ) -> ExchangeEffective {
        let alternate = declaration.arguments.get("alternate-exchange").and_then(Value::as_str);
        let applied = policies.of_exchange(&self.name, &declaration.name);
        ExchangeEffective::of_exchange(alternate, &applied.definition())
    }
}
