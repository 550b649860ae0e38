//! fe2o3-amqp sends a value of each type, or looks whether they came.

use anyhow::{Context, Result, anyhow, bail, ensure};
use fe2o3_amqp::{
    Receiver, Sender,
    link::receiver::CreditMode,
    types::{
        messaging::{Body, Message, MessageAnnotations, Properties, annotations::OwnedKey},
        primitives::{Array, Binary, OrderedMap, SimpleValue, Symbol, Value},
    },
};
use harness::Site;
use serde_amqp::{described::Described, descriptor::Descriptor};
use tokio::{runtime::Runtime, time::timeout};

use super::{
    fe2o3_scenarios::{PATIENCE, connected, ended},
    types::rows,
};

/// Sends or checks the rows but these.
pub(crate) fn run(site: &Site, verb: &str, address: &str, without: &str) -> Result<()> {
    let rows = rows(without)?;
    Runtime::new()?.block_on(async {
        match verb {
            "send" => send(&site.amqp_url(), address, &rows).await,
            _ => check(&site.amqp_url(), address, &rows).await,
        }
    })
}

fn octets(text: &str) -> Result<Vec<u8>> {
    let (hex, times) = text.split_once('*').unwrap_or((text, "1"));
    let digits = hex.as_bytes().chunks(2);
    let once: Result<Vec<u8>> =
        digits.map(|two| Ok(u8::from_str_radix(std::str::from_utf8(two)?, 16)?)).collect();
    Ok(once?.repeat(times.parse()?))
}

fn array<const N: usize>(text: &str) -> Result<[u8; N]> {
    octets(text)?.try_into().map_err(|_| anyhow!("{text} is not of {N} octets"))
}

fn text(text: &str) -> Result<String> {
    Ok(String::from_utf8(octets(text)?)?)
}

fn map(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let mut map = OrderedMap::new();
    for (key, value) in pairs {
        map.insert(Value::from(key.to_owned()), value);
    }
    Value::Map(map)
}

fn value([name, kind, given]: &[String; 3]) -> Result<Value> {
    let string = |text: &str| Value::String(text.to_owned());
    let made = match name.as_str() {
        "list-empty" => Value::List(vec![]),
        "list" => Value::List(vec![Value::Int(1), string("a"), Value::Null, Value::Bool(true)]),
        "map-empty" => map([]),
        "map" => map([("a", Value::Ulong(7)), ("b", string("c"))]),
        "array-int" => Value::Array(Array(vec![Value::Int(1), Value::Int(2), Value::Int(-3)])),
        "array-string" => Value::Array(Array(vec![string("a"), string("bc")])),
        "described" => {
            let descriptor = Descriptor::Name(Symbol::from("tubepost:described"));
            Value::Described(Box::new(Described { descriptor, value: string("v") }))
        }
        "nested" => {
            let inner = Value::List(vec![Value::Null, Value::Bool(true), string("b")]);
            let empty = Value::List(vec![Value::List(vec![])]);
            Value::List(vec![string("a"), map([("k", inner)]), empty])
        }
        _ => scalar(kind, given)?,
    };
    Ok(made)
}

fn scalar(kind: &str, given: &str) -> Result<Value> {
    Ok(match kind {
        "null" => Value::Null,
        "boolean" => Value::Bool(given == "true"),
        "ubyte" => Value::Ubyte(given.parse()?),
        "ushort" => Value::Ushort(given.parse()?),
        "uint" => Value::Uint(given.parse()?),
        "ulong" => Value::Ulong(given.parse()?),
        "byte" => Value::Byte(given.parse()?),
        "short" => Value::Short(given.parse()?),
        "int" => Value::Int(given.parse()?),
        "long" => Value::Long(given.parse()?),
        "float" => Value::Float(f32::from_be_bytes(array(given)?).into()),
        "double" => Value::Double(f64::from_be_bytes(array(given)?).into()),
        "decimal32" => Value::Decimal32(array(given)?.into()),
        "decimal64" => Value::Decimal64(array(given)?.into()),
        "decimal128" => Value::Decimal128(array(given)?.into()),
        "char" => {
            let code = u32::from_str_radix(given, 16)?;
            Value::Char(char::from_u32(code).context("a char")?)
        }
        "timestamp" => Value::Timestamp(given.parse::<i64>()?.into()),
        "uuid" => Value::Uuid(array(given)?.into()),
        "binary" => Value::Binary(Binary::from(octets(given)?)),
        "string" => Value::String(text(given)?),
        "symbol" => Value::Symbol(Symbol::from(text(given)?)),
        other => bail!("type {other}"),
    })
}

/// Whether it may be an application property (AMQP 1.0 §3.2.5).
fn is_simple([_, kind, given]: &[String; 3]) -> bool {
    given != "-" || kind == "null"
}

fn simple(value: &Value) -> Result<SimpleValue> {
    SimpleValue::try_from(value.clone()).map_err(|value| anyhow!("{value:?} is not simple"))
}

fn key() -> OwnedKey {
    OwnedKey::Symbol(Symbol::from("x-opt-v"))
}

async fn send(url: &str, address: &str, rows: &[[String; 3]]) -> Result<()> {
    let (connection, mut session) = connected(url).await?;
    let mut sender = Sender::attach(&mut session, "types", address).await?;
    for row in rows {
        let value = value(row)?;
        let annotations = MessageAnnotations::builder().insert(key(), value.clone()).build();
        let mut properties = fe2o3_amqp::types::messaging::ApplicationProperties::builder();
        if is_simple(row) {
            properties = properties.insert("v", simple(&value)?);
        }
        let message = Message::builder()
            .message_annotations(annotations)
            .properties(Properties::builder().subject(row[0].clone()).build())
            .application_properties(properties.build())
            .value(value)
            .build();
        let outcome = timeout(PATIENCE, sender.send(message)).await??;
        ensure!(outcome.is_accepted(), "{}: {outcome:?}", row[0]);
    }
    sender.close().await?;
    ended(connection, session).await
}

async fn check(url: &str, address: &str, rows: &[[String; 3]]) -> Result<()> {
    let (connection, mut session) = connected(url).await?;
    let mut receiver = Receiver::builder()
        .name("types")
        .source(address)
        .credit_mode(CreditMode::Auto(100))
        .attach(&mut session)
        .await?;
    for row in rows {
        let delivery = timeout(PATIENCE, receiver.recv::<Body<Value>>()).await??;
        receiver.accept(&delivery).await?;
        let message = delivery.message();
        let name = &row[0];
        let subject = message.properties.as_ref().and_then(|it| it.subject.as_deref());
        ensure!(subject == Some(name), "{subject:?} came for {name}");
        let expected = value(row)?;
        // There are peers that have no types for bodies, or no body that is null.
        match &message.body {
            Body::Value(body) => ensure!(body.0 == expected, "{name} as a body: {:?}", body.0),
            Body::Data(_) => {}
            other => ensure!(expected == Value::Null, "{name} as a body: {other:?}"),
        }
        let annotations = message.message_annotations.as_ref().context("annotations")?;
        let found = annotations.0.get(&key()).cloned();
        ensure!(found.as_ref() == Some(&expected), "{name} as an annotation: {found:?}");
        // Proton for C++ has no null among its properties.
        if is_simple(row) && expected != Value::Null {
            let found = message.application_properties.as_ref().and_then(|it| it.0.get("v"));
            ensure!(found == Some(&simple(&expected)?), "{name} as a property: {found:?}");
        }
    }
    receiver.close().await?;
    ended(connection, session).await
}
