//! What a document asks for, checked as a whole before anything is done.

use std::collections::{HashMap, HashSet};

use auth::{UserDefinition, Users};
use broker::{
    Arguments, Broker, ExchangeDeclaration, ExchangeKind, QueueDeclaration, VirtualHost,
    VirtualHostLimits, VirtualHostMetadata,
    authorize::{Permission, TopicPermission},
    limits::NAME_BYTES_MAX,
    policy::{Policy, PolicyKind, QueueArguments, QueueType},
};
use serde_json::{Map, Value};

use crate::{BindingDefinition, Definitions, DestinationType, Error, Fault, Parameter, from_json};

/// What is to be done, in this order.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) users: Vec<UserDefinition>,
    pub(crate) vhosts: Vec<(String, VirtualHostMetadata)>,
    pub(crate) limits: Vec<(String, VirtualHostLimits)>,
    pub(crate) permissions: Vec<(String, String, Permission)>,
    /// User, virtual host, exchange, write, read.
    pub(crate) topic_permissions: Vec<[String; 5]>,
    pub(crate) global_parameters: Vec<(String, Value)>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) exchanges: Vec<(String, ExchangeDeclaration)>,
    pub(crate) queues: Vec<(String, QueueDeclaration)>,
    pub(crate) bindings: Vec<(String, BindingDefinition, Arguments)>,
    /// What is passed over, and why.
    pub(crate) notes: Vec<String>,
}

impl Plan {
    pub(crate) fn of(
        definitions: &Definitions,
        broker: &Broker,
        users: &Users,
    ) -> Result<Plan, Error> {
        let mut making = Making { plan: Plan::default(), faults: Vec::new(), broker, users };
        making.users(definitions);
        making.vhosts(definitions);
        making.permissions(definitions);
        making.parameters(definitions);
        making.exchanges(definitions);
        making.queues(definitions);
        making.bindings(definitions);
        match making.faults.is_empty() {
            true => Ok(making.plan),
            false => Err(Error::Invalid(making.faults)),
        }
    }
}

struct Making<'a> {
    plan: Plan,
    faults: Vec<Fault>,
    broker: &'a Broker,
    users: &'a Users,
}

impl Making<'_> {
    fn keep<T>(&mut self, what: impl FnOnce() -> String, read: Result<T, String>) -> Option<T> {
        read.map_err(|reason| self.faults.push(Fault { what: what(), reason })).ok()
    }

    fn users(&mut self, definitions: &Definitions) {
        for user in &definitions.users {
            if user.is_default_guest() {
                self.plan.notes.push(
                    "user 'guest' with the password 'guest' is not imported: the built-in one is \
                     the same, on this machine only"
                        .to_owned(),
                );
                continue;
            }
            self.plan.users.push(user.clone());
        }
    }

    fn vhosts(&mut self, definitions: &Definitions) {
        for (at, vhost) in definitions.vhosts.iter().enumerate() {
            let what = || format!("vhosts[{at}] '{}'", vhost.name);
            if let Some(metadata) = self.keep(what, vhost.read()) {
                self.plan.vhosts.push((vhost.name.clone(), metadata));
            }
        }
    }

    /// The virtual host that something names, if it is there or will be.
    fn vhost(&self, named: Option<&String>) -> Result<String, String> {
        let Some(name) = named else {
            return Err(
                "it names no virtual host; the document may be that of a single one, to be \
                        imported into one"
                    .to_owned(),
            );
        };
        let planned = self.plan.vhosts.iter().any(|(it, _)| it == name);
        match planned || self.broker.vhost(name).is_ok() {
            true => Ok(name.clone()),
            false => Err(format!("there is no virtual host '{name}', here or in the document")),
        }
    }

    fn user(&self, name: &str) -> Result<String, String> {
        let planned = self.plan.users.iter().any(|it| it.name == name);
        // The built-in one is nobody's list.
        match planned || name == "guest" || self.users.get(name).is_some() {
            true => Ok(name.to_owned()),
            false => Err(format!("there is no user '{name}', here or in the document")),
        }
    }

    fn permissions(&mut self, definitions: &Definitions) {
        for (at, it) in definitions.permissions.iter().enumerate() {
            let what = || format!("permissions[{at}] of user '{}'", it.user);
            let read = self.user(&it.user).and_then(|user| {
                let vhost = self.vhost(it.vhost.as_ref())?;
                let permission = Permission::new(&it.configure, &it.write, &it.read);
                Ok((user, vhost, permission.map_err(|error| error.to_string())?))
            });
            let read = self.keep(what, read);
            self.plan.permissions.extend(read);
        }
        for (at, it) in definitions.topic_permissions.iter().enumerate() {
            let what = || format!("topic_permissions[{at}] of user '{}'", it.user);
            let read = self.user(&it.user).and_then(|user| {
                let vhost = self.vhost(it.vhost.as_ref())?;
                TopicPermission::new(&user, &vhost, &it.write, &it.read)
                    .map_err(|error| error.to_string())?;
                Ok([user, vhost, it.exchange.clone(), it.write.clone(), it.read.clone()])
            });
            let read = self.keep(what, read);
            self.plan.topic_permissions.extend(read);
        }
    }

    fn parameters(&mut self, definitions: &Definitions) {
        for (at, it) in definitions.parameters.iter().enumerate() {
            let what = || format!("parameters[{at}] '{}' of {}", it.name, it.component);
            match &*it.component {
                "vhost-limits" => {
                    let read = self.vhost(it.vhost.as_ref()).and_then(|vhost| limits(vhost, it));
                    let read = self.keep(what, read);
                    self.plan.limits.extend(read);
                }
                "operator_policy" => {
                    let read = self.vhost(it.vhost.as_ref()).and_then(|vhost| {
                        Policy::parse(PolicyKind::Operator, &vhost, &it.name, &it.value)
                            .map_err(|error| error.text)
                    });
                    let read = self.keep(what, read);
                    self.plan.policies.extend(read);
                }
                other => self.plan.notes.push(format!(
                    "parameter '{}' of '{other}' means nothing here and is passed over",
                    it.name
                )),
            }
        }
        let kept = definitions.global_parameters.iter().filter(|it| !is_of_a_cluster(&it.name));
        self.plan.global_parameters.extend(kept.map(|it| (it.name.clone(), it.value.clone())));
        for (at, it) in definitions.policies.iter().enumerate() {
            let what = || format!("policies[{at}] '{}'", it.name);
            let read = self.vhost(it.vhost.as_ref()).and_then(|vhost| {
                let body = Value::Object(it.body.clone());
                Policy::parse(PolicyKind::User, &vhost, &it.name, &body).map_err(|error| error.text)
            });
            let read = self.keep(what, read);
            self.plan.policies.extend(read);
        }
    }

    fn exchanges(&mut self, definitions: &Definitions) {
        for (at, it) in definitions.exchanges.iter().enumerate() {
            let what = || format!("exchanges[{at}] '{}'", it.name);
            let read = self.vhost(it.vhost.as_ref()).and_then(|vhost| {
                let name = self.new_name(&vhost, "exchange", &it.name)?;
                let kind: ExchangeKind =
                    it.kind.parse().map_err(|error: broker::Error| error.text)?;
                let declaration = ExchangeDeclaration {
                    name: name.into(),
                    kind,
                    durable: it.durable,
                    auto_delete: it.auto_delete,
                    internal: it.internal,
                    arguments: from_json(&it.arguments)?,
                };
                Ok((vhost, declaration))
            });
            let read = self.keep(what, read);
            self.plan.exchanges.extend(read);
        }
    }

    fn queues(&mut self, definitions: &Definitions) {
        for (at, it) in definitions.queues.iter().enumerate() {
            let what = || format!("queues[{at}] '{}'", it.name);
            let read = self.vhost(it.vhost.as_ref()).and_then(|vhost| {
                let name = self.new_name(&vhost, "queue", &it.name)?;
                let mut arguments = it.arguments.clone();
                if let Some(queue_type) = it.queue_type.as_deref().filter(|it| *it != "classic") {
                    arguments.entry("x-queue-type").or_insert_with(|| queue_type.into());
                }
                let arguments = from_json(&arguments)?;
                QueueArguments::parse(&vhost, &name, &arguments, QueueType::Classic)
                    .and_then(|asked| {
                        let (durable, auto_delete) = (it.durable, it.auto_delete);
                        asked.check_properties(&vhost, &name, durable, false, auto_delete)
                    })
                    .map_err(|error| error.text)?;
                let declaration = QueueDeclaration {
                    name: name.into(),
                    durable: it.durable,
                    exclusive: false,
                    auto_delete: it.auto_delete,
                    arguments,
                };
                Ok((vhost, declaration))
            });
            let read = self.keep(what, read);
            self.plan.queues.extend(read);
        }
    }

    /// A name that something can have, or has already.
    fn new_name(&self, vhost: &str, kind: &str, name: &str) -> Result<String, String> {
        let is_there = self.broker.vhost(vhost).is_ok_and(|vhost| match kind {
            "queue" => vhost.has_queue(name),
            _ => vhost.check_exchange(name).is_ok(),
        });
        match name {
            "" => Err(format!("a {kind} without a name")),
            _ if name.len() > NAME_BYTES_MAX => Err("its name has more than 255 bytes".to_owned()),
            // RabbitMQ exports queues that it has named.
            _ if name.starts_with("amq.") && kind != "queue" && !is_there => {
                Err(format!("{kind} name '{name}' contains reserved prefix 'amq.*'"))
            }
            _ => Ok(name.to_owned()),
        }
    }

    fn bindings(&mut self, definitions: &Definitions) {
        let ends = Ends::of(&self.plan);
        let read: Vec<Result<_, String>> = definitions
            .bindings
            .iter()
            .map(|it| {
                let vhost = self.vhost(it.vhost.as_ref())?;
                let there = self.broker.vhost(&vhost).ok();
                let arguments = from_json(&it.arguments)?;
                ends.check(it, &vhost, there.as_deref(), &arguments)?;
                Ok((vhost, it.clone(), arguments))
            })
            .collect();
        for (at, (it, read)) in definitions.bindings.iter().zip(read).enumerate() {
            let what = || format!("bindings[{at}] from '{}' to '{}'", it.source, it.destination);
            let read = self.keep(what, read);
            self.plan.bindings.extend(read);
        }
    }
}

/// What of the document can be an end of a binding, by virtual host and name.
struct Ends {
    exchanges: HashMap<(String, String), ExchangeKind>,
    queues: HashSet<(String, String)>,
}

impl Ends {
    fn of(plan: &Plan) -> Ends {
        let exchanges = plan.exchanges.iter();
        let queues = plan.queues.iter();
        Ends {
            exchanges: exchanges
                .map(|(vhost, it)| ((vhost.clone(), it.name.to_string()), it.kind))
                .collect(),
            queues: queues.map(|(vhost, it)| (vhost.clone(), it.name.to_string())).collect(),
        }
    }

    /// Whether both ends are there or will be, and the source can have such a binding.
    fn check(
        &self,
        binding: &BindingDefinition,
        vhost: &str,
        there: Option<&VirtualHost>,
        arguments: &Arguments,
    ) -> Result<(), String> {
        let BindingDefinition { source, destination, .. } = binding;
        let key = |name: &str| (vhost.to_owned(), name.to_owned());
        // What is there stays as it is, so it counts first.
        let kind_of = |name: &str| {
            let predeclared = || PREDECLARED.iter().find(|(it, _)| *it == name).map(|it| it.1);
            let kind = there.and_then(|it| it.exchange_kind(name));
            kind.or_else(predeclared).or_else(|| self.exchanges.get(&key(name)).copied())
        };
        let has_queue = |name: &str| {
            self.queues.contains(&key(name)) || there.is_some_and(|it| it.has_queue(name))
        };
        if source.is_empty() {
            return Err("the default exchange has the bindings it has".to_owned());
        }
        let Some(kind) = kind_of(source) else {
            return Err(format!("no exchange '{source}' in vhost '{vhost}'"));
        };
        kind.check_binding(arguments).map_err(|error| error.text)?;
        let (what, is_there) = match binding.destination_type {
            DestinationType::Queue => ("queue", has_queue(destination)),
            DestinationType::Exchange => ("exchange", kind_of(destination).is_some()),
        };
        match is_there {
            true => Ok(()),
            false => Err(format!("no {what} '{destination}' in vhost '{vhost}'")),
        }
    }
}

/// A negative number is no limit, as in RabbitMQ.
fn limits(vhost: String, parameter: &Parameter) -> Result<(String, VirtualHostLimits), String> {
    let none = Map::new();
    let value = parameter.value.as_object().unwrap_or(&none);
    let limit = |name: &str| match value.get(name) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(limit) => Ok(u64::try_from(limit).ok()),
            None => Err(format!("{name} should be a number, actually was {value}")),
        },
    };
    let limits = VirtualHostLimits {
        max_connections: limit("max-connections")?,
        max_queues: limit("max-queues")?,
    };
    Ok((vhost, limits))
}

/// What every RabbitMQ exports of itself, and nobody misses.
fn is_of_a_cluster(name: &str) -> bool {
    ["cluster_name", "internal_cluster_id", "cluster_tags", "node_tags"].contains(&name)
}

/// In every virtual host, also one that is still to be made.
const PREDECLARED: [(&str, ExchangeKind); 5] = [
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.topic", ExchangeKind::Topic),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
];
