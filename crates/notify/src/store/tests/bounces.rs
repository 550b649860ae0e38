//! Addresses that are none any more, on every database.

use super::*;
use crate::{Kind, holder::Holder, limits::BOUNCES_MAX, notice::sample};

pub(super) fn an_address_that_bounces_is_disabled_and_its_owner_hears_of_it_elsewhere(
    place: &Place,
) {
    let (store, us) = ((place.open)(), Holder::new());
    let now: jiff::Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
    let ada: Owner = "ada".parse().unwrap();
    let (bad, good) = ("mail:ada@gone.example.org", "mail:ada@example.org");
    for id in [bad, good] {
        store.put_destination(&ada, &Destination::new(id).unwrap()).unwrap();
    }
    let to: crate::Place = bad.parse().unwrap();
    let letter = |number: u64| {
        let (mut event, _) = sample();
        event.id = format!("b{number}");
        Letter::unasked(event, &to, "s", &ada, now)
    };
    let room: std::collections::BTreeMap<Kind, usize> = [(Kind::Mail, 9)].into();
    let letters = (0..BOUNCES_MAX * 2 + 3).map(letter).collect();
    let round = Round { letters, room: room.clone(), ..Round::default() };
    let mut lanes = store.round(&round, &us, now).unwrap().lanes;
    // One that is taken forgives those before it.
    let tries = [true; BOUNCES_MAX as usize - 1]
        .into_iter()
        .chain([false])
        .chain([true; BOUNCES_MAX as usize]);
    for (number, bounces) in tries.enumerate() {
        let enabled = store.destinations(&ada).unwrap().into_iter().all(|one| one.enabled);
        assert!(enabled, "after {number}");
        let lane = lanes.pop().unwrap();
        let no = || "550 no such user".to_owned();
        let (end, address) = match bounces {
            true => (End::Parked(no()), Address::Bounced(no())),
            false => (End::Told, Address::Good),
        };
        let upto = lane.parcels[0].upto;
        let settlements = vec![Settlement { lane: lane.id, upto, end, address, last: true }];
        let round = Round { settlements, room: room.clone(), ..Round::default() };
        lanes = store.round(&round, &us, now).unwrap().lanes;
    }
    let state: Vec<_> =
        store.destinations(&ada).unwrap().into_iter().map(|one| (one.id, one.enabled)).collect();
    assert_eq!(state, [(good.to_owned(), true), (bad.to_owned(), false)]);
    let bounced = store.bounced(&Destination::new(bad).unwrap()).unwrap().unwrap();
    assert_eq!((bounced.count, bounced.reason.as_str()), (BOUNCES_MAX, "550 no such user"));
    // All that waited is parked, and what comes out is the notice of it.
    assert_eq!(store.parked(99).unwrap().len() as u64, BOUNCES_MAX * 2 + 2);
    let [lane] = &lanes[..] else { panic!("{lanes:?}") };
    assert_eq!(lane.to.to_string(), good);
    let item = &lane.parcels[0].items.as_ref().unwrap()[0];
    let body = item.event.to_dump();
    assert!(body.contains("550 no such user") && body.contains("ada@gone.example.org"), "{body}");
    let told = event::Registry::builtin().describe(&item.event);
    assert!(told.summary.contains("ada@gone.example.org any more"), "{}", told.summary);
    // What was on its way is parked, too, and nobody hears of it again.
    let upto = lane.parcels[0].upto;
    let address = Address::Good;
    let told = Settlement { lane: lane.id.clone(), upto, end: End::Told, address, last: true };
    let late = Round {
        settlements: vec![told],
        letters: vec![letter(99)],
        room: room.clone(),
        ..Round::default()
    };
    let lane = store.round(&late, &us, now).unwrap().lanes.remove(0);
    let (end, address) = (End::Parked("550".to_owned()), Address::Bounced("550".to_owned()));
    let upto = lane.parcels[0].upto;
    let settlements = vec![Settlement { lane: lane.id, upto, end, address, last: true }];
    let late = Round { settlements, room: room.clone(), ..Round::default() };
    assert_eq!(store.round(&late, &us, now).unwrap().lanes.len(), 0);
    // Added again it has all its chances.
    store.put_destination(&ada, &Destination::new(bad).unwrap()).unwrap();
    assert_eq!(store.bounced(&Destination::new(bad).unwrap()).unwrap(), None);
    let close = Round { close: true, ..Round::default() };
    store.round(&close, &us, now).unwrap();
}
