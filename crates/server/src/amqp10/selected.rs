//! What a message has, as a selector asks for it (`apache.org:selector-filter:string`, RabbitMQ's
//! `amqp:sql-filter`).

use amqp10::{
    Message as Sections,
    messaging::{Header, Properties},
    types::{MessageId, Value as Given},
};
use bytes::Bytes;
use bytestring::ByteString;
use selector::{HeaderField, Name, PropertyField, Selector, Value};

/// The values that one selector asks for, of one message.
pub(super) struct Seen {
    values: Vec<(Name, Owned)>,
    now_ms: u64,
}

enum Owned {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(ByteString),
    Octets(Bytes),
}

impl Seen {
    pub(super) fn of(selector: &Selector, message: &Sections, now_ms: u64) -> Seen {
        let header = message.header().unwrap_or_default();
        let properties = message.properties().ok().flatten().unwrap_or_default();
        let application = message.application_properties();
        let value = |name: &Name| match name {
            Name::Header(field) => of_header(&header, *field),
            Name::Property(field) => of_properties(&properties, *field),
            Name::Application(name) => {
                let section = application.as_ref()?;
                given(section.get(name).ok().flatten()?)
            }
        };
        let names = selector.names().iter();
        let values = names.filter_map(|name| Some((name.clone(), value(name)?))).collect();
        Seen { values, now_ms }
    }
}

impl selector::Properties for Seen {
    fn get(&self, name: &Name) -> Option<Value<'_>> {
        let (_, value) = self.values.iter().find(|(known, _)| known == name)?;
        Some(match value {
            Owned::Bool(it) => Value::Bool(*it),
            Owned::Int(it) => Value::Int(*it),
            Owned::Float(it) => Value::Float(*it),
            Owned::Text(it) => Value::String(it),
            Owned::Octets(it) => Value::Bytes(it),
        })
    }

    fn utc_ms(&self) -> i64 {
        i64::try_from(self.now_ms).unwrap_or(i64::MAX)
    }
}

fn of_header(header: &Header, field: HeaderField) -> Option<Owned> {
    match field {
        HeaderField::Durable => header.durable.map(Owned::Bool),
        HeaderField::Priority => header.priority.map(|it| Owned::Int(it.into())),
        HeaderField::Ttl => header.ttl.map(|it| Owned::Int(it.0.into())),
        HeaderField::FirstAcquirer => header.first_acquirer.map(Owned::Bool),
        HeaderField::DeliveryCount => header.delivery_count.map(|it| Owned::Int(it.into())),
    }
}

fn of_properties(properties: &Properties, field: PropertyField) -> Option<Owned> {
    let text = |text: &Option<ByteString>| text.clone().map(Owned::Text);
    let it = properties;
    match field {
        PropertyField::MessageId => it.message_id.clone().map(id),
        PropertyField::UserId => it.user_id.clone().map(Owned::Octets),
        PropertyField::To => text(&it.to),
        PropertyField::Subject => text(&it.subject),
        PropertyField::ReplyTo => text(&it.reply_to),
        PropertyField::CorrelationId => it.correlation_id.clone().map(id),
        PropertyField::ContentType => {
            it.content_type.clone().map(|it| Owned::Text(it.into_inner()))
        }
        PropertyField::ContentEncoding => {
            it.content_encoding.clone().map(|it| Owned::Text(it.into_inner()))
        }
        PropertyField::AbsoluteExpiryTime => it.absolute_expiry_time.map(|it| Owned::Int(it.0)),
        PropertyField::CreationTime => it.creation_time.map(|it| Owned::Int(it.0)),
        PropertyField::GroupId => text(&it.group_id),
        PropertyField::GroupSequence => it.group_sequence.map(|it| Owned::Int(it.0.into())),
        PropertyField::ReplyToGroupId => text(&it.reply_to_group_id),
    }
}

fn id(id: MessageId) -> Owned {
    match id {
        MessageId::Ulong(it) => i64::try_from(it).map_or(Owned::Float(it as f64), Owned::Int),
        MessageId::String(it) => Owned::Text(it),
        MessageId::Binary(it) => Owned::Octets(it),
        MessageId::Uuid(it) => Owned::Text(it.to_string().into()),
    }
}

/// A value that a selector can compare; of any other kind there is none.
fn given(value: Given) -> Option<Owned> {
    Some(match value {
        Given::Boolean(it) => Owned::Bool(it),
        Given::Ubyte(it) => Owned::Int(it.into()),
        Given::Ushort(it) => Owned::Int(it.into()),
        Given::Uint(it) => Owned::Int(it.into()),
        Given::Ulong(it) => i64::try_from(it).map_or(Owned::Float(it as f64), Owned::Int),
        Given::Byte(it) => Owned::Int(it.into()),
        Given::Short(it) => Owned::Int(it.into()),
        Given::Int(it) => Owned::Int(it.into()),
        Given::Long(it) => Owned::Int(it),
        Given::Float(it) => Owned::Float(it.into()),
        Given::Double(it) => Owned::Float(it),
        Given::Timestamp(it) => Owned::Int(it.0),
        Given::Char(it) => Owned::Text(it.to_string().into()),
        Given::String(it) => Owned::Text(it),
        Given::Symbol(it) => Owned::Text(it.into_inner()),
        Given::Binary(it) => Owned::Octets(it),
        _ => return None,
    })
}
