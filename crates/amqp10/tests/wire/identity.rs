//! What is written is read as the same, for any value of every type.

use amqp10::{
    ChannelId, Composite, Decode, Encode, Frame, FrameDecoder, Performative, Reader, encode_frame,
    messaging::{Header, LifetimePolicy, Properties},
    transaction::Declare,
    types::{Value, skip},
};
use bytes::{Bytes, BytesMut};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};

use crate::{generated::*, values::value};

fn run<T>(strategy: BoxedStrategy<T>, test: impl Fn(T) -> TestCaseResult)
where
    T: std::fmt::Debug,
{
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, test).unwrap();
}

fn written(value: &impl Encode) -> Bytes {
    let mut out = BytesMut::new();
    value.encode(&mut out);
    out.freeze()
}

fn read<T: Decode>(octets: &Bytes) -> Result<T, amqp10::Error> {
    let mut reader = Reader::new(octets);
    let value = T::decode(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Read as itself, and as a value of any type, which is written in the same octets again but for
/// arrays, whose one constructor may become narrower.
fn there_and_back<T: Encode + Decode + PartialEq + std::fmt::Debug>(typed: T) -> TestCaseResult {
    let octets = written(&typed);
    let any: Value = read(&octets)?;
    let again = written(&any);
    prop_assert!(again.len() <= octets.len());
    prop_assert_eq!(read::<T>(&again)?, read::<T>(&octets)?);
    prop_assert_eq!(read::<T>(&octets)?, typed);
    Ok(())
}

#[test]
fn every_performative_is_read_as_it_was_written() {
    let each = each_performative();
    assert_eq!(each.len(), 9, "a performative came or went: is that meant?");
    for strategy in each {
        run(strategy, |performative| {
            there_and_back(performative.clone())?;
            let mut wire = BytesMut::new();
            let size = encode_frame(ChannelId(9), &performative, &mut wire);
            prop_assert_eq!(size, wire.len());
            let mut decoder = FrameDecoder::new();
            decoder.set_max_size(1 << 20);
            let frame = decoder.decode(&mut wire)?;
            let payload = Bytes::new();
            let expected = Frame::Amqp { channel: ChannelId(9), performative, payload };
            prop_assert_eq!(frame, Some(expected));
            Ok(())
        });
    }
}

#[test]
fn every_sasl_frame_is_read_as_it_was_written() {
    let each = each_sasl_frame();
    assert_eq!(each.len(), 5);
    for strategy in each {
        run(strategy, |body| {
            let mut wire = BytesMut::new();
            encode_frame(ChannelId::default(), &body, &mut wire);
            let frame = FrameDecoder::new().decode(&mut wire)?;
            prop_assert_eq!(frame, Some(Frame::Sasl(body)));
            Ok(())
        });
    }
}

#[test]
fn every_other_composite_is_read_as_it_was_written() {
    run(header(), there_and_back);
    run(properties(), there_and_back);
    // In a field, a null says that there is nothing (AMQP 1.0 §1.4).
    let is_said = |it: &Declare| it.global_id != Some(Value::Null);
    run(declare().prop_filter("a null", is_said).boxed(), there_and_back);
    run(discharge(), there_and_back);
    for strategy in each_delivery_state() {
        run(strategy, there_and_back);
    }
    for strategy in each_outcome() {
        run(strategy, there_and_back);
    }
    for strategy in each_link_target() {
        run(strategy, there_and_back);
    }
    for strategy in each_lifetime_policy() {
        run(strategy, |policy| {
            let value: Value = read(&written(&policy))?;
            prop_assert_eq!(value.read_as::<LifetimePolicy>()?, policy);
            Ok(())
        });
    }
}

#[test]
fn a_descriptor_may_be_a_symbol_or_a_long_number() {
    fn check<C: Composite + Encode + Decode + PartialEq + std::fmt::Debug>(composite: C) {
        let octets = written(&composite);
        let list = &octets[3..];
        let symbol = C::SYMBOL.as_bytes();
        for descriptor in [
            [&[0, 0x80], &C::CODE.to_be_bytes()[..]].concat(),
            [&[0, 0xa3, symbol.len() as u8], symbol].concat(),
            [&[0, 0xb3, 0, 0, 0, symbol.len() as u8], symbol].concat(),
        ] {
            let octets = Bytes::from([&descriptor, list].concat());
            assert_eq!(read::<C>(&octets).as_ref(), Ok(&composite), "{octets:x?}");
        }
    }
    let mut runner = TestRunner::deterministic();
    let mut any = |strategy: BoxedStrategy<_>| strategy.new_tree(&mut runner).unwrap().current();
    for performative in each_performative() {
        match any(performative) {
            Performative::Open(it) => check(*it),
            Performative::Begin(it) => check(*it),
            Performative::Attach(it) => check(*it),
            Performative::Flow(it) => check(it),
            Performative::Transfer(it) => check(it),
            Performative::Disposition(it) => check(it),
            Performative::Detach(it) => check(it),
            Performative::End(it) => check(it),
            Performative::Close(it) => check(it),
        }
    }
    check(Header::default());
    check(Properties::default());
}

proptest! {
    #[test]
    fn any_value_is_read_as_it_was_written(value in value()) {
        let octets = written(&value);
        let again: Value = read(&octets)?;
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(written(&again), octets.clone());
        let mut reader = Reader::new(&octets);
        skip(&mut reader)?;
        prop_assert_eq!(reader.remaining(), 0);
    }

    /// Going over a value without keeping it refuses exactly what reading it refuses, with the same
    /// error.
    #[test]
    fn the_walk_and_the_reading_agree_on_damaged_values(
        value in value(),
        at: prop::sample::Index,
        octet: u8,
        cut: prop::sample::Index,
    ) {
        let mut wire = written(&value).to_vec();
        let position = at.index(wire.len());
        wire[position] = octet;
        wire.truncate(wire.len() - cut.index(wire.len()).min(3));
        let octets = Bytes::from(wire);
        let (mut walked, mut reading) = (Reader::new(&octets), Reader::new(&octets));
        prop_assert_eq!(skip(&mut walked), Value::decode(&mut reading).map(drop));
        prop_assert_eq!(walked.position(), reading.position());
    }
}
