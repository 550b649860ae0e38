//! Idle times: signs of life are said, silence ends the connection.

use std::time::Duration;

use amqp10::{
    ErrorCondition, Frame, Performative,
    definition::Milliseconds,
    endpoint::{Connection, Event, Phase, Settings},
    performative::Open,
};
use bytes::BytesMut;

use crate::pair::{NOW, Peer};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_sign_of_life_is_said_at_half_and_silence_ends_at_twice() {
    let mut settings = Settings::new("server");
    settings.idle_time_out = Some(seconds(30));
    let mut peer = Peer::new(settings);
    let open = Open { idle_time_out: Some(Milliseconds(10_000)), ..Open::default() };
    peer.hear(0, open);
    let said = peer.said();
    let [Performative::Open(open)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(open.idle_time_out, Some(Milliseconds(30_000)));
    let mut tick = |now| {
        let mut out = BytesMut::new();
        let next = peer.endpoint.tick(now, &mut out, &mut peer.events);
        (next, out.len())
    };
    assert_eq!(tick(NOW), (Some(NOW + seconds(5)), 0));
    assert_eq!(tick(NOW + seconds(5)), (Some(NOW + seconds(10)), 8));
    assert_eq!(tick(NOW + seconds(59)), (Some(NOW + seconds(60)), 8));
    peer.endpoint.receive(Frame::Heartbeat, NOW + seconds(59), &mut peer.out, &mut peer.events);
    peer.endpoint.wrote(NOW + seconds(62));
    let mut out = BytesMut::new();
    let next = peer.endpoint.tick(NOW + seconds(66), &mut out, &mut peer.events);
    assert_eq!((next, out.len()), (Some(NOW + seconds(67)), 0));
    assert_eq!(peer.endpoint.tick(NOW + seconds(119), &mut peer.out, &mut peer.events), None);
    let told = peer.told();
    let [Event::Opened(_), Event::Closed { error: Some(why), .. }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(why.condition, ErrorCondition::ResourceLimitExceeded);
    assert_eq!(why.description.as_deref(), Some("no frame for 60s"));
    assert_eq!(peer.endpoint.phase(), Phase::Closed);
}

#[test]
fn an_idle_time_too_short_is_not_allowed() {
    let mut peer = Peer::new(Settings::new("server"));
    peer.hear(0, Open { idle_time_out: Some(Milliseconds(10)), ..Open::default() });
    let said = peer.said();
    let [Performative::Open(_), Performative::Close(close)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(close.error.as_ref().unwrap().condition, ErrorCondition::NotAllowed);
}

#[test]
fn without_idle_times_the_time_does_not_matter() {
    let mut settings = Settings::new("server");
    settings.idle_time_out = None;
    let mut endpoint = Connection::new(settings, NOW);
    let (mut out, mut events) = (BytesMut::new(), Vec::new());
    assert_eq!(endpoint.tick(seconds(1_000_000), &mut out, &mut events), None);
    assert_eq!((out.len(), events.len()), (0, 0));
}
