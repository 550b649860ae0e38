//! Sections that cannot be read are named; everything else is read or left out.

use super::*;

#[test]
fn a_section_that_cannot_be_read_is_named() {
    for (octets, section, says) in [
        (&b"\0\x53\x70\xc0\x02\x01\x50"[..], SectionKind::Header, "header: header.durable: "),
        (
            b"\0\x53\x72\xc1\x02\x01\x40",
            SectionKind::MessageAnnotations,
            "message-annotations: map of 1",
        ),
        (
            b"\0\x53\x73\xc0\x02\x01\x41",
            SectionKind::Properties,
            "properties: properties.message-id: ",
        ),
        (
            b"\0\x53\x74\xc1\x06\x02\xa1\x01a\x3f\x40",
            SectionKind::ApplicationProperties,
            "application-properties: format code 0x3f",
        ),
    ] {
        let message = Message::parse(Pieces::from_iter([Bytes::from_static(octets)])).unwrap();
        let error = to_amqp091(&message).unwrap_err();
        assert_eq!(error.section, section, "{error}");
        assert!(error.to_string().starts_with(says), "{error}");
    }
}

#[test]
fn what_is_not_converted_may_be_anything() {
    // Delivery annotations, and the insides of a value and of a footer.
    let octets = b"\0\x53\x71\xc1\x02\x01\x40\0\x53\x77\xc0\x02\x01\x3f\0\x53\x78\xc1\x02\x01\x40";
    let message = Message::parse(Pieces::from_iter([Bytes::from_static(octets)])).unwrap();
    let converted = to_amqp091(&message).unwrap();
    assert_eq!(converted.body.concat(), octets[7..]);
    // Here it does not become a value again: its receiver could not read it.
    let list = PropertyList::from(&converted.properties);
    let again = to_amqp10(&list, &converted.body, ROUTED, &[]);
    let message = Message::parse(again.sections).unwrap();
    assert_eq!(message.data().next().unwrap().concat(), octets[7..]);
}

#[test]
fn many_headers_of_few_names_cost_what_they_are() {
    let fields = b"\x01aV\x01bV\x03x-aV".repeat(20_000);
    let fields = amqp091::FieldTable::decode(&fields.into()).unwrap();
    let properties = BasicProperties { headers: Some(fields), ..Default::default() };
    let converted = to_amqp10(&PropertyList::from(&properties), &[], ROUTED, &[]);
    let message = Message::parse(converted.sections).unwrap();
    let headers = to_amqp091(&message).unwrap().properties.headers.unwrap();
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-a", "a", "b"]);
}

#[test]
fn more_than_a_body_is_no_body_of_sections() {
    let kind = BasicProperties { kind: Some(name("amqp-1.0")), ..Default::default() };
    // A value, and properties before it: nobody checked the user in them.
    let sent = Sections {
        properties: Properties { user_id: Some(octets("forged")), ..Default::default() },
        body: Sort::Value(true.into()),
        ..Default::default()
    };
    let mut body = BytesMut::new();
    sent.encode(&mut body);
    let body = body.freeze();
    let converted = to_amqp10(&PropertyList::from(&kind), std::slice::from_ref(&body), ROUTED, &[]);
    let message = Message::parse(converted.sections).unwrap();
    assert_eq!(message.properties(), Ok(None));
    assert_eq!(message.data().next().unwrap().concat(), body);
}

#[test]
fn a_header_of_a_section_and_more_stays_a_header() {
    let sent = Sections { application: strings([("a", true.into())]), ..Default::default() };
    let mut section = BytesMut::new();
    sent.encode(&mut section);
    let section = FieldValue::LongStr(section.freeze());
    let fields = headers([("x-amqp-1.0-app-properties", section)]);
    let properties = BasicProperties { headers: fields, ..Default::default() };
    let converted = to_amqp10(&PropertyList::from(&properties), &[], ROUTED, &[]);
    let message = Message::parse(converted.sections).unwrap();
    assert_eq!(message.application_properties(), None);
    let annotations = message.message_annotations().unwrap();
    assert!(annotations.get("x-amqp-1.0-app-properties").unwrap().is_some());
}

#[test]
fn of_two_footers_the_one_behind_the_body_counts() {
    let footer = |value: u8| Sections {
        body: Sort::None,
        footer: symbols([("x-a", value.into())]),
        ..Default::default()
    };
    let mut header = BytesMut::new();
    footer(1).encode(&mut header);
    let properties = BasicProperties {
        headers: headers([("x-amqp-1.0-footer", FieldValue::LongStr(header.freeze()))]),
        kind: Some(name("amqp-1.0")),
        ..Default::default()
    };
    let mut body = BytesMut::new();
    Sections { body: Sort::Value(true.into()), ..footer(2) }.encode(&mut body);
    let list = PropertyList::from(&properties);
    let converted = to_amqp10(&list, &[body.freeze()], ROUTED, &[]);
    let message = Message::parse(converted.sections).unwrap();
    assert_eq!(message.footer().unwrap().get("x-a"), Ok(Some(Value::Ubyte(2))));
}
