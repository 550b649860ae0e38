//! `$management`: what AMQP Management (working draft 11) makes of nodes, as Qpid's tools ask for
//! it. A request is a message, on a link of its own or an anonymous one; its answer is a message to
//! its `reply-to`. Read only: what would change something is answered 501.

use amqp10::{
    Encode as _, ErrorCondition, Message, SectionKind,
    definition::AmqpError,
    messaging::Properties,
    section::{BodyKind, Pieces, encode_map_section, encode_value},
    types::{Map, Value},
};
use broker::Publish;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::{
    REQUEST_BYTES_MAX,
    answer::{Refusal, Status},
    call::Call,
    entity::{Entity, Kind, Site},
};
use crate::{
    amqp10::{
        connection::Connection,
        node::{Prefers, To},
        refusal,
    },
    blocking,
};

/// What is said to a request.
#[derive(Debug, PartialEq)]
struct Answer {
    status: Status,
    description: String,
    /// How many results there are, of a query.
    count: Option<i32>,
    body: Value,
}

impl Answer {
    fn ok(body: impl Into<Value>) -> Answer {
        let description = Status::Ok.words().to_owned();
        Answer { status: Status::Ok, description, count: None, body: body.into() }
    }

    fn refused(refusal: Refusal) -> Answer {
        let (status, description) = match refusal {
            Refusal::Answered(status, text) => (status, text),
            Refusal::Unauthorized(text) => (Status::Forbidden, text),
        };
        Answer { status, description, count: None, body: Map::new().into() }
    }

    fn encode(&self, request: &Properties) -> Bytes {
        let mut out = BytesMut::new();
        // Working draft 11, §3.1.2: the request's own, or its name.
        let correlation_id = request.correlation_id.clone().or_else(|| request.message_id.clone());
        let to = request.reply_to.clone();
        Properties { to, correlation_id, ..Properties::default() }.encode(&mut out);
        encode_map_section(SectionKind::ApplicationProperties, &mut out, |map| {
            map.entry("statusCode", &i32::from(self.status.code()));
            map.entry("statusDescription", &*self.description);
            if let Some(count) = &self.count {
                map.entry("count", count);
            }
        });
        encode_value(&self.body, &mut out);
        out.freeze()
    }
}

impl Connection {
    /// The answer to a request, to be published instead of it.
    pub(in crate::amqp10) fn answer_to(
        &mut self,
        request: &Message,
        said: &Properties,
    ) -> Result<Publish, AmqpError> {
        let Some(reply_to) = said.reply_to.as_deref() else {
            let text = "a request to $management says in 'reply-to' where its answer goes: the \
                        address of a dynamic source, for one";
            return Err(refusal::error(ErrorCondition::InvalidField, text));
        };
        let to = self.target(Some(reply_to), Prefers::Nothing)?;
        if to == To::Management {
            let text = "an answer of $management does not go to $management";
            return Err(refusal::error(ErrorCondition::InvalidField, text));
        }
        // The order in which a client did things is the order in which they happen.
        self.flush_publishes();
        self.flush_settled();
        let connections = self.entered.connections();
        let mut call = Call {
            access: &mut self.access,
            connection: self.id,
            limits: &self.limits,
            node: self.protocol.container_id(),
        };
        let mut site = Site { call: &mut call, connections };
        let answer = blocking(|| site.answer(request)).unwrap_or_else(Answer::refused);
        self.published(&to, Pieces::from_iter([answer.encode(said)]))
    }
}

impl Site<'_, '_> {
    fn answer(&mut self, request: &Message) -> Result<Answer, Refusal> {
        if request.size() > REQUEST_BYTES_MAX {
            let text = format!("a request has at most {REQUEST_BYTES_MAX} octets");
            return Err(Refusal::Answered(Status::TooLarge, text));
        }
        let wrong = |error: amqp10::Error| Refusal::bad_request(error.to_string());
        let asked = request.application_properties().map(|it| it.to_map()).transpose();
        let asked = asked.map_err(wrong)?.unwrap_or_default();
        let text = |name: &str| asked.get(name).and_then(Value::as_text);
        let Some(operation) = text("operation") else {
            let text = "a request says what it wants in the application property 'operation': \
                        QUERY, READ, GET-TYPES, GET-ATTRIBUTES, GET-OPERATIONS";
            return Err(Refusal::bad_request(text));
        };
        let kinds = || kinds_of(text("entityType"));
        match operation {
            "QUERY" => {
                let page =
                    Page { offset: number(&asked, "offset")?, count: number(&asked, "count")? };
                let attributes = attribute_names(request)?;
                self.query(&kinds()?, attributes, &page)
            }
            "READ" => {
                let kind = text("type").map(known).transpose()?;
                self.read(kind, text("name"), text("identity"))
            }
            "GET-TYPES" => Ok(of_each(&kinds()?, |kind| vec![kind.general()])),
            "GET-ATTRIBUTES" => Ok(of_each(&kinds()?, Kind::attributes)),
            "GET-OPERATIONS" => Ok(of_each(&kinds()?, |_| vec!["READ"])),
            "GET-ANNOTATIONS" => Ok(of_each(&kinds()?, |_| Vec::new())),
            // There are no others that this one knows.
            "GET-MGMT-NODES" => Ok(Answer::ok(Vec::new())),
            other => {
                let text = format!(
                    "{other} is not done here: $management only reads; to declare, delete and \
                     purge use /management, AMQP 0-9-1 or the HTTP API"
                );
                Err(Refusal::Answered(Status::NotImplemented, text))
            }
        }
    }

    fn query(
        &mut self,
        kinds: &[Kind],
        attributes: Vec<ByteString>,
        page: &Page,
    ) -> Result<Answer, Refusal> {
        let attributes = match attributes.is_empty() {
            false => attributes,
            true => all_attributes(kinds),
        };
        let entities = kinds.iter().flat_map(|kind| self.all(*kind)).collect::<Vec<_>>();
        let (mut results, mut scratch, mut octets) = (Vec::new(), BytesMut::new(), 0);
        for entity in page.of(&entities) {
            let row = Value::List(entity.attributes(&attributes));
            scratch.clear();
            row.encode(&mut scratch);
            octets += scratch.len();
            if octets > RESULTS_BYTES_MAX {
                let text = format!(
                    "the results take more than {RESULTS_BYTES_MAX} octets; ask for fewer \
                     attributes, or page by page with 'offset' and 'count'"
                );
                return Err(Refusal::Answered(Status::TooLarge, text));
            }
            results.push(row);
        }
        let count = i32::try_from(results.len()).ok();
        let names: Vec<Value> = attributes.into_iter().map(Value::from).collect();
        let body: Map = [("attributeNames", names), ("results", results)].into_iter().collect();
        Ok(Answer { count, ..Answer::ok(body) })
    }

    fn read(
        &mut self,
        kind: Option<Kind>,
        name: Option<&str>,
        identity: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let identified = identity.and_then(|it| it.split_once('/'));
        let identified = identified.and_then(|(kind, name)| Some((Kind::named(kind)?, name)));
        let (kinds, name) = match (identified, name) {
            (Some((of, _)), _) if kind.is_some_and(|kind| kind != of) => {
                return Err(nothing(identity.unwrap_or_default()));
            }
            (Some((kind, name)), _) => (vec![kind], name),
            (None, _) if identity.is_some() => return Err(nothing(identity.unwrap_or_default())),
            (None, Some(name)) => (kind.map_or_else(|| Kind::ALL.to_vec(), |it| vec![it]), name),
            (None, None) => {
                let text = "READ says of what, in the application property 'name' or 'identity'";
                return Err(Refusal::bad_request(text));
            }
        };
        for kind in kinds {
            if let Some(entity) = self.find(kind, name)? {
                return Ok(Answer::ok(described(&entity)));
            }
        }
        Err(nothing(name))
    }
}

fn described(entity: &Entity) -> Map {
    let names = entity.kind().attributes();
    let values = entity.attributes(&names);
    names.into_iter().zip(values).collect()
}

fn nothing(name: &str) -> Refusal {
    Refusal::Answered(Status::NotFound, format!("there is no '{name}', or not of that type"))
}

fn known(name: &str) -> Result<Kind, Refusal> {
    Kind::named(name).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
        Refusal::bad_request(format!("no type '{name}'; there are {}", known.join(", ")))
    })
}

/// All, or those that are meant.
fn kinds_of(name: Option<&str>) -> Result<Vec<Kind>, Refusal> {
    name.map_or_else(|| Ok(Kind::ALL.to_vec()), |name| known(name).map(|it| vec![it]))
}

/// A list for each type.
fn of_each(kinds: &[Kind], each: impl Fn(Kind) -> Vec<&'static str>) -> Answer {
    let list = |kind: Kind| each(kind).into_iter().map(Value::from).collect::<Vec<_>>();
    Answer::ok(kinds.iter().map(|kind| (kind.name(), list(*kind))).collect::<Map>())
}

fn all_attributes(kinds: &[Kind]) -> Vec<ByteString> {
    let mut all: Vec<&str> = Vec::new();
    for name in kinds.iter().flat_map(|kind| kind.attributes()) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all.into_iter().map(ByteString::from).collect()
}

/// The attributes that a query's body asks for; none: all.
fn attribute_names(request: &Message) -> Result<Vec<ByteString>, Refusal> {
    let wrong =
        || Refusal::bad_request("the body of QUERY is a map with a list 'attributeNames' of texts");
    let body = match request.body_kind() {
        BodyKind::Absent => Value::Null,
        BodyKind::Value => request.value().map_err(|_| wrong())?.unwrap_or_default(),
        BodyKind::Data | BodyKind::Sequence => return Err(wrong()),
    };
    let names = match &body {
        Value::Null => return Ok(Vec::new()),
        Value::Map(map) => map.get("attributeNames").unwrap_or(&Value::Null),
        _ => return Err(wrong()),
    };
    let text = |name: &Value| name.as_text().map(ByteString::from).ok_or_else(wrong);
    match names {
        Value::Null => Ok(Vec::new()),
        Value::List(names) if names.len() <= NAMES_MAX => names.iter().map(text).collect(),
        Value::Array(names) if names.elements().len() <= NAMES_MAX => {
            names.elements().iter().map(text).collect()
        }
        _ => Err(wrong()),
    }
}

/// A part of the results.
struct Page {
    offset: Option<usize>,
    count: Option<usize>,
}

impl Page {
    fn of<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        let from = all.get(self.offset.unwrap_or(0)..).unwrap_or_default();
        from.get(..self.count.unwrap_or(usize::MAX).min(from.len())).unwrap_or_default()
    }
}

/// A number, of whatever type.
fn number(asked: &Map, name: &str) -> Result<Option<usize>, Refusal> {
    let number = match asked.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Ubyte(it)) => Some(usize::from(*it)),
        Some(Value::Ushort(it)) => Some(usize::from(*it)),
        Some(Value::Uint(it)) => usize::try_from(*it).ok(),
        Some(Value::Ulong(it)) => usize::try_from(*it).ok(),
        Some(Value::Byte(it)) => usize::try_from(*it).ok(),
        Some(Value::Short(it)) => usize::try_from(*it).ok(),
        Some(Value::Int(it)) => usize::try_from(*it).ok(),
        Some(Value::Long(it)) => usize::try_from(*it).ok(),
        Some(_) => None,
    };
    let number = number.ok_or_else(|| Refusal::bad_request(format!("'{name}' is a count")))?;
    Ok(Some(number))
}

/// Why nobody can consume from the node.
pub(in crate::amqp10) fn not_a_source() -> AmqpError {
    let text = "nothing is consumed from $management: answers go to the 'reply-to' of requests, \
                which a dynamic source is good for";
    refusal::error(ErrorCondition::NotImplemented, text)
}

/// The node's address.
pub(in crate::amqp10) const ADDRESS: &str = "$management";

/// Octets of a query's results.
const RESULTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Attributes that a query may ask for.
const NAMES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_within_what_there_is() {
        let all = [1, 2, 3];
        let page = |offset, count| Page { offset, count };
        assert_eq!(page(None, None).of(&all), [1, 2, 3]);
        assert_eq!(page(Some(1), Some(1)).of(&all), [2]);
        assert_eq!(page(Some(2), Some(9)).of(&all), [3]);
        assert!(page(Some(9), Some(usize::MAX)).of(&all).is_empty());
        assert!(page(Some(0), Some(0)).of(&all).is_empty());
    }

    #[test]
    fn a_count_is_a_number_of_any_type() {
        let asked: Map = [("a", Value::from(5_u8)), ("b", (-1_i32).into()), ("c", "5".into())]
            .into_iter()
            .collect();
        assert_eq!(number(&asked, "a"), Ok(Some(5)));
        assert_eq!(number(&asked, "none"), Ok(None));
        assert!(number(&asked, "b").is_err() && number(&asked, "c").is_err());
    }
}
