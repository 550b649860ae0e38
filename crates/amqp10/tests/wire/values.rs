//! Proptest strategies for the wire's types.

use amqp10::{
    DeliveryTag, ErrorCondition,
    definition::{
        DeliveryNumber, Handle, IetfLanguageTag, MessageFormat, Milliseconds, Seconds, SequenceNo,
        TransferNumber,
    },
    messaging::DistributionMode,
    transaction::{TransactionId, TxnCapability},
    types::{
        Array, Decimal32, Decimal64, Decimal128, Described, Kind, Map, MessageId, Multiple, Secret,
        Symbol, Timestamp, Uuid, Value,
    },
};
use bytes::Bytes;
use bytestring::ByteString;
use proptest::{
    array::{uniform4, uniform8, uniform16},
    collection::vec,
    prelude::*,
};

/// Any octets: mostly few, at times more than one octet can count.
pub(crate) fn bytes() -> BoxedStrategy<Bytes> {
    prop_oneof![8 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 250..300)]
        .prop_map(Bytes::from)
        .boxed()
}

pub(crate) fn byte_string() -> BoxedStrategy<ByteString> {
    prop_oneof![8 => "\\PC{0,12}", 1 => "[a-zé]{240,260}"].prop_map(ByteString::from).boxed()
}

pub(crate) fn symbol() -> BoxedStrategy<Symbol> {
    prop_oneof![8 => "[ -~]{0,12}", 1 => "[a-z:]{250,260}"]
        .prop_map(|text| Symbol::try_from(text.as_str()).unwrap())
        .boxed()
}

pub(crate) fn secret() -> BoxedStrategy<Secret> {
    bytes().prop_map(Secret::new).boxed()
}

pub(crate) fn multiple<T: std::fmt::Debug>(
    each: impl Strategy<Value = T>,
    least: usize,
) -> impl Strategy<Value = Multiple<T>> {
    vec(each, least..4).prop_map(Multiple::from_iter)
}

pub(crate) fn map() -> BoxedStrategy<Map> {
    vec((value(), value()), 0..4).prop_map(Map::from_iter).boxed()
}

pub(crate) fn timestamp() -> BoxedStrategy<Timestamp> {
    any::<i64>().prop_map(Timestamp).boxed()
}

pub(crate) fn message_id() -> BoxedStrategy<MessageId> {
    prop_oneof![
        any::<u64>().prop_map(MessageId::Ulong),
        uniform16(any::<u8>()).prop_map(|octets| MessageId::Uuid(Uuid(octets))),
        bytes().prop_map(MessageId::Binary),
        byte_string().prop_map(MessageId::String),
    ]
    .boxed()
}

pub(crate) fn delivery_tag() -> BoxedStrategy<DeliveryTag> {
    vec(any::<u8>(), 0..=32)
        .prop_map(|tag| DeliveryTag::try_from(Bytes::from(tag)).unwrap())
        .boxed()
}

pub(crate) fn transaction_id() -> BoxedStrategy<TransactionId> {
    bytes().prop_map(TransactionId).boxed()
}

pub(crate) fn ietf_language_tag() -> BoxedStrategy<IetfLanguageTag> {
    symbol().prop_map(IetfLanguageTag).boxed()
}

pub(crate) fn error_condition() -> BoxedStrategy<ErrorCondition> {
    prop_oneof![Just(ErrorCondition::LinkStolen), symbol().prop_map(ErrorCondition::from)].boxed()
}

pub(crate) fn distribution_mode() -> BoxedStrategy<DistributionMode> {
    prop_oneof![Just(DistributionMode::Copy), symbol().prop_map(DistributionMode::from)].boxed()
}

pub(crate) fn txn_capability() -> BoxedStrategy<TxnCapability> {
    symbol().prop_map(TxnCapability::from).boxed()
}

macro_rules! numbers {
    ($($function:ident => $name:ident),* $(,)?) => {$(
        pub(crate) fn $function() -> BoxedStrategy<$name> {
            prop_oneof![Just(0), 0..300_u32, any::<u32>()].prop_map($name).boxed()
        }
    )*};
}

numbers! {
    delivery_number => DeliveryNumber, handle => Handle, message_format => MessageFormat,
    milliseconds => Milliseconds, seconds => Seconds, sequence_no => SequenceNo,
    transfer_number => TransferNumber,
}

/// Any value, in each other to some depth.
pub(crate) fn value() -> BoxedStrategy<Value> {
    plain_value()
        .prop_recursive(4, 24, 4, |inner| {
            let described = (inner.clone(), inner.clone())
                .prop_map(|(descriptor, value)| Described { descriptor, value }.into());
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::List),
                vec((inner.clone(), inner.clone()), 0..4)
                    .prop_map(|pairs| Value::Map(Map::from_iter(pairs))),
                described,
                array(inner),
            ]
        })
        .boxed()
}

/// Any array: a value, and those of its kind among others.
fn array(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    (vec(inner.clone(), 1..8), vec(inner, 0..2)).prop_map(|(elements, descriptors)| {
        let kinds = elements.iter().map(Value::kind);
        let kind = kinds.clone().find(|kind| *kind != Kind::Described).unwrap_or(Kind::Null);
        let elements = elements.into_iter().filter(|element| element.kind() == kind).collect();
        Array::described(descriptors, kind, elements).unwrap().into()
    })
}

fn plain_value() -> impl Strategy<Value = Value> {
    let numbers = prop_oneof![
        any::<u8>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        prop_oneof![0..300_u32, any::<u32>()].prop_map(Value::from),
        prop_oneof![0..300_u64, any::<u64>()].prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        prop_oneof![-200..200_i32, any::<i32>()].prop_map(Value::from),
        prop_oneof![-200..200_i64, any::<i64>()].prop_map(Value::from),
        any::<u32>().prop_map(|bits| Value::Float(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))),
    ];
    let others = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        uniform4(any::<u8>()).prop_map(|octets| Value::Decimal32(Decimal32(octets))),
        uniform8(any::<u8>()).prop_map(|octets| Value::Decimal64(Decimal64(octets))),
        uniform16(any::<u8>()).prop_map(|octets| Value::Decimal128(Decimal128(octets))),
        any::<char>().prop_map(Value::from),
        timestamp().prop_map(Value::from),
        uniform16(any::<u8>()).prop_map(|octets| Value::Uuid(Uuid(octets))),
    ];
    prop_oneof![
        numbers,
        others,
        bytes().prop_map(Value::from),
        byte_string().prop_map(Value::from),
        symbol().prop_map(Value::from),
    ]
}
