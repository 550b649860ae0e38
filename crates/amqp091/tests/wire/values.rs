//! Proptest strategies for the wire's types.

use amqp091::{FieldTable, FieldValue, Secret, ShortStr};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

/// Any short string: mostly short, at times as long as they get.
pub(crate) fn short_string() -> impl Strategy<Value = ShortStr> {
    prop_oneof![
        4 => "\\PC{0,12}".prop_map(|text| ShortStr::try_from(text).unwrap()),
        1 => "[a-zé]{200,300}".prop_map(|text| ShortStr::truncated(&text)),
    ]
}

/// Any long string.
pub(crate) fn long_string() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

/// Any secret.
pub(crate) fn secret() -> impl Strategy<Value = Secret> {
    long_string().prop_map(Secret::new)
}

/// Any table.
pub(crate) fn field_table() -> impl Strategy<Value = FieldTable> {
    vec((short_string(), field_value()), 0..5).prop_map(FieldTable::from_iter)
}

/// Any value, tables and arrays within each other included.
pub(crate) fn field_value() -> impl Strategy<Value = FieldValue> {
    plain_value().prop_recursive(4, 24, 4, |inner| {
        let field = (short_string(), inner.clone());
        prop_oneof![
            vec(inner, 0..4).prop_map(FieldValue::Array),
            vec(field, 0..4).prop_map(|fields| FieldValue::Table(FieldTable::from_iter(fields))),
        ]
    })
}

fn plain_value() -> impl Strategy<Value = FieldValue> {
    prop_oneof![
        any::<bool>().prop_map(FieldValue::Bool),
        any::<i8>().prop_map(FieldValue::I8),
        any::<u8>().prop_map(FieldValue::U8),
        any::<i16>().prop_map(FieldValue::I16),
        any::<u16>().prop_map(FieldValue::U16),
        any::<i32>().prop_map(FieldValue::I32),
        any::<u32>().prop_map(FieldValue::U32),
        any::<i64>().prop_map(FieldValue::I64),
        any::<u32>().prop_map(|bits| FieldValue::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| FieldValue::F64(f64::from_bits(bits))),
        any::<(u8, u32)>().prop_map(|(scale, value)| FieldValue::Decimal { scale, value }),
        long_string().prop_map(FieldValue::LongStr),
        any::<u64>().prop_map(FieldValue::Timestamp),
        Just(FieldValue::Void),
        long_string().prop_map(FieldValue::Bytes),
    ]
}
