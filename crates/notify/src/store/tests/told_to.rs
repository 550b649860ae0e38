//! What somebody was told, on every database.

use super::*;
use crate::{Kind, holder::Holder, notice::sample};

pub(super) fn what_somebody_was_told_is_found_newest_first(place: &Place) {
    let (store, us) = ((place.open)(), Holder::new());
    let to: crate::Place = "mail:ada@example.org".parse().unwrap();
    let tell = |id: &str, owner: &str| {
        let (mut event, _) = sample();
        event.id = id.to_owned();
        store.tell(event, &to, "why", &owner.parse().unwrap()).unwrap();
    };
    tell("a", "ada");
    tell("b", "bob");
    tell("c", "group:kernel");
    let (mut event, _) = sample();
    event.id = "shared".to_owned();
    let now = jiff::Timestamp::now();
    let shared = Letter {
        event: event.into(),
        to: to.clone(),
        reasons: Vec::new(),
        owners: vec!["ada".to_owned(), "group:kernel".to_owned()],
        received_at: now,
        plan: Plan::at_once(&to),
    };
    let room = [(Kind::Mail, 9)].into();
    let round = Round { letters: vec![shared], room, ..Round::default() };
    let lanes = store.round(&round, &us, now).unwrap().lanes;
    let told = |owner: &str, before| {
        let lines = store.told_to(&owner.parse().unwrap(), before, 2).unwrap();
        lines.into_iter().map(|line| (line.event_id, line.seq)).collect::<Vec<_>>()
    };
    assert_eq!(told("ada", None), [], "it waits");
    let settlement = Settlement {
        lane: lanes[0].id.clone(),
        upto: lanes[0].parcels.last().unwrap().upto,
        end: End::Told,
        address: Address::Unknown,
        last: true,
    };
    let round = Round { settlements: vec![settlement], ..Round::default() };
    store.round(&round, &us, now).unwrap();
    tell("d", "ada");
    let ids = |lines: Vec<(String, u64)>| lines.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(told("ada", None)), ["shared", "a"]);
    let first = told("ada", None)[0].1;
    assert_eq!(ids(told("ada", Some(first))), ["a"]);
    assert_eq!(ids(told("bob", None)), ["b"]);
    assert_eq!(ids(told("group:kernel", None)), ["shared", "c"]);
    assert_eq!(told("grace", None), []);
}
