//! What a link asks of its source beyond the messages: where in a stream it begins and what of it
//! it wants (RabbitMQ's filters), by which condition (selectors), and how soon it is served.

use amqp10::{
    ErrorCondition,
    definition::AmqpError,
    performative::Attach,
    types::{Map, Value},
};
use broker::{
    Arguments,
    policy::{ConsumerArguments, QueueType},
};

use selector::{Dialect, Selector};

use super::{refusal, value::told};

/// What was asked, and which filters are in force of it: only those are said back (AMQP 1.0
/// §3.5.8), and clients look.
pub(super) struct Asked {
    pub(super) arguments: ConsumerArguments,
    pub(super) selector: Option<Selector>,
    /// Nothing that was published on the same connection.
    pub(super) no_local: bool,
    pub(super) in_force: Option<Map>,
}

impl Asked {
    /// # Errors
    /// One of them is not what it should be.
    pub(super) fn of(
        attach: &Attach,
        vhost: &str,
        queue: &str,
        of: QueueType,
        is_own: bool,
    ) -> Result<Asked, AmqpError> {
        let mut arguments = Vec::new();
        let mut in_force = Map::new();
        let filters = attach.source.as_ref().and_then(|source| source.filter.as_ref());
        let (mut selector, mut no_local) = (None, false);
        for (name, filter) in filters.into_iter().flat_map(Map::iter) {
            let dialect = SELECTORS.iter().find(|(it, _)| it.is_named(name, filter));
            if let Some((_, dialect)) = dialect {
                selector = Some(parsed(value_of(filter), *dialect)?);
                in_force.push(name.clone(), filter.clone());
                continue;
            }
            // Of a queue that others have as well, neither would be right.
            if is_own && (NO_LOCAL.is_named(name, filter) || legacy(name, filter).is_some()) {
                no_local |= NO_LOCAL.is_named(name, filter);
                in_force.push(name.clone(), filter.clone());
                continue;
            }
            let known = FILTERS.iter().find(|(known, _)| is_named(known, name, filter));
            let Some((_, argument)) = known.filter(|_| of == QueueType::Stream) else { continue };
            if let Some(value) = told(value_of(filter)) {
                arguments.push(((*argument).to_owned(), value));
                in_force.push(name.clone(), filter.clone());
            }
        }
        let properties = attach.properties.as_ref();
        let priority = properties.and_then(|it| it.get(PRIORITY)).and_then(told);
        if let Some(priority) = priority.filter(|_| of != QueueType::Stream) {
            arguments.push(("x-priority".to_owned(), priority));
        }
        let arguments: Arguments = arguments.into_iter().collect();
        let arguments = ConsumerArguments::parse(vhost, queue, &arguments, of)
            .map_err(|error| refusal::of(&error))?;
        let in_force = (!in_force.is_empty()).then_some(in_force);
        Ok(Asked { arguments, selector, no_local, in_force })
    }
}

/// How a subscription is bound: by the key of its address, or as one of Qpid's filters of old says.
pub(super) struct Binding {
    pub(super) key: String,
    pub(super) arguments: Arguments,
}

impl Binding {
    /// # Errors
    /// Such a filter is not what it should be.
    pub(super) fn of(filters: Option<&Map>, key: String) -> Result<Binding, AmqpError> {
        let wrong = |text: &str| Err(refusal::error(ErrorCondition::InvalidField, text));
        let mut binding = Binding { key, arguments: Arguments::default() };
        for (name, filter) in filters.into_iter().flat_map(Map::iter) {
            match (legacy(name, filter), told(value_of(filter))) {
                (None, _) => {}
                (Some(Legacy::Key), Some(broker::Value::Longstr(key))) => binding.key = key,
                (Some(Legacy::Key), _) => return wrong("a binding's key has to be a string"),
                (Some(Legacy::Headers), Some(broker::Value::Table(table))) => {
                    binding.arguments = table;
                }
                (Some(Legacy::Headers), _) => return wrong("a headers binding has to be a map"),
            }
        }
        Ok(binding)
    }
}

/// What a filter of old says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Legacy {
    Key,
    Headers,
}

fn legacy(name: &Value, filter: &Value) -> Option<Legacy> {
    LEGACY.iter().find(|(known, _)| known.is_named(name, filter)).map(|(_, legacy)| *legacy)
}

/// By its descriptor, or by its key when it has none.
fn is_named(known: &str, name: &Value, filter: &Value) -> bool {
    let text = match filter {
        Value::Described(described) => described.descriptor.as_text(),
        _ => name.as_text(),
    };
    text == Some(known)
}

fn value_of(filter: &Value) -> &Value {
    match filter {
        Value::Described(described) => &described.value,
        plain => plain,
    }
}

fn parsed(text: &Value, dialect: Dialect) -> Result<Selector, AmqpError> {
    let wrong = |text: String| refusal::error(ErrorCondition::InvalidField, text);
    let Some(text) = text.as_text() else {
        return Err(wrong("a selector has to be a string".to_owned()));
    };
    Selector::parse(text, dialect).map_err(|error| wrong(format!("the selector: {error}")))
}

//= amqp-1.0 §3.5.1 filter-stable
/// A filter of the registry, by name or by number.
struct Registered {
    symbol: &'static str,
    number: u64,
}

impl Registered {
    fn is_named(&self, name: &Value, filter: &Value) -> bool {
        let by_number = match filter {
            Value::Described(described) => described.descriptor == Value::Ulong(self.number),
            _ => false,
        };
        by_number || is_named(self.symbol, name, filter)
    }
}

/// Apache's registry of filters, and RabbitMQ's.
const SELECTORS: [(Registered, Dialect); 2] = [
    (
        Registered { symbol: "apache.org:selector-filter:string", number: 0x468c_0000_0004 },
        Dialect::Jms,
    ),
    (Registered { symbol: "amqp:sql-filter", number: 0x120 }, Dialect::AmqpSql),
];

const NO_LOCAL: Registered =
    Registered { symbol: "apache.org:no-local-filter:list", number: 0x468c_0000_0003 };

/// Qpid's, from the time of its exchanges.
const LEGACY: [(Registered, Legacy); 3] = [
    (
        Registered {
            symbol: "apache.org:legacy-amqp-direct-binding:string",
            number: 0x468c_0000_0000,
        },
        Legacy::Key,
    ),
    (
        Registered {
            symbol: "apache.org:legacy-amqp-topic-binding:string",
            number: 0x468c_0000_0001,
        },
        Legacy::Key,
    ),
    (
        Registered {
            symbol: "apache.org:legacy-amqp-headers-binding:map",
            number: 0x468c_0000_0002,
        },
        Legacy::Headers,
    ),
];

/// RabbitMQ's filters (`amqp10_filter.hrl`), and the consumer's argument that says the same in AMQP
/// 0-9-1.
const FILTERS: [(&str, &str); 3] = [
    ("rabbitmq:stream-offset-spec", "x-stream-offset"),
    ("rabbitmq:stream-filter", "x-stream-filter"),
    ("rabbitmq:stream-match-unfiltered", "x-stream-match-unfiltered"),
];

/// RabbitMQ: a link's property.
const PRIORITY: &str = "rabbitmq:priority";
