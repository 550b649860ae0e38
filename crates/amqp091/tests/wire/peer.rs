//! Another implementation's opinion: what this crate writes, amq-protocol (lapin's codec) reads and
//! writes again, and this crate reads that as the same.

use std::collections::BTreeMap;

use amq_protocol::{
    frame::{AMQPFrame, WriteContext, gen_frame, parse_frame},
    protocol::{AMQPClass, basic, exchange, queue},
};
use amqp091::{
    ChannelId, FieldTable, FieldValue, Frame, FrameDecoder, Method, ShortStr, encode_header,
    encode_method,
};
use bytes::BytesMut;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::generated::{basic_properties, methods};

fn parsed(wire: &[u8]) -> AMQPFrame {
    let (rest, frame) = parse_frame(wire).expect("amq-protocol reads what was written");
    assert!(rest.is_empty());
    frame
}

fn rewritten(frame: &AMQPFrame) -> BytesMut {
    let context = gen_frame(frame)(WriteContext::from(Vec::new())).expect("amq-protocol writes");
    BytesMut::from(&context.into_inner().0[..])
}

/// amq-protocol keeps tables as sorted maps.
fn sorted(table: FieldTable) -> FieldTable {
    let fields: BTreeMap<ShortStr, FieldValue> =
        table.into_iter().map(|(name, value)| (name, sorted_value(value))).collect();
    fields.into_iter().collect()
}

fn sort(table: &mut FieldTable) {
    *table = sorted(std::mem::take(table));
}

fn sorted_value(value: FieldValue) -> FieldValue {
    match value {
        FieldValue::Table(table) => FieldValue::Table(sorted(table)),
        FieldValue::Array(values) => {
            FieldValue::Array(values.into_iter().map(sorted_value).collect())
        }
        plain => plain,
    }
}

/// What amq-protocol makes of a method: tables sorted, and reserved fields, which it does not keep,
/// at their defaults.
fn as_amq_protocol_keeps_it(mut method: Method) -> Method {
    match &mut method {
        Method::ConnectionStart(start) => sort(&mut start.server_properties),
        Method::ConnectionStartOk(start) => sort(&mut start.client_properties),
        Method::ConnectionOpen(open) => {
            (open.capabilities, open.insist) = (ShortStr::new(), false);
        }
        Method::AccessRequestOk(granted) => granted.ticket = 1,
        Method::ConnectionOpenOk(open) => open.known_hosts = ShortStr::new(),
        Method::ChannelOpen(open) => open.out_of_band = ShortStr::new(),
        Method::ChannelOpenOk(open) => open.channel_id = bytes::Bytes::new(),
        Method::BasicGetEmpty(get) => get.cluster_id = ShortStr::new(),
        Method::ExchangeDeclare(declare) => {
            declare.ticket = 0;
            sort(&mut declare.arguments);
        }
        Method::ExchangeDelete(delete) => delete.ticket = 0,
        Method::ExchangeBind(bind) => {
            bind.ticket = 0;
            sort(&mut bind.arguments);
        }
        Method::ExchangeUnbind(unbind) => {
            unbind.ticket = 0;
            sort(&mut unbind.arguments);
        }
        Method::QueueDeclare(declare) => {
            declare.ticket = 0;
            sort(&mut declare.arguments);
        }
        Method::QueueBind(bind) => {
            bind.ticket = 0;
            sort(&mut bind.arguments);
        }
        Method::QueueUnbind(unbind) => {
            unbind.ticket = 0;
            sort(&mut unbind.arguments);
        }
        Method::QueuePurge(purge) => purge.ticket = 0,
        Method::QueueDelete(delete) => delete.ticket = 0,
        Method::BasicQos(qos) => qos.prefetch_size = 0,
        Method::BasicConsume(consume) => {
            consume.ticket = 0;
            sort(&mut consume.arguments);
        }
        Method::BasicPublish(publish) => publish.ticket = 0,
        Method::BasicGet(get) => get.ticket = 0,
        _ => {}
    }
    method
}

#[test]
fn every_method_survives_a_trip_through_amq_protocol() {
    for strategy in methods() {
        let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
        TestRunner::new(config)
            .run(&strategy, |method| {
                let mut wire = BytesMut::new();
                encode_method(ChannelId(5), &method, &mut wire);
                let mut again = rewritten(&parsed(&wire));
                let mut decoder = FrameDecoder::new();
                decoder.set_max_size(1 << 20);
                let Some(Frame::Method { channel, payload }) = decoder.decode(&mut again)? else {
                    return Err(TestCaseError::fail("no method frame"));
                };
                prop_assert_eq!(channel, ChannelId(5));
                prop_assert_eq!(Method::decode(&payload)?, as_amq_protocol_keeps_it(method));
                Ok(())
            })
            .unwrap();
    }
}

/// A trip cannot see two bits swapped, for they are swapped back; names can.
#[test]
fn amq_protocol_sees_every_bit_under_its_own_name() {
    for number in 0_u8..32 {
        let bit = |position: u8| number & (1 << position) != 0;
        let seen = |method: Method| {
            let mut wire = BytesMut::new();
            encode_method(ChannelId(1), &method, &mut wire);
            match parsed(&wire) {
                AMQPFrame::Method(1, class) => class,
                other => panic!("{other:?}"),
            }
        };
        let declare = amqp091::method::queue::Declare {
            passive: bit(0),
            durable: bit(1),
            exclusive: bit(2),
            auto_delete: bit(3),
            nowait: bit(4),
            ..Default::default()
        };
        let AMQPClass::Queue(queue::AMQPMethod::Declare(there)) = seen(declare.into()) else {
            panic!("no queue.declare");
        };
        let there =
            [there.passive, there.durable, there.exclusive, there.auto_delete, there.nowait];
        assert_eq!(there, [0, 1, 2, 3, 4].map(bit));
        let declare = amqp091::method::exchange::Declare {
            passive: bit(0),
            durable: bit(1),
            auto_delete: bit(2),
            internal: bit(3),
            nowait: bit(4),
            ..Default::default()
        };
        let AMQPClass::Exchange(exchange::AMQPMethod::Declare(there)) = seen(declare.into()) else {
            panic!("no exchange.declare");
        };
        let there = [there.passive, there.durable, there.auto_delete, there.internal, there.nowait];
        assert_eq!(there, [0, 1, 2, 3, 4].map(bit));
        let consume = amqp091::method::basic::Consume {
            no_local: bit(0),
            no_ack: bit(1),
            exclusive: bit(2),
            nowait: bit(3),
            ..Default::default()
        };
        let AMQPClass::Basic(basic::AMQPMethod::Consume(there)) = seen(consume.into()) else {
            panic!("no basic.consume");
        };
        let there = [there.no_local, there.no_ack, there.exclusive, there.nowait];
        assert_eq!(there, [0, 1, 2, 3].map(bit));
        let nack =
            amqp091::method::basic::Nack { delivery_tag: 1, multiple: bit(0), requeue: bit(1) };
        let AMQPClass::Basic(basic::AMQPMethod::Nack(there)) = seen(nack.into()) else {
            panic!("no basic.nack");
        };
        assert_eq!([there.multiple, there.requeue], [0, 1].map(bit));
    }
}

proptest! {
    #[test]
    fn any_properties_survive_a_trip_through_amq_protocol(
        mut properties in basic_properties(),
        size: u64,
    ) {
        let mut wire = BytesMut::new();
        let list = amqp091::PropertyList::from(&properties);
        encode_header(ChannelId(1), size, list.as_bytes(), &mut wire);
        let frame = parsed(&wire);
        let AMQPFrame::Header(1, there) = &frame else { panic!("no header") };
        prop_assert_eq!(there.properties.delivery_mode(), &properties.delivery_mode);
        prop_assert_eq!(there.properties.priority(), &properties.priority);
        prop_assert_eq!(there.properties.timestamp(), &properties.timestamp);
        prop_assert_eq!(
            there.properties.reply_to().as_ref().map(|text| text.as_str()),
            properties.reply_to.as_deref()
        );
        let again = rewritten(&frame).freeze();
        let header = amqp091::ContentHeader::decode(&again.slice(7..again.len() - 1))?;
        properties.headers = properties.headers.map(sorted);
        prop_assert_eq!(header.body_size, size);
        prop_assert_eq!(header.properties()?, properties);
    }
}
