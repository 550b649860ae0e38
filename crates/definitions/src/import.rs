//! A document into a broker.

use auth::Users;
use broker::{BindingEnd, Broker, Error as Refusal};

use crate::{Definitions, DestinationType, Error, plan::Plan};

/// What an import did. Things that were there already and are as they should be count, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "counts of what they are named after")]
pub struct Imported {
    pub vhosts: usize,
    pub users: auth::Imported,
    pub permissions: usize,
    pub topic_permissions: usize,
    /// Operator policies included.
    pub policies: usize,
    pub exchanges: usize,
    pub queues: usize,
    pub bindings: usize,
    /// What was passed over, and why: a sentence each.
    pub notes: Vec<String>,
}

impl Definitions {
    /// Imports the document: first looks at all of it, then changes users, then the rest. Queues
    /// and exchanges that are there already stay as they are; nothing is deleted. Whoever calls
    /// this has asked whether they may ([`broker::authorize::Action::ImportDefinitions`]).
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Users`]: nothing was imported. [`Error::Stopped`]: a part
    /// was.
    pub fn import(&self, broker: &Broker, users: &Users) -> Result<Imported, Error> {
        let plan = Plan::of(self, broker, users)?;
        let imported = Imported {
            users: users.import(&plan.users)?,
            vhosts: plan.vhosts.len(),
            permissions: plan.permissions.len(),
            topic_permissions: plan.topic_permissions.len(),
            policies: plan.policies.len(),
            exchanges: plan.exchanges.len(),
            queues: plan.queues.len(),
            bindings: plan.bindings.len(),
            notes: Vec::new(),
        };
        plan.carry_out(broker).map(|notes| Imported { notes, ..imported })
    }
}

impl Plan {
    fn carry_out(self, broker: &Broker) -> Result<Vec<String>, Error> {
        let mut notes = self.notes;
        for (name, metadata) in self.vhosts {
            at(|| format!("vhost '{name}'"), broker.create_vhost(&name, metadata))?;
        }
        for (name, limits) in self.limits {
            at(|| format!("limits of vhost '{name}'"), broker.set_vhost_limits(&name, limits))?;
        }
        for (user, vhost, permission) in self.permissions {
            let what = || format!("permission of user '{user}' in vhost '{vhost}'");
            at(what, broker.set_permission(&user, &vhost, permission))?;
        }
        for [user, vhost, exchange, write, read] in self.topic_permissions {
            let what = || format!("topic permission of user '{user}' in vhost '{vhost}'");
            at(what, broker.set_topic_permission(&user, &vhost, &exchange, &write, &read))?;
        }
        for (name, value) in self.global_parameters {
            let what = || format!("global parameter '{name}'");
            at(what, broker.set_global_parameter(&name, Some(value)))?;
        }
        for policy in self.policies {
            let name = format!("{} '{}'", policy.kind, policy.name);
            at(|| name, broker.set_policy(policy))?;
        }
        let me = broker.new_connection();
        for (vhost, declaration) in self.exchanges {
            let what = || format!("exchange '{}' in vhost '{vhost}'", declaration.name);
            let host = at(what, broker.vhost(&vhost))?;
            let there =
                !declaration.name.is_empty() && host.check_exchange(&declaration.name).is_ok();
            match host.declare_exchange(declaration.clone()) {
                Err(differs) if there => {
                    notes.push(format!("{} stays as it is: {differs}", what()))
                }
                declared => at(what, declared)?,
            }
        }
        for (vhost, declaration) in self.queues {
            let what = || format!("queue '{}' in vhost '{vhost}'", declaration.name);
            let host = at(what, broker.vhost(&vhost))?;
            let there = host.has_queue(&declaration.name);
            // A name that RabbitMQ's server made is a name as any other here.
            let is_servers = declaration.name.starts_with("amq.");
            match host.declare_queue(declaration.clone(), me, is_servers) {
                Err(differs) if there => {
                    notes.push(format!("{} stays as it is: {differs}", what()))
                }
                declared => drop(at(what, declared)?),
            }
        }
        for (vhost, it, arguments) in self.bindings {
            let what = || {
                format!("binding from '{}' to '{}' in vhost '{vhost}'", it.source, it.destination)
            };
            let host = at(what, broker.vhost(&vhost))?;
            let end = match it.destination_type {
                DestinationType::Queue => BindingEnd::Queue(&it.destination),
                DestinationType::Exchange => BindingEnd::Exchange(&it.destination),
            };
            let (source, key) = (it.source.as_str().into(), it.routing_key.as_str().into());
            at(what, host.bind(&source, end, key, arguments, me))?;
        }
        Ok(notes)
    }
}

fn at<T>(what: impl FnOnce() -> String, done: Result<T, Refusal>) -> Result<T, Error> {
    done.map_err(|source| Error::Stopped { what: what(), source })
}
