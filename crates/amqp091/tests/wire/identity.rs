//! What is written is read as the same, for any value of every method.

use amqp091::{
    BasicProperties, ChannelId, ContentHeader, FieldTable, Frame, FrameDecoder, Method,
    PropertyList, encode_header, encode_method,
};
use bytes::{Bytes, BytesMut};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::{
    generated::{basic_properties, methods},
    values::field_table,
};

#[test]
fn every_method_is_read_as_it_was_written() {
    let methods = methods();
    assert_eq!(methods.len(), 66, "a method came or went: is that meant?");
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    for strategy in methods {
        let mut runner = TestRunner::new(config.clone());
        runner
            .run(&strategy, |method| {
                let mut wire = BytesMut::new();
                let size = encode_method(ChannelId(9), &method, &mut wire);
                prop_assert_eq!(size, wire.len());
                let mut decoder = FrameDecoder::new();
                decoder.set_max_size(1 << 20);
                let Some(Frame::Method { channel, payload }) = decoder.decode(&mut wire)? else {
                    return Err(TestCaseError::fail("no method frame"));
                };
                prop_assert_eq!(channel, ChannelId(9));
                let again = Method::decode(&payload)?;
                prop_assert_eq!(again.ids().name(), Some(method.name()));
                prop_assert_eq!(again, method);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn ids_and_names_belong_to_one_method_each() {
    let mut runner = TestRunner::deterministic();
    let mut seen: Vec<_> = Vec::new();
    for strategy in methods() {
        let method = strategy.new_tree(&mut runner).unwrap().current();
        seen.push((method.ids().class, method.ids().method));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

proptest! {
    #[test]
    fn any_table_is_read_as_it_was_written(table in field_table()) {
        let mut out = BytesMut::new();
        table.encode(&mut out);
        let wire = out.freeze();
        let again = FieldTable::decode(&wire.slice(4..))?;
        prop_assert_eq!(&again, &table);
        prop_assert_eq!(again.detached(), table);
    }

    #[test]
    fn any_properties_are_read_as_they_were_written(properties in basic_properties(), size: u64) {
        let list = PropertyList::from(&properties);
        let mut wire = BytesMut::new();
        encode_header(ChannelId(1), size, list.as_bytes(), &mut wire);
        let payload = wire.freeze();
        let header = ContentHeader::decode(&payload.slice(7..payload.len() - 1))?;
        prop_assert_eq!(header.body_size, size);
        prop_assert_eq!(&header.properties, &list);
        prop_assert_eq!(header.properties.delivery_mode(), properties.delivery_mode);
        prop_assert_eq!(header.properties.priority(), properties.priority);
        prop_assert_eq!(header.properties.expiration(), properties.expiration.clone());
        prop_assert_eq!(header.properties.reply_to(), properties.reply_to.clone());
        prop_assert_eq!(header.properties.user_id(), properties.user_id.clone());
        prop_assert_eq!(header.properties.headers(), properties.headers.clone());
        prop_assert_eq!(header.properties()?, properties);
    }

    /// Walking over a list without keeping it refuses exactly what reading it refuses, with the
    /// same error.
    #[test]
    fn the_walk_and_the_reading_agree_on_damaged_lists(
        properties in basic_properties(),
        at: prop::sample::Index,
        octet: u8,
        cut: prop::sample::Index,
    ) {
        let mut wire = PropertyList::from(&properties).as_bytes().to_vec();
        let position = at.index(wire.len());
        wire[position] = octet;
        wire.truncate(wire.len() - cut.index(wire.len()).min(3));
        let list = Bytes::from(wire);
        let walked = PropertyList::parse(list.clone()).map(drop);
        prop_assert_eq!(walked, BasicProperties::decode(&list).map(drop));
    }
}
