//! RabbitMQ's SQL filters: what its documentation shows, and what its tests insist on.

use crate::message::{Message, NOW, refuse};
use selector::{
    Dialect::AmqpSql,
    HeaderField, PropertyField, Selector,
    Truth::{self, False, True, Unknown},
    Value,
};

fn check(message: &Message, expected: Truth, texts: &[&str]) {
    crate::message::check(AmqpSql, message, expected, texts);
}

fn order() -> Message {
    Message::of(&[
        ("order_type", "express".into()),
        ("customer_region", "EU-DE".into()),
        ("cancelled", false.into()),
        ("weight", 5_u16.into()),
        ("price", 10.5.into()),
        ("temperature", (-5).into()),
        ("data", Value::Bytes(b"Hello")),
        ("my key", 1.into()),
        ("p.to", true.into()),
        ("between", 2.into()),
        ("NOT", 3.into()),
        ("a]b[", 4.into()),
    ])
    .header(HeaderField::Priority, 7_u8)
    .property(PropertyField::Subject, "some subject")
    .property(PropertyField::CorrelationId, 789_u64)
    .property(PropertyField::AbsoluteExpiryTime, NOW + 1)
    .property(PropertyField::ReplyTo, "here")
}

#[test]
fn what_the_documentation_shows() {
    check(&order(), True, &["header.priority > 4", "h.priority > 4", "p.subject LIKE 'some%'"]);
    let whole = "order_type IN ('premium', 'express') AND
        (customer_region LIKE 'EU-%' OR customer_region = 'US-CA') AND
        UTC() < properties.absolute_expiry_time AND
        NOT cancelled";
    check(&order(), True, &[whole, &whole.replace("absolute_expiry_time", "absolute-expiry-time")]);
    let selector = Selector::parse(whole, AmqpSql).unwrap();
    assert!(selector.uses_utc());
    let names: Vec<_> = selector.application_properties().collect();
    assert_eq!(names, ["order_type", "customer_region", "cancelled"]);
    check(&Message::default(), False, &["header.priority > 4"]);
}

#[test]
fn identifiers_are_qualified_or_in_brackets() {
    check(&order(), True, &["application_properties.weight = a.weight", "weight=[weight]"]);
    check(&order(), True, &["[my key] = 1", "[p.to]", "p.to IS NULL", "[NOT] = 3", "[a]]b[[] = 4"]);
    check(&order(), True, &["between = 2", "between BETWEEN 1 AND 2", "[JMSPriority] IS NULL"]);
    check(&order(), True, &["p.reply-to = 'here'", "p.correlation-id-700 = 89", "JMSType IS NULL"]);
    check(&order(), True, &["EXISTS(weight)", "NOT exists ( absent )", "EXISTS(p.subject)"]);
}

#[test]
fn strings_have_either_quote_and_octets_are_hexadecimal() {
    check(&order(), True, &[r#"order_type = "express""#, r#""it's ""x""" = 'it''s "x"'"#]);
    check(&order(), True, &["data = 0x48656C6C6F", "data IN (0x00, 0x48656c6c6f)", "data < 0x49"]);
    check(&order(), True, &["data = 'Hello'", "data LIKE 'H%'", "0xBB > 0xAA", "weight <> 0x05"]);
    check(&order(), False, &["weight = 0x05", "data = 0x48"]);
    check(&order(), Unknown, &["0x01 + 0x02 = 0x03"]);
}

#[test]
fn numbers_divide_to_fractions_and_have_no_end() {
    check(
        &order(),
        True,
        &["weight / 2 = 2.5", "10 / 5 = 2", "weight % 2 = 1", "7 % temperature = 2"],
    );
    check(&order(), True, &["101 % 75 % 5 = 1", "6 - -weight = 11", "017 = 17", "1.2E3 = 1200"]);
    check(&order(), True, &["-(-81) % (75 - 1) = 7", "18446744073709551616 > 9223372036854775807"]);
    check(&order(), Unknown, &["weight / 0 > 0", "0 / 0.0 = 0", "5 % 0 = 0", "+weight", "-absent"]);
    check(&order(), Unknown, &["+order_type = 'express'", "order_type + weight = 'express5'"]);
}

#[test]
fn what_is_not_alike_differs() {
    check(&order(), False, &["weight = '5'", "weight >= '5'", "order_type > 1", "cancelled <= 0"]);
    check(&order(), True, &["weight <> '5'", "weight != TRUE", "cancelled <> 0"]);
    check(&order(), Unknown, &["absent <> 0", "absent = absent", "weight LIKE '5'"]);
    check(&order(), False, &["weight IN (absent, 1)", "weight NOT IN (absent, 5)"]);
    check(&order(), True, &["weight NOT IN (absent, 1)", "5.0 IN (TRUE, weight)"]);
    check(&order(), Unknown, &["absent IN (1)", "absent NOT IN (1)"]);
    check(&order(), True, &["weight OR NOT cancelled", "order_type > 'a'"]);
}

#[test]
fn patterns_are_of_characters() {
    let message = Message::of(&[("food", "car🥕rot".into()), ("cake", "🍰%🥕".into())]);
    check(&message, True, &["food LIKE 'car_rot'", "food LIKE '___🥕___'", "food LIKE '%_🥕_%'"]);
    check(&message, True, &["cake LIKE '🍰@%🥕' ESCAPE '@'", "food LIKE 'ca🥕r%' ESCAPE '🥕'"]);
    check(&message, False, &["food LIKE 'car__rot'", "food LIKE '%🥕🥕%'", "food NOT LIKE '%%%'"]);
    let dots = Message::of(&[("key", r"##.\|()[]{} ^$*+???".into())]);
    check(&dots, True, &[r"key LIKE '_#.\|()[]{} ^$*+?%'"]);
}

#[test]
fn what_rabbitmq_refuses_is_refused() {
    for word in ["upper", "lower", "left", "right", "substring", "date", "NaN", "inf"] {
        refuse(AmqpSql, &[(word, "is a reserved word")]);
    }
    refuse(
        AmqpSql,
        &[
            ("", "found the end"),
            ("my.key = 1", "write a name with a dot in brackets: [my.name]"),
            ("m.abc = 1", "begins with no section"),
            ("a. = 1", "the name a. has nothing behind its dot"),
            ("'\u{1b}[2J\n' 'x'", "column 9: found 'x'"),
            ("1 '\u{1b}[2J\n'", "column 3: found ' [2J ', expected"),
            ("header.invalid = 1", "is no field of the header"),
            ("properties.invalid = 1", "is no field of the properties"),
            ("p.reply-total = 1", "is no field of the properties"),
            ("[a[b] = 1", "']', or '[['"),
            ("UTC(1) > 1", "')' after UTC("),
            ("UTC > 1", "'(' after UTC"),
            ("EXISTS(1)", "expected a value"),
            ("EXISTS(EXISTS(a))", "column 8: the name EXISTS is a reserved word"),
            ("data = 0x123", "two hexadecimal digits each"),
            ("data LIKE 0x48", "a pattern in quotes"),
            ("not", "expected a value"),
            ("!!!", "column 1: found !"),
            ("id LIKE '_a*' ESCAPE '*'", "ends in its escape character"),
            ("weight = 5L", "cannot be read"),
        ],
    );
}
