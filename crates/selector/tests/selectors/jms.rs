//! JMS selectors: the specification's examples, and what Qpid C++, Broker-J and ActiveMQ put to the
//! test in theirs.

use crate::message::{Message, refuse};
use selector::{
    Dialect::Jms,
    HeaderField, Name, PropertyField, Selector,
    Truth::{self, False, True, Unknown},
    Value,
};

fn check(message: &Message, expected: Truth, texts: &[&str]) {
    crate::message::check(Jms, message, expected, texts);
}

fn car() -> Message {
    Message::of(&[
        ("color", "blue".into()),
        ("weight", 2501.into()),
        ("price", 19.5.into()),
        ("age", 17.into()),
        ("Country", "UK".into()),
        ("phone", "12993".into()),
        ("word", "lose".into()),
        ("underscored", "_foo".into()),
        ("quote", "it's".into()),
        ("sold", true.into()),
        ("new", false.into()),
    ])
    .property(PropertyField::Subject, "car")
}

#[test]
fn what_the_specification_shows() {
    let all = "JMSType = 'car' AND color = 'blue' AND weight > 2500";
    check(&car(), True, &[all, "age BETWEEN 15 AND 19", "age >= 15 AND age <= 19"]);
    check(&car(), False, &["age NOT BETWEEN 15 AND 19", "age < 15 OR age > 19"]);
    check(&car(), True, &["Country IN ('UK', 'US', 'France')", "Country IN ('UK')"]);
    check(&car(), False, &["Country NOT IN ('UK', 'US', 'France')", "Country = 'Peru'"]);
    check(&car(), True, &["phone LIKE '12%3'", "word LIKE 'l_se'", "phone NOT LIKE '12%4'"]);
    check(&car(), True, &[r"underscored LIKE '\_%' ESCAPE '\'", "quote = 'it''s'"]);
    check(&car(), False, &["word LIKE 'l_e'", r"word LIKE '\_%' ESCAPE '\'"]);
    check(&car(), True, &["missing IS NULL", "color IS NOT NULL", "not missing is not null"]);
    check(&Message::default(), True, &["", " \t\n", "JMSPriority = 4"]);
}

#[test]
fn what_is_not_there_is_unknown_to_every_operator() {
    let comparisons = ["= 0", "> 0", ">= 0", "< 0", "<= 0", "<> 0", "= missing"];
    let predicates = ["LIKE 'a'", "NOT LIKE '%'", "IN ('a')", "NOT IN ('a')"];
    let ranges = ["BETWEEN 1 AND 2", "NOT BETWEEN 1 AND 2"];
    for behind in comparisons.iter().chain(&predicates).chain(&ranges) {
        check(&car(), Unknown, &[&format!("missing {behind}"), &format!("NOT missing {behind}")]);
    }
    check(&car(), Unknown, &["-missing = 0", "+missing = 0", "missing * 2 = 0", "1 - missing < 0"]);
    check(&car(), Unknown, &["missing", "NOT missing", "missing = missing", "color"]);
}

#[test]
fn logic_has_three_values() {
    check(
        &car(),
        True,
        &["sold", "NOT new", "sold AND sold", "missing OR sold", "sold OR missing"],
    );
    check(&car(), False, &["missing AND new", "new AND missing", "new OR new", "NOT sold"]);
    check(&car(), Unknown, &["missing AND sold", "missing OR new", "missing AND missing"]);
    check(&car(), Unknown, &["NOT (missing AND sold)", "NOT (new OR missing = 1)"]);
    check(&car(), True, &["NOT (missing = 1 AND new)", "age OR sold", "'x' OR sold"]);
}

#[test]
fn operators_bind_as_in_sql() {
    check(&car(), True, &["NOT new AND sold", "NOT age = 18", "NOT color = 'red' OR new"]);
    check(&car(), True, &["missing IS NULL OR sold AND new", "sold OR sold AND new"]);
    check(&car(), False, &["(sold OR sold) AND new", "NOT (sold AND sold)"]);
    check(&car(), True, &["2 + 3 * 4 = 14", "(2 + 3) * 4 = 20", "10 - 2 - 3 = 5", "2 * -3 = -6"]);
    check(&car(), True, &["16 / 4 / 2 = 2", "16 / (4 / 2) = 8", "- - 3 = 3", "-age = 0 - age"]);
    check(&car(), True, &["age BETWEEN 10 + 1 AND 10 * 2 AND sold", "age*2 > 30 AND age-1 = 16"]);
    check(&car(), True, &["(age = 17) = TRUE", "(age > 3) = sold", "(missing = 1) IS NULL"]);
}

#[test]
fn only_what_is_alike_compares() {
    check(&car(), False, &["color = 1", "color <> 1", "color > 1", "color < 1", "sold = 'true'"]);
    check(&car(), False, &["sold > new", "sold >= sold", "1 = TRUE", "color BETWEEN 1 AND 2"]);
    // JMS 2.0 §3.8.1.1 says what NOT BETWEEN stands for; Qpid C++ takes the opposite of BETWEEN.
    check(&car(), False, &["color NOT BETWEEN 1 AND 2", "sold NOT BETWEEN 'a' AND 'z'"]);
    check(&car(), True, &["NOT color = 1", "color NOT IN (1, 2)", "color > 'black'"]);
    check(&car(), Unknown, &["age LIKE '1%'", "sold NOT LIKE '%'", "-color = 1", "color + 1 = 1"]);
}

#[test]
fn numbers_compare_by_what_they_are_worth() {
    check(
        &car(),
        True,
        &["1.0 < 1.1", "-1.1 < 1.", ".1E1 < .5E1", "4E-10 < 5E-10", "price = 195e-1"],
    );
    check(
        &car(),
        True,
        &["age = 17.0", "17 = age", "age <> 17.5", "0xFF = 255L", "077 = 0b111_111"],
    );
    check(&car(), True, &["9223372036854775807 > 0", "-9223372036854775808 < 0"]);
    check(&car(), True, &["0x8000_0000_0000_0001 = -9223372036854775807", "0.4f > 0.3d"]);
    check(&car(), True, &["17 / 4 = 4", "-7 / 2 = -3", "17 / 4.0 = 4.25", "17 % 5 = 2"]);
    check(&car(), Unknown, &["age / 0 = 0", "age / 0.0 = 0", "age % 0 = 0", "0 / 0 <> 1"]);
    check(&car(), True, &["9223372036854775807 + 1 > 9223372036854775807"]);
    check(&car(), False, &["9007199254740993 = 9007199254740992.0", "age BETWEEN 18 AND missing"]);
    let nan = Message::of(&[("nan", f64::NAN.into())]);
    check(&nan, False, &["nan = nan", "nan < 1", "nan >= 1", "nan NOT BETWEEN 1 AND 2"]);
    check(&nan, True, &["nan <> nan", "nan IS NOT NULL"]);
}

#[test]
fn a_list_is_many_equals() {
    check(&car(), True, &["age IN (1, 8 + 9)", "17.0 IN ('a', age)", "TRUE IN ('x', 1, sold)"]);
    check(&car(), False, &["age IN ('17')", "'x' IN (1, TRUE)", "'UK' NOT IN (Country)"]);
    check(
        &car(),
        Unknown,
        &["age IN (1, missing)", "age NOT IN (1, missing)", "missing IN (missing)"],
    );
    check(&car(), True, &["age IN (missing, 17)", "age NOT IN (1, 2)"]);
}

#[test]
fn fields_have_the_names_of_jms_and_of_qpid() {
    let message = Message::default()
        .header(HeaderField::Durable, true)
        .header(HeaderField::Priority, 7_u8)
        .header(HeaderField::DeliveryCount, 2_u32)
        .property(PropertyField::MessageId, "ID:1")
        .property(PropertyField::UserId, &b"guest"[..])
        .property(PropertyField::CorrelationId, "c")
        .property(PropertyField::GroupId, "g")
        .property(PropertyField::GroupSequence, 3_u32)
        .property(PropertyField::CreationTime, 1000_i64)
        .property(PropertyField::To, "queue");
    check(&message, True, &["JMSDeliveryMode = 'PERSISTENT'", "amqp.delivery_mode <> 'other'"]);
    check(
        &message,
        True,
        &["JMSPriority = 7", "amqp.priority > 6", "amqp.durable", "JMSRedelivered"],
    );
    check(&message, True, &["JMSMessageID = 'ID:1'", "JMSCorrelationID = amqp.correlation_id"]);
    check(&message, True, &["JMSXGroupID = 'g' AND JMSXGroupSeq = 3", "JMSXUserID = 'guest'"]);
    check(&message, True, &["JMSXDeliveryCount = amqp.delivery_count + 1", "JMSTimestamp = 1000"]);
    check(&message, True, &["JMSDestination = 'queue'", "JMSReplyTo IS NULL", "JMSExpiration = 0"]);
    check(&message, True, &["JMSType IS NULL AND amqp.subject IS NULL AND amqp.jms_type IS NULL"]);
    let plain = Message::default();
    check(&plain, True, &["JMSDeliveryMode = 'NON_PERSISTENT'", "NOT amqp.redelivered"]);
    check(&plain, True, &["JMSXAppID IS NULL", "JMS_vendor_key IS NULL", "amqp.ttl IS NULL"]);
}

#[test]
fn identifiers_are_javas_and_what_is_in_double_quotes() {
    let message = Message::of(&[
        ("$a_1", 1.into()),
        ("größe", 2.into()),
        ("a-b", 3.into()),
        ("a.b", 4.into()),
        ("say \"x\"", 5.into()),
        ("JMSPriority", 6.into()),
        ("not", 7.into()),
        ("", 8.into()),
        ("NULLABLE", 9.into()),
        ("p.to", 10.into()),
    ]);
    let all = ["$a_1 = 1", "größe = 2", "\"a-b\" = 3", "a.b = 4", "\"say \"\"x\"\"\" = 5"];
    check(&message, True, &all);
    check(&message, True, &["\"JMSPriority\" = 6 AND JMSPriority = 4", "\"not\" = 7", "\"\" = 8"]);
    check(&message, True, &["NULLABLE = 9", "\"NULLABLE\"=9", "p.to = 10", "UTC IS NULL"]);
    check(&message, True, &["$A_1 IS NULL", "nullable IS NULL"]);
}

#[test]
fn the_canonical_form_is_short_and_the_names_are_known() {
    for (text, canonical) in [
        ("", "TRUE"),
        ("((a))=(1)", "a = 1"),
        ("not(a=1)and(b=2 or c)", "NOT a = 1 AND (b = 2 OR c)"),
        ("(a or b) or c", "(a OR b) OR c"),
        ("a-(b-c)-d", "a - (b - c) - d"),
        ("- - a != +5.0e20", "- -a <> 5.0E20"),
        ("not a like 'x!_%%y' escape '!'", r"a NOT LIKE 'x\_%y' ESCAPE '\'"),
        (r"a like 'x\%' escape '!'", r"a LIKE 'x\%'"),
        ("not not (a is not null)", "NOT NOT a IS NOT NULL"),
        ("amqp.priority=0x10 AND qpid.subject='a'", "JMSPriority = 16 AND JMSType = 'a'"),
        ("\"plain\" = \"JMSType\"", "plain = \"JMSType\""),
    ] {
        let selector = Selector::parse(text, Jms).unwrap();
        assert_eq!(selector.to_string(), canonical, "{text}");
        assert_eq!(Selector::parse(canonical, Jms), Ok(selector), "{text}");
    }
    let selector = Selector::parse("a = 1 OR JMSRedelivered AND b > a", Jms).unwrap();
    let names = ["a", "b"].map(|name| Name::Application(name.into()));
    let [a, b] = names;
    assert_eq!(selector.names(), [a, Name::Header(HeaderField::DeliveryCount), b]);
    assert_eq!(selector.application_properties().collect::<Vec<_>>(), ["a", "b"]);
    assert!(!selector.uses_utc());
}

#[test]
fn octets_compare_as_text() {
    let message = Message::of(&[("text", Value::Bytes(b"abc")), ("no", Value::Bytes(b"\xff"))]);
    check(&message, True, &["text = 'abc'", "text LIKE 'a%'", "text < 'b'", "no <> 'x'"]);
    check(&message, Unknown, &["no LIKE '%'"]);
}

#[test]
fn what_is_no_selector_is_refused_with_place_and_mend() {
    refuse(
        Jms,
        &[
            ("hello world", "column 7: found world, expected an operator or the end; join"),
            ("hello ^ world", "column 7: found ^"),
            ("A is null not", "column 11: found not, expected AND, OR or the end"),
            ("A not", "column 6: found the end, expected BETWEEN, IN or LIKE after NOT"),
            ("A is null or not", "column 17: found the end, expected a value"),
            ("A is null and (B='x'", "column 21: found the end, expected an operator or ')'"),
            ("(A = 1", "close the parenthesis"),
            ("A = 1)", "open a parenthesis before"),
            ("in='x'", "column 1: found in, expected a value"),
            ("A like 234", "a pattern in quotes after LIKE"),
            ("A not 234", "BETWEEN, IN or LIKE after NOT"),
            ("A like 'a' escape 'happy'", "one character in quotes after ESCAPE"),
            ("A like 'a' escape happy", "column 19: found happy"),
            ("A like 'a!' escape '!'", "column 8: the pattern of LIKE ends in its escape"),
            ("A BETWEEN AND 'x'", "column 11: found AND"),
            ("A NOT BETWEEN 34 OR 3.9", "AND after BETWEEN"),
            ("A IN ()", "column 7: found ), expected a value"),
            ("A IN 'x'", "'(' after IN"),
            ("A IN ('x' 1)", "',' or ')' in the list of IN"),
            ("A = NULL", "IS NULL"),
            ("A = 1 = TRUE", "put one comparison in parentheses"),
            ("A = NOT B", "put what NOT denies in parentheses"),
            ("A = 'open", "column 5: what ' opens has no end"),
            ("\"open", "what \" opens has no end"),
            ("a = 1 AMD b = 2", "found AMD"),
            ("=TEST 'test'", "column 1: found ="),
            ("A = 9223372036854775808", "column 5: the number 9223372036854775808 is too large"),
            ("A = -9223372036854775809", "is too large"),
            ("A = 5x", "put a space behind a number"),
            ("A = 1 && B", "write AND"),
            ("UTC() > 1", "this is no function"),
            ("[a] = 1", "double quotes"),
            ("JMSPrioriti = 4", "the name JMSPrioriti is none of JMS's; it has JMSPriority"),
            ("amqp.colour = 1", "the name amqp.colour is no field of AMQP"),
            ("ü = 'ö' ü", "column 9: found ü"),
        ],
    );
}
