//! Lanes of one kind, and time as a number.

use super::*;

fn lane(id: &str, parcels: u64) -> Claimed {
    let parcel =
        |upto| crate::store::Parcel { upto, items: Err("of a test".to_owned()), left_out: 0 };
    Claimed {
        id: id.to_owned(),
        to: "mail:ada@example.org".parse().unwrap(),
        parcels: (1..=parcels).map(parcel).collect(),
        has_fallback: false,
        tries: 0,
        put_off_since: None,
    }
}

fn next(outbox: &mut Outbox, now: Instant) -> String {
    outbox.next(now).map(|lane| lane.id).unwrap_or_default()
}

#[test]
fn a_lane_is_out_once_and_goes_behind_the_others_when_it_was_told() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    outbox.push(lane("a", 2));
    outbox.push(lane("b", 1));
    let mut a = outbox.next(now).unwrap();
    outbox.push(lane("a", 2));
    assert_eq!(next(&mut outbox, now), "b");
    assert_eq!(next(&mut outbox, now), "", "a is out");
    a.parcels.remove(0);
    outbox.push(lane("c", 1));
    outbox.answered(a, now);
    assert_eq!((next(&mut outbox, now), next(&mut outbox, now)), ("c".into(), "a".into()));
    assert_eq!((outbox.out(), outbox.len()), (3, 3));
}

#[test]
fn while_it_is_away_one_asks_and_the_others_wait() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    ["a", "b", "c"].into_iter().for_each(|id| outbox.push(lane(id, 1)));
    let (a, b) = (outbox.next(now).unwrap(), outbox.next(now).unwrap());
    assert!(outbox.away(a, now), "news");
    assert!(!outbox.away(b, now), "known");
    assert_eq!(next(&mut outbox, now), "");
    let later = outbox.wake_at().unwrap();
    assert!(later > now);
    let probe = outbox.next(later).unwrap();
    assert_eq!(next(&mut outbox, later), "", "one asks");
    assert_eq!(outbox.wake_at(), None);
    assert!(!outbox.away(probe, later));
    let again = outbox.wake_at().unwrap();
    assert!(again > later, "the pauses grow");
    let mut probe = outbox.next(again).unwrap();
    probe.parcels.clear();
    assert_eq!(outbox.answered(probe, again), Some(again - now), "it is back");
    assert_eq!(outbox.away_for(again), None);
    assert!(outbox.next(again).is_some() && outbox.next(again).is_some());
}

#[test]
fn an_address_that_is_put_off_says_that_the_server_is_back_only_if_it_asked() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    ["a", "b"].into_iter().for_each(|id| outbox.push(lane(id, 1)));
    let (a, b) = (outbox.next(now).unwrap(), outbox.next(now).unwrap());
    outbox.away(a, now);
    assert_eq!(outbox.put_off(&b, now), None, "its try was under way before");
    let later = outbox.wake_at().unwrap();
    let probe = outbox.next(later).unwrap();
    assert!(outbox.put_off(&probe, later).is_some());
    assert_eq!((outbox.len(), outbox.out()), (0, 0), "the store has them");
}
