//! What there is, as a document.

use auth::Users;
use broker::{
    Broker, Destination, VirtualHost,
    policy::{Policy, PolicyKind},
};
use serde_json::{Map, Value, json};

use crate::{
    BindingDefinition, Definitions, DestinationType, ExchangeDefinition, GlobalParameter,
    Parameter, PermissionDefinition, PolicyDefinition, QueueDefinition, TopicPermissionDefinition,
    VirtualHostDefinition, document::Metadata, to_json,
};

impl Definitions {
    /// All there is, password hashes included. As in RabbitMQ without exclusive queues, which
    /// cannot come back, without the exchanges that every virtual host has, and without the
    /// bindings of the default one.
    pub fn export(broker: &Broker, users: &Users) -> Definitions {
        let vhosts = broker.vhosts();
        let mut definitions = Definitions {
            product_name: Some("Tubepost".to_owned()),
            product_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            users: users.export(),
            vhosts: vhosts.iter().map(|it| described(it)).collect(),
            global_parameters: broker
                .global_parameters()
                .iter()
                .map(|(name, value)| GlobalParameter { name: name.clone(), value: value.clone() })
                .collect(),
            ..Definitions::default()
        };
        let permissions = broker.permissions();
        let given = permissions.iter().map(|(user, vhost, it)| PermissionDefinition {
            user: user.to_string(),
            vhost: Some(vhost.to_string()),
            configure: it.configure.as_str().to_owned(),
            write: it.write.as_str().to_owned(),
            read: it.read.as_str().to_owned(),
        });
        definitions.permissions = given.collect();
        let topics =
            permissions.topics().map(|(user, vhost, exchange, it)| TopicPermissionDefinition {
                user: user.to_string(),
                vhost: Some(vhost.to_string()),
                exchange: exchange.to_string(),
                write: it.write().to_owned(),
                read: it.read().to_owned(),
            });
        definitions.topic_permissions = topics.collect();
        vhosts.iter().for_each(|vhost| definitions.add(broker, vhost));
        definitions
    }

    /// What is in one virtual host: no users, and nothing names its virtual host, so that it can be
    /// imported into another.
    pub fn export_vhost(broker: &Broker, vhost: &VirtualHost) -> Definitions {
        let mut all = Definitions {
            product_name: Some("Tubepost".to_owned()),
            product_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ..Definitions::default()
        };
        all.add(broker, vhost);
        all.parameters.iter_mut().for_each(|it| it.vhost = None);
        all.policies.iter_mut().for_each(|it| it.vhost = None);
        all.queues.iter_mut().for_each(|it| it.vhost = None);
        all.exchanges.iter_mut().for_each(|it| it.vhost = None);
        all.bindings.iter_mut().for_each(|it| it.vhost = None);
        all
    }

    fn add(&mut self, broker: &Broker, vhost: &VirtualHost) {
        let named = || Some(vhost.name().to_string());
        let limits = json!(vhost.limits());
        if limits.as_object().is_some_and(|limits| !limits.is_empty()) {
            let (component, name) = ("vhost-limits".to_owned(), "limits".to_owned());
            self.parameters.push(Parameter { component, vhost: named(), name, value: limits });
        }
        let policies = broker.policies();
        for policy in policies.of_vhost(PolicyKind::Operator, vhost.name()) {
            let (component, name) = ("operator_policy".to_owned(), policy.name.to_string());
            let value = Value::Object(body(policy));
            self.parameters.push(Parameter { component, vhost: named(), name, value });
        }
        for policy in policies.of_vhost(PolicyKind::User, vhost.name()) {
            let (name, body) = (policy.name.to_string(), body(policy));
            self.policies.push(PolicyDefinition { vhost: named(), name, body });
        }
        let mut exchanges = vhost.exchanges();
        exchanges.retain(|it| !it.name.is_empty() && !it.name.starts_with("amq."));
        exchanges.sort_by(|a, b| a.name.cmp(&b.name));
        self.exchanges.extend(exchanges.iter().map(|it| ExchangeDefinition {
            name: it.name.to_string(),
            vhost: named(),
            kind: it.kind.name().to_owned(),
            durable: it.durable,
            auto_delete: it.auto_delete,
            internal: it.internal,
            arguments: to_json(&it.arguments),
        }));
        let mut queues = vhost.queues();
        queues.retain(|queue| !queue.declaration().exclusive);
        queues.sort_by(|a, b| a.name().cmp(b.name()));
        self.queues.extend(queues.iter().map(|queue| {
            let declared = queue.declaration();
            QueueDefinition {
                name: declared.name.to_string(),
                vhost: named(),
                durable: declared.durable,
                auto_delete: declared.auto_delete,
                queue_type: None,
                arguments: to_json(&declared.arguments),
            }
        }));
        self.add_bindings(vhost);
    }

    fn add_bindings(&mut self, vhost: &VirtualHost) {
        let mut bindings = Vec::new();
        for (source, binding) in vhost.bindings() {
            let (destination, destination_type) = match &binding.destination {
                Destination::Queue(queue) if queue.declaration().exclusive => continue,
                Destination::Queue(queue) => (queue.name().to_string(), DestinationType::Queue),
                Destination::Exchange(name) => (name.to_string(), DestinationType::Exchange),
            };
            bindings.push(BindingDefinition {
                source: source.to_string(),
                vhost: Some(vhost.name().to_string()),
                destination,
                destination_type,
                routing_key: binding.key.to_string(),
                arguments: to_json(&binding.arguments),
            });
        }
        let order = |it: &BindingDefinition| {
            (it.source.clone(), it.destination.clone(), it.routing_key.clone())
        };
        bindings.sort_by_key(order);
        self.bindings.append(&mut bindings);
    }
}

fn described(vhost: &VirtualHost) -> VirtualHostDefinition {
    let metadata = vhost.metadata();
    let metadata = Metadata {
        description: Some(metadata.description),
        tags: metadata.tags,
        default_queue_type: metadata.default_queue_type.map(|it| it.name().to_owned()),
        protected_from_deletion: metadata.protected_from_deletion,
    };
    VirtualHostDefinition { name: vhost.name().to_string(), metadata, ..Default::default() }
}

fn body(policy: &Policy) -> Map<String, Value> {
    let body = json!({
        "pattern": policy.pattern.as_str(),
        "apply-to": policy.apply_to.name(),
        "definition": policy.definition,
        "priority": policy.priority,
    });
    match body {
        Value::Object(body) => body,
        _ => Map::new(),
    }
}
