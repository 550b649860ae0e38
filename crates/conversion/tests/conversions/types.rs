//! Every row of the two tables of types.

use amqp10::types::{Array, Decimal32, Decimal64, Decimal128, Described, Kind, Timestamp, Uuid};

use super::*;

type To10 = (&'static str, FieldValue, Option<Value>);
type To091 = (&'static str, Value, Option<FieldValue>);

fn table<const N: usize>(fields: [(&str, FieldValue); N]) -> FieldValue {
    headers(fields).unwrap().into()
}

fn nested(levels: usize) -> FieldValue {
    (0..levels).fold(FieldValue::Void, |inner, _| FieldValue::Array(vec![inner]))
}

fn nested_lists(levels: usize) -> Value {
    (1..levels).fold(Value::List(vec![]), |inner, _| Value::List(vec![inner]))
}

fn to_10_cases() -> Vec<To10> {
    let late = u64::MAX / 1000;
    let twice = [("a", FieldValue::I8(1)), ("a", FieldValue::I8(2))];
    let mut string_key = Map::new();
    string_key.push("é", 1_i8);
    vec![
        ("`V` void", FieldValue::Void, Some(Value::Null)),
        ("`t` bool", true.into(), Some(true.into())),
        ("`b` signed, 8 bits", FieldValue::I8(-128), Some(Value::Byte(-128))),
        ("`B` unsigned, 8 bits", FieldValue::U8(255), Some(Value::Ubyte(255))),
        ("`s` signed, 16 bits", FieldValue::I16(-2), Some(Value::Short(-2))),
        ("`u` unsigned, 16 bits", FieldValue::U16(3), Some(Value::Ushort(3))),
        ("`I` signed, 32 bits", FieldValue::I32(-4), Some(Value::Int(-4))),
        ("`i` unsigned, 32 bits", FieldValue::U32(4), Some(Value::Uint(4))),
        ("`l` signed, 64 bits", FieldValue::I64(i64::MIN), Some(Value::Long(i64::MIN))),
        ("`f` float", FieldValue::F32(6.5), Some(Value::Float(6.5))),
        ("`f` float", FieldValue::F32(f32::NAN), Some(Value::Float(f32::NAN))),
        ("`d` double", FieldValue::F64(-5.5), Some(Value::Double(-5.5))),
        ("`d` double", FieldValue::F64(f64::INFINITY), Some(Value::Double(f64::INFINITY))),
        ("`D` decimal", FieldValue::Decimal { scale: 2, value: 5 }, None),
        ("`S` long string, text", "é".into(), Some("é".into())),
        (
            "`S` long string, text",
            "é".repeat(5000).into(),
            Some(Value::String("é".repeat(5000).into())),
        ),
        (
            "`S` long string, any other",
            FieldValue::LongStr(Bytes::from_static(b"\xff")),
            Some(Value::Binary(Bytes::from_static(b"\xff"))),
        ),
        ("`S` long string, any other", "\0".into(), Some(Value::Binary(octets("\0")))),
        ("`x` octets", FieldValue::Bytes(octets("a")), Some(Value::Binary(octets("a")))),
        ("`T` timestamp, seconds", FieldValue::Timestamp(7), Some(Timestamp(7000).into())),
        (
            "`T` timestamp whose milliseconds take more than 63 bits",
            FieldValue::Timestamp(late),
            None,
        ),
        (
            "`A` array",
            FieldValue::Array(vec![FieldValue::Timestamp(late), 1.into()]),
            Some(Value::List(vec![1_i32.into()])),
        ),
        ("`F` table", table([("k", "v".into())]), Some(symbols([("k", "v".into())]).into())),
        (
            "`F` table with a name that is not ASCII",
            table([("é", FieldValue::I8(1))]),
            Some(string_key.into()),
        ),
        ("`F` table with a name twice", table(twice), Some(symbols([("a", 1_i8.into())]).into())),
        ("`A` or `F` more than 31 deep", nested(32), Some(nested_lists(31))),
    ]
}

fn to_091_cases() -> Vec<To091> {
    let array = |descriptors, items| Array::described(descriptors, Kind::Ubyte, items).unwrap();
    let meaning = Described { descriptor: 1_u64.into(), value: true.into() };
    let mut map = symbols([("k", "v".into())]);
    map.push("é", 1_u8);
    let field = table([("k", "v".into()), ("é", FieldValue::U8(1))]);
    let mut keys = symbols([("", true.into()), (&"k".repeat(256), true.into())]);
    keys.push(1_u8, true);
    let sixteen = *b"0123456789abcdef";
    vec![
        ("null", Value::Null, Some(FieldValue::Void)),
        ("boolean", true.into(), Some(true.into())),
        ("ubyte", 255_u8.into(), Some(FieldValue::U8(255))),
        ("ushort", 3_u16.into(), Some(FieldValue::U16(3))),
        ("uint", 4_u32.into(), Some(FieldValue::U32(4))),
        ("ulong", 5_u64.into(), Some(FieldValue::I64(5))),
        ("ulong", u64::MAX.into(), Some(FieldValue::I64(-1))),
        ("byte", (-128_i8).into(), Some(FieldValue::I8(-128))),
        ("short", (-2_i16).into(), Some(FieldValue::I16(-2))),
        ("int", (-4_i32).into(), Some(FieldValue::I32(-4))),
        ("long", i64::MIN.into(), Some(FieldValue::I64(i64::MIN))),
        ("float", f32::NAN.into(), Some(FieldValue::F32(f32::NAN))),
        ("double", 5.5_f64.into(), Some(FieldValue::F64(5.5))),
        ("decimal32, decimal64, decimal128", Value::Decimal32(Decimal32([0; 4])), None),
        ("decimal32, decimal64, decimal128", Value::Decimal64(Decimal64([0; 8])), None),
        ("decimal32, decimal64, decimal128", Value::Decimal128(Decimal128([0; 16])), None),
        ("char", '𝄞'.into(), Some("𝄞".into())),
        ("timestamp", Timestamp(7999).into(), Some(FieldValue::Timestamp(7))),
        ("timestamp before 1970", Timestamp(-1000).into(), None),
        (
            "uuid",
            Uuid(sixteen).into(),
            Some("urn:uuid:30313233-3435-3637-3839-616263646566".into()),
        ),
        ("binary", octets("\0").into(), Some(FieldValue::Bytes(octets("\0")))),
        ("string", "é".into(), Some("é".into())),
        ("symbol", symbol("s").into(), Some("s".into())),
        (
            "list",
            Value::List(vec![Timestamp(-1).into(), 1_u8.into()]),
            Some(FieldValue::Array(vec![FieldValue::U8(1)])),
        ),
        (
            "array",
            array(vec![], vec![1_u8.into()]).into(),
            Some(FieldValue::Array(vec![FieldValue::U8(1)])),
        ),
        ("array of a described type", array(vec![1_u64.into()], vec![1_u8.into()]).into(), None),
        ("map", map.into(), Some(field)),
        ("map with a key that is no short string", keys.into(), Some(table([("", true.into())]))),
        ("described value", meaning.into(), None),
    ]
}

#[test]
fn every_type_of_0_9_1_is_said_as_documented() {
    for (row, field, value) in to_10_cases() {
        let properties =
            BasicProperties { headers: headers([("x-a", field)]), ..Default::default() };
        let annotations = match value {
            Some(value) => routed([("x-a", value)]),
            None => routed([]),
        };
        let mut expected = BytesMut::new();
        Sections { annotations, ..Default::default() }.encode(&mut expected);
        assert_eq!(Bytes::from(to_10(&properties, &[]).1), expected.freeze(), "{row}");
    }
}

#[test]
fn every_type_of_1_0_is_said_as_documented() {
    for (row, value, field) in to_091_cases() {
        let expected = field.and_then(|field| headers([("a", field)]));
        let sections = Sections { application: strings([("a", value)]), ..Default::default() };
        assert_eq!(to_091(&sections).properties.headers, expected, "{row}");
    }
}

#[test]
fn every_row_has_its_case() {
    let cases = to_10_cases();
    table::check("Types of values, 0-9-1 to 1.0", cases.iter().map(|(row, ..)| *row));
    let cases = to_091_cases();
    table::check("Types of values, 1.0 to 0-9-1", cases.iter().map(|(row, ..)| *row));
}
