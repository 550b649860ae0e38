//! The document as RabbitMQ 3.8 to 4.2 write it. Fields that are not named here are passed over.

use auth::UserDefinition;
use broker::VirtualHostMetadata;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;

/// A definitions document. In one that was exported of a single virtual host, things do not name
/// theirs: see [`Definitions::of_vhost`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct Definitions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rabbit_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rabbitmq_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_version: Option<String>,
    pub users: Vec<UserDefinition>,
    pub vhosts: Vec<VirtualHostDefinition>,
    pub permissions: Vec<PermissionDefinition>,
    pub topic_permissions: Vec<TopicPermissionDefinition>,
    /// Limits of virtual hosts and operator policies are among them; the rest means nothing here.
    pub parameters: Vec<Parameter>,
    pub global_parameters: Vec<GlobalParameter>,
    pub policies: Vec<PolicyDefinition>,
    pub queues: Vec<QueueDefinition>,
    pub exchanges: Vec<ExchangeDefinition>,
    pub bindings: Vec<BindingDefinition>,
}

/// A virtual host. Until 3.11 what is in `metadata` stood beside the name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct VirtualHostDefinition {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// `undefined` is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_queue_type: Option<String>,
    #[serde(default)]
    pub metadata: Metadata,
}

/// As [`VirtualHostMetadata`], before it is checked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_queue_type: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub protected_from_deletion: bool,
}

impl VirtualHostDefinition {
    /// What it says, checked.
    pub(crate) fn read(&self) -> Result<VirtualHostMetadata, String> {
        let Metadata { description, tags, default_queue_type, protected_from_deletion } =
            self.metadata.clone();
        let queue_type = default_queue_type.or(self.default_queue_type.clone());
        let default_queue_type = match queue_type.as_deref() {
            None | Some("" | "undefined") => None,
            Some(name) => Some(
                name.parse()
                    .map_err(|error: broker::policy::UnknownQueueType| error.to_string())?,
            ),
        };
        let tags = match tags.is_empty() {
            true => self.tags.clone().unwrap_or_default(),
            false => tags,
        };
        let description = description.or(self.description.clone()).unwrap_or_default();
        let metadata =
            VirtualHostMetadata { description, tags, default_queue_type, protected_from_deletion };
        broker::VirtualHost::check(&self.name, &metadata).map_err(|error| error.text)?;
        Ok(metadata)
    }
}

/// What a user may do with queues and exchanges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct PermissionDefinition {
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    pub configure: String,
    pub write: String,
    pub read: String,
}

/// What a user may do with the keys of a topic exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct TopicPermissionDefinition {
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    pub exchange: String,
    pub write: String,
    pub read: String,
}

/// A parameter of a virtual host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct Parameter {
    pub component: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    pub name: String,
    pub value: Value,
}

/// A parameter of all virtual hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct GlobalParameter {
    pub name: String,
    pub value: Value,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct PolicyDefinition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    pub name: String,
    /// `pattern`, `definition`, `priority`, `apply-to`.
    #[serde(flatten)]
    pub body: Map<String, Value>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct QueueDefinition {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    #[serde(default)]
    pub durable: bool,
    #[serde(default)]
    pub auto_delete: bool,
    /// The same as the argument `x-queue-type`, which counts first.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub queue_type: Option<String>,
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// An exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct ExchangeDefinition {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub durable: bool,
    #[serde(default)]
    pub auto_delete: bool,
    #[serde(default)]
    pub internal: bool,
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// A binding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are RabbitMQ's words")]
pub struct BindingDefinition {
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    pub destination: String,
    pub destination_type: DestinationType,
    #[serde(default)]
    pub routing_key: String,
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are RabbitMQ's words")]
pub enum DestinationType {
    Queue,
    Exchange,
}

impl Definitions {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Error::Unreadable`] with the place.
    pub fn parse(text: &str) -> Result<Definitions, Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = serde_path_to_error::deserialize(&mut reader);
        let unreadable = |path: String, error: &serde_json::Error| {
            let path = if path == "." || path == "?" { "the document".to_owned() } else { path };
            Error::Unreadable { path, reason: error.to_string() }
        };
        let definitions =
            read.map_err(|error| unreadable(error.path().to_string(), error.inner()))?;
        reader.end().map_err(|error| unreadable("its end".to_owned(), &error))?;
        Ok(definitions)
    }

    /// The document of a single virtual host: all in it is that one's, whatever it says. Users and
    /// virtual hosts in it are left out, as RabbitMQ does.
    pub fn of_vhost(mut self, vhost: &str) -> Definitions {
        (self.users, self.vhosts, self.global_parameters) = Default::default();
        let named = || Some(vhost.to_owned());
        self.permissions.iter_mut().for_each(|it| it.vhost = named());
        self.topic_permissions.iter_mut().for_each(|it| it.vhost = named());
        self.parameters.iter_mut().for_each(|it| it.vhost = named());
        self.policies.iter_mut().for_each(|it| it.vhost = named());
        self.queues.iter_mut().for_each(|it| it.vhost = named());
        self.exchanges.iter_mut().for_each(|it| it.vhost = named());
        self.bindings.iter_mut().for_each(|it| it.vhost = named());
        self
    }
}
