//! What python-qpid-proton wrote (`samples.txt`, made by `make_samples.py`) is read as it was
//! meant, and what this crate writes of it is read as the same.

use amqp10::{
    ChannelId, Encode as _, Frame, FrameDecoder, Message, Performative, ProtocolHeader, SaslFrame,
    definition::{Handle, Milliseconds, ReceiverSettleMode, SenderSettleMode},
    encode_frame,
    messaging::{DeliveryState, DistributionMode, LinkTarget, TerminusDurability},
    section::{BodyKind, Pieces},
    types::{Described, Kind, MessageId, Symbol, Timestamp, Uuid, Value},
};
use bytes::{Bytes, BytesMut};

/// The lines of one writer: what kind or name, and the octets.
fn lines(writer: &str) -> Vec<(&'static str, Bytes)> {
    let octets = |hex: &str| -> Bytes {
        let digits = hex.as_bytes().chunks(2);
        digits.map(|it| u8::from_str_radix(str::from_utf8(it).unwrap(), 16).unwrap()).collect()
    };
    let words = include_str!("samples.txt").lines().map(|line| line.split(' '));
    words
        .filter_map(|mut line| {
            let (who, what) = (line.next()?, line.next()?);
            (who == writer).then_some((what, octets(line.next()?)))
        })
        .collect()
}

fn frames(writer: &str) -> Vec<Frame> {
    let lines = lines(writer);
    let (headers, frames): (Vec<_>, Vec<_>) = lines.iter().partition(|(what, _)| *what == "header");
    let headers: Vec<_> =
        headers.iter().map(|(_, it)| ProtocolHeader::of(it[..].try_into().unwrap())).collect();
    assert_eq!(headers, [Some(ProtocolHeader::Sasl), Some(ProtocolHeader::Amqp)]);
    let mut wire: BytesMut = frames.iter().flat_map(|(_, octets)| octets.iter().copied()).collect();
    let mut decoder = FrameDecoder::new();
    let frames: Vec<_> = std::iter::from_fn(|| decoder.decode(&mut wire).unwrap()).collect();
    assert!(wire.is_empty());
    frames
}

fn performatives(writer: &str) -> Vec<Performative> {
    let performative = |frame| match frame {
        Frame::Amqp { performative, .. } => Some(performative),
        _ => None,
    };
    frames(writer).into_iter().filter_map(performative).collect()
}

/// The first of the kind.
macro_rules! first {
    ($writer:literal, $kind:ident) => {
        performatives($writer)
            .into_iter()
            .find_map(|it| match it {
                Performative::$kind(it) => Some(it),
                _ => None,
            })
            .unwrap()
    };
}

#[test]
fn what_is_written_again_is_read_as_the_same() {
    for frame in ["client", "server"].into_iter().flat_map(frames) {
        let mut wire = BytesMut::new();
        match &frame {
            Frame::Amqp { channel, performative, payload } if payload.is_empty() => {
                encode_frame(*channel, performative, &mut wire);
            }
            Frame::Sasl(body) => {
                encode_frame(ChannelId::default(), body, &mut wire);
            }
            Frame::Amqp { .. } | Frame::Heartbeat => continue,
        }
        assert_eq!(FrameDecoder::new().decode(&mut wire), Ok(Some(frame)));
    }
}

/// Where both choose the same encodings, the octets are the same.
#[test]
fn simple_performatives_are_written_in_the_same_octets() {
    let mut same = 0;
    for (_, octets) in lines("client").into_iter().chain(lines("server")) {
        let mut wire = BytesMut::from(&octets[..]);
        if let Ok(Some(Frame::Amqp { channel, performative, .. })) =
            FrameDecoder::new().decode(&mut wire)
        {
            let mut again = BytesMut::new();
            match performative {
                Performative::Disposition(it) => encode_frame(channel, &it, &mut again),
                Performative::Detach(it) if it.error.is_none() => {
                    encode_frame(channel, &it, &mut again)
                }
                Performative::End(it) => encode_frame(channel, &it, &mut again),
                _ => continue,
            };
            same += usize::from(again == octets);
        }
    }
    assert!(same >= 4, "{same}");
}

#[test]
fn the_login() {
    let frames = (frames("server"), frames("client"));
    let Frame::Sasl(SaslFrame::SaslMechanisms(mechanisms)) = &frames.0[0] else { panic!() };
    assert_eq!(mechanisms.sasl_server_mechanisms.as_slice(), ["ANONYMOUS"]);
    let Frame::Sasl(SaslFrame::SaslInit(init)) = &frames.1[0] else { panic!() };
    assert_eq!(init.mechanism, "ANONYMOUS");
    assert_eq!(&init.initial_response.as_ref().unwrap().expose()[..], b"anonymous");
}

#[test]
fn open() {
    let open = first!("client", Open);
    assert_eq!(
        (open.container_id, open.hostname),
        ("client-1".into(), Some("vhost:orders".into()))
    );
    assert_eq!((open.max_frame_size, open.channel_max), (65536, 32767));
    assert_eq!(open.idle_time_out, Some(Milliseconds(15000)), "half of 30 seconds");
    assert_eq!(open.desired_capabilities.as_slice(), ["ANONYMOUS-RELAY"]);
    let properties = open.properties.unwrap();
    assert_eq!(properties.get("product"), Some(&Value::from("tests")));
    assert_eq!(properties.get("version"), Some(&Value::Ulong(7)));
    assert_eq!(
        first!("server", Open).offered_capabilities.as_slice(),
        ["ANONYMOUS-RELAY", "queue"]
    );
}

#[test]
fn attach_with_source_filter_and_outcomes() {
    let attach = performatives("client")
        .into_iter()
        .find_map(|it| match it {
            Performative::Attach(it) if it.name == "from-queue" => Some(it),
            _ => None,
        })
        .unwrap();
    assert_eq!(attach.handle, Handle(1));
    assert_eq!(attach.snd_settle_mode, SenderSettleMode::Mixed);
    assert_eq!(attach.rcv_settle_mode, ReceiverSettleMode::First);
    let source = attach.source.unwrap();
    assert_eq!(source.address.as_deref(), Some("/queues/orders"));
    assert_eq!(source.durable, TerminusDurability::UnsettledState);
    assert_eq!(source.timeout.0, 3600);
    assert_eq!(source.distribution_mode, Some(DistributionMode::Copy));
    assert_eq!(source.outcomes.as_slice(), ["amqp:accepted:list", "amqp:released:list"]);
    let filter = Described {
        descriptor: Symbol::from_static("apache.org:selector-filter:string").into(),
        value: "colour = 1".into(),
    };
    assert_eq!(source.filter.unwrap().get("selector"), Some(&filter.into()));
    let Some(LinkTarget::Target(target)) = attach.target else { panic!() };
    assert_eq!(target.address, None);
}

#[test]
fn a_message_over_several_transfers_comes_together() {
    let mut pieces = Pieces::new();
    let mut mores = Vec::new();
    for frame in frames("client") {
        if let Frame::Amqp { performative: Performative::Transfer(transfer), payload, .. } = frame
            && transfer.delivery_id.is_none_or(|id| id.0 == 4)
        {
            mores.push(transfer.more);
            pieces.push(payload);
        }
    }
    assert_eq!(mores, [true, false]);
    let message = Message::parse(pieces).unwrap();
    assert_eq!(message.body_kind(), BodyKind::Data);
    let data: Vec<_> = message.data().collect();
    assert_eq!((data.len(), data[0].len()), (1, 2), "one section in two pieces");
    assert_eq!(data[0].concat(), b"x".repeat(6000));
}

#[test]
fn dispositions_and_errors() {
    let states: Vec<_> = performatives("server")
        .into_iter()
        .filter_map(|it| match it {
            Performative::Disposition(it) => it.state,
            _ => None,
        })
        .collect();
    assert!(states.iter().any(|it| matches!(it, DeliveryState::Accepted(_))));
    assert!(states.iter().any(|it| matches!(it, DeliveryState::Released(_))));
    let modified = |it: &DeliveryState| {
        matches!(it, DeliveryState::Modified(it)
            if it.delivery_failed == Some(true) && it.undeliverable_here == Some(true))
    };
    assert!(states.iter().any(modified));
    let rejected = states.iter().find_map(|it| match it {
        DeliveryState::Rejected(it) => it.error.as_ref(),
        _ => None,
    });
    let error = rejected.unwrap();
    assert_eq!(error.condition.as_str(), "amqp:not-allowed");
    assert_eq!(error.info.as_ref().unwrap().get("queue"), Some(&Value::from("orders")));
    let close = first!("server", Close).error.unwrap();
    assert_eq!(close.condition, amqp10::ErrorCondition::ConnectionForced);
    assert_eq!(close.description.as_deref(), Some("by the operator"));
}

fn message(name: &str) -> Message {
    let (_, octets) = lines("message").into_iter().find(|(it, _)| *it == name).unwrap();
    Message::parse([octets].into_iter().collect()).unwrap()
}

#[test]
fn a_message_with_everything() {
    let message = message("everything");
    let header = message.header().unwrap();
    assert_eq!((header.durable, header.priority), (Some(true), Some(7)));
    assert_eq!((header.ttl, header.delivery_count), (Some(Milliseconds(60_000)), Some(3)));
    let properties = message.properties().unwrap().unwrap();
    let uuid = std::array::from_fn(|index| index as u8 * 17);
    assert_eq!(properties.message_id, Some(MessageId::Uuid(Uuid(uuid))));
    assert_eq!(properties.correlation_id, Some(MessageId::Ulong(77)));
    assert_eq!(properties.to.as_deref(), Some("/queues/orders"));
    assert_eq!(properties.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(properties.absolute_expiry_time, Some(Timestamp(1500)));
    assert_eq!(properties.group_sequence.map(|it| it.0), Some(9));
    let annotation = message.message_annotations().unwrap().get("x-opt-number");
    assert_eq!(annotation, Ok(Some(Value::Ulong(1 << 40))));
    assert_eq!(message.delivery_annotations().unwrap().get("x-opt-hop"), Ok(Some(true.into())));
    assert!(message.footer().is_none());
    let application = message.application_properties().unwrap();
    for (key, value) in [
        ("null", Value::Null),
        ("short", Value::Short(-300)),
        ("long", Value::Long(-(1 << 40))),
        ("float", Value::Float(0.5)),
        ("char", Value::Char('€')),
        ("string", Value::from("grün")),
        ("binary", Value::Binary(Bytes::from_static(b"\0\xff"))),
        ("symbol", Symbol::from_static("s").into()),
    ] {
        assert_eq!(application.get(key), Ok(Some(value)), "{key}");
    }
    assert_eq!(application.get("absent"), Ok(None));
    assert_eq!(application.to_map().unwrap().len(), 21);
    let Some(Value::Map(body)) = message.value().unwrap() else { panic!() };
    let Some(Value::Array(array)) = body.get("array") else { panic!() };
    assert_eq!((array.kind(), array.elements().len()), (Kind::Int, 3));
    let bare: usize = message.bare().map(|it| it.len()).sum();
    assert_eq!(bare, message.bare_size());
}

#[test]
fn bodies_of_each_kind() {
    assert_eq!(message("value").value(), Ok(Some("hello".into())));
    let data: Vec<_> = message("data").data().map(|it| it.concat()).collect();
    assert_eq!(data, [b"hello"]);
    let data: Vec<_> = message("long-data").data().map(|it| it.concat()).collect();
    assert_eq!(data, [b"h".repeat(300)]);
    assert_eq!(message("sequence").body_kind(), BodyKind::Sequence);
    assert_eq!(message("sequence").value(), Ok(None));
    let nothing = message("nothing");
    assert_eq!((nothing.body_kind(), nothing.value()), (BodyKind::Absent, Ok(None)));
    assert_eq!(nothing.data().count(), 0);
    let Some(Value::List(list)) = message("long-list").value().unwrap() else { panic!() };
    assert_eq!(list.len(), 300);
    let value = message("described-array").value().unwrap().unwrap();
    let Value::Array(array) = &value else { panic!() };
    assert_eq!(array.descriptors(), [Symbol::from_static("x:y").into()]);
    let mut again = BytesMut::new();
    value.encode(&mut again);
    assert_eq!(&again[..], b"\xe0\x0c\x02\0\xa3\x03x:y\xa1\x01a\x01b");
}
