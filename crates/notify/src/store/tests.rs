//! What every database has to do. Each test is run on each: a store of its own, and a second one
//! on the same data, as another process has it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

mod bounces;
mod server;
mod told_to;

use self::{
    bounces::an_address_that_bounces_is_disabled_and_its_owner_hears_of_it_elsewhere,
    told_to::what_somebody_was_told_is_found_newest_first,
};
use super::*;
use crate::rule::{Condition, Outlet, VERSION, When};

/// A place for one test, and how it is opened once more.
struct Place {
    open: Box<dyn Fn() -> Store>,
    _directory: Option<tempfile::TempDir>,
}

fn sqlite() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify.db");
    Place {
        open: Box::new(move || Location::File(path.clone()).open().unwrap()),
        _directory: Some(directory),
    }
}

/// The tests, for SQLite and for PostgreSQL. A server takes a second to make, so it is one test
/// for all there.
macro_rules! on_every_database {
    ($($name:ident)*) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name(&super::sqlite()); })*
        }

        #[test]
        #[allow(clippy::print_stderr, reason = "who reads the output learns what was not tested")]
        fn on_postgresql() {
            let Some(server) = server::Server::start() else {
                eprintln!("skipped: PostgreSQL is not on this machine");
                return;
            };
            $($name(&server.place(stringify!($name)));)*
            server_that_goes_and_comes_back(server);
        }
    };
}

/// What PostgreSQL alone can do.
fn server_that_goes_and_comes_back(mut server: server::Server) {
    let place = server.place("away");
    let store = (place.open)();
    store.put_rule(rule("before")).unwrap();
    server.stop();
    assert!(matches!(store.rules(None), Err(Error::Database(_))));
    server.run();
    let began = Instant::now();
    let rules = loop {
        match store.rules(None) {
            Ok(rules) => break rules,
            Err(error) => assert!(began.elapsed().as_secs() < 30, "{error}"),
        }
    };
    assert_eq!(rules.len(), 1);
    store.put_rule(rule("after")).unwrap();
}

on_every_database! {
    a_rule_is_kept_changed_and_removed
    a_rule_is_its_owners_and_goes_only_where_they_are
    other_processes_hear_of_every_change_in_order
    who_missed_too_much_is_told_everything
    a_change_that_fails_half_way_changes_nothing
    of_many_rules_those_are_kept_that_can_be
    default_rules_are_given_once
    a_reader_is_woken_by_each_change
    what_is_kept_is_handed_out_once_told_and_parked
    an_address_that_bounces_is_disabled_and_its_owner_hears_of_it_elsewhere
    a_feed_opens_to_its_secret_and_keeps_each_notice_once
    what_somebody_was_told_is_found_newest_first
}

fn ada() -> Owner {
    Owner::Person("ada".to_owned())
}

fn rule(name: &str) -> Rule {
    Rule {
        version: VERSION,
        id: String::new(),
        owner: ada(),
        name: name.to_owned(),
        enabled: true,
        what: serde_json::from_str(r#"{"people": "@me"}"#).unwrap(),
        outlets: vec![outlet("@mail")],
    }
}

fn outlet(to: &str) -> Outlet {
    Outlet { severities: Vec::new(), to: vec![to.to_owned()], when: When::default() }
}

fn mail(address: &str) -> Destination {
    Destination::new(&format!("mail:{address}")).unwrap()
}

fn a_rule_is_kept_changed_and_removed(place: &Place) {
    let store = (place.open)();
    let kept = store.put_rule(rule("one")).unwrap();
    assert!(!kept.id.is_empty());
    let second = store.put_rule(rule("two \u{e9}\u{1f980} ' \" \\")).unwrap();
    let changed = store.put_rule(Rule { enabled: false, ..kept.clone() }).unwrap();
    drop(store);

    let store = (place.open)();
    assert_eq!(store.rule(&kept.id).unwrap(), Some(changed.clone()));
    assert_eq!(store.rules(Some(&ada())).unwrap(), [changed, second.clone()]);
    assert_eq!(store.rules(Some(&Owner::Group("ada".to_owned()))).unwrap(), []);
    assert!(store.remove_rule(&kept.id).unwrap());
    assert!(!store.remove_rule(&kept.id).unwrap());
    assert_eq!(store.rules(None).unwrap(), [second]);
}

fn a_rule_is_its_owners_and_goes_only_where_they_are(place: &Place) {
    let store = (place.open)();
    let to = |to: &str| Rule { outlets: vec![outlet(to)], ..rule("r") };
    let error = store.put_rule(to("mail:ada@example.org")).unwrap_err().to_string();
    assert!(error.contains("tubepost notify destination add ada mail:ada@example.org"), "{error}");
    store.put_destination(&Owner::Person("bob".to_owned()), &mail("ada@example.org")).unwrap();
    assert!(store.put_rule(to("mail:ada@example.org")).is_err(), "it is bob's");
    store.put_destination(&ada(), &mail("ada@example.org")).unwrap();
    let kept = store.put_rule(to("mail:ada@example.org")).unwrap();

    let bobs = Rule { owner: Owner::Person("bob".to_owned()), ..kept.clone() };
    let error = store.put_rule(bobs).unwrap_err().to_string();
    assert!(error.contains("is ada's, not bob's"), "{error}");
    let error = store.put_rule(Rule { id: "file.1".to_owned(), ..rule("r") }).unwrap_err();
    assert!(error.to_string().contains("the configuration file's"), "{error}");
    let wrong = Rule { what: Condition::Cel("owner".to_owned()), ..rule("r") };
    assert!(matches!(store.put_rule(wrong), Err(Error::Rule(faults)) if faults.len() == 1));

    assert!(store.remove_destination(&ada(), "mail:ada@example.org").unwrap());
    assert_eq!(store.destinations(&ada()).unwrap(), []);
    for id in ["ada@example.org", "pigeon:ada", "mail:ada", "irc:"] {
        assert!(Destination::new(id).is_err(), "{id}");
    }
}

/// The changes since, and the next cursor.
fn changes(store: &Store, since: Cursor) -> (Cursor, Vec<Change>) {
    match store.news(Some(since)).unwrap() {
        (cursor, News::Changes(changes)) => (cursor, changes),
        (_, News::Everything(_)) => panic!("only what changed"),
    }
}

fn other_processes_hear_of_every_change_in_order(place: &Place) {
    let (writer, reader) = ((place.open)(), (place.open)());
    let (cursor, News::Everything(all)) = reader.news(None).unwrap() else { panic!() };
    assert_eq!(all, []);
    let kept = writer.put_rule(rule("one")).unwrap();
    let group = Group { owners: vec!["ada".to_owned()], members: vec!["bob".to_owned()] };
    writer.put_group("core", &group).unwrap();
    writer.put_destination(&ada(), &mail("ada@example.org")).unwrap();
    let silence = Silence {
        snoozed_until: Some("2026-11-26T10:00:00Z".parse().unwrap()),
        muted: vec!["git/kernel".to_owned()],
        ..Silence::default()
    };
    writer.put_silence(&ada(), &silence).unwrap();
    let maintainers = Maintainers { people: vec!["ada".to_owned()], groups: Vec::new() };
    writer.put_maintainers("kernel", &maintainers).unwrap();
    let expected = vec![
        Change::Rule(kept.clone()),
        Change::Group { name: "core".to_owned(), members: group.members.clone() },
        Change::Destinations(ada(), vec![mail("ada@example.org")]),
        Change::Silence(ada(), silence.clone()),
        Change::Maintainers { package: "kernel".to_owned(), maintainers },
    ];
    let (cursor, told) = changes(&reader, cursor);
    assert_eq!(told, expected);
    let (_, News::Everything(all)) = reader.news(None).unwrap() else { panic!() };
    assert_eq!(all.len(), expected.len());
    assert!(expected.iter().all(|change| all.contains(change)), "{all:?}");
    assert_eq!(reader.silence(&ada()).unwrap(), silence);
    assert_eq!(reader.groups().unwrap(), [("core".to_owned(), group)]);

    writer.remove_rule(&kept.id).unwrap();
    writer.put_group("core", &Group::default()).unwrap();
    let (cursor, told) = changes(&reader, cursor);
    let gone = Change::Group { name: "core".to_owned(), members: Vec::new() };
    assert_eq!(told, [Change::RuleGone(kept.id), gone]);
    assert_eq!(changes(&reader, cursor), (cursor, Vec::new()));
}

fn who_missed_too_much_is_told_everything(place: &Place) {
    let (writer, reader) = ((place.open)(), (place.open)());
    let (cursor, _) = reader.news(None).unwrap();
    let many: Vec<Imported> = (0..150)
        .map(|n| Imported {
            rule: Rule { id: format!("r{}", n % 10), ..rule("r") },
            destinations: Vec::new(),
        })
        .collect();
    for chunk in many.chunks(40) {
        assert!(writer.import(chunk).unwrap().iter().all(Result::is_ok));
    }
    let (last, News::Everything(all)) = reader.news(Some(cursor)).unwrap() else { panic!() };
    assert_eq!(all.len(), 10);
    writer.put_rule(rule("one more")).unwrap();
    assert_eq!(changes(&reader, last).1.len(), 1);
}

fn of_many_rules_those_are_kept_that_can_be(place: &Place) {
    let store = (place.open)();
    let imported = |id: &str, to: &str, destinations: &[&str]| Imported {
        rule: Rule { id: id.to_owned(), outlets: vec![outlet(to)], ..rule(id) },
        destinations: destinations.iter().map(|id| Destination::new(id).unwrap()).collect(),
    };
    let (ours, other) = ("mail:ada@example.org", "mail:other@example.org");
    let all = [
        imported("one", ours, &[ours]),
        // What it names is nobody's: not its other destination either.
        imported("two", other, &["mail:third@example.org"]),
        imported("file.1", ours, &[]),
        imported("three", ours, &[]),
    ];
    let outcomes = store.import(&all).unwrap();
    let outcomes: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(outcomes, [true, false, false, true]);
    assert_eq!(store.rules(None).unwrap().len(), 2);
    assert_eq!(store.destinations(&ada()).unwrap(), [Destination::new(ours).unwrap()]);
}

fn a_change_that_fails_half_way_changes_nothing(place: &Place) {
    let store = (place.open)();
    let (cursor, _) = store.news(None).unwrap();
    let failed: Result<(), Error> = store.change(|session| {
        write_rule(session, &Rule { id: "a".to_owned(), ..rule("a") })?;
        session.run("INSERT INTO nothing_of_that_name (x) VALUES ($1)", &["y"]).map(drop)
    });
    assert!(matches!(failed, Err(Error::Database(_))), "{failed:?}");
    assert_eq!(store.rules(None).unwrap(), []);
    assert_eq!(changes(&store, cursor).1, []);
    store.put_rule(rule("after it")).unwrap();
}

fn default_rules_are_given_once(place: &Place) {
    let store = (place.open)();
    let default = |name: &str, to: &str| DefaultRule {
        name: name.to_owned(),
        what: Condition::everything(),
        outlets: vec![outlet(to)],
    };
    let own = Defaults { rules: vec![default("mine", "mail:ada@example.org")] };
    let error = store.put_defaults(&Scope::Everybody, &own).unwrap_err().to_string();
    assert!(error.contains("write @mail"), "{error}");
    let all = Defaults { rules: vec![default("mine", "@mail"), default("more", "@mail")] };
    store.put_defaults(&Scope::Everybody, &all).unwrap();
    assert_eq!(store.defaults(&Scope::Everybody).unwrap(), all);
    let core = Scope::Group("core".to_owned());
    store.put_defaults(&core, &Defaults { rules: vec![default("core's", "@mail")] }).unwrap();

    assert!(store.add_person("ada").unwrap());
    let names = || {
        let rules = store.rules(Some(&ada())).unwrap();
        rules.into_iter().map(|rule| rule.name).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(), ["mine", "more"].map(str::to_owned).into());
    let first = store.rules(Some(&ada())).unwrap().remove(0);
    store.remove_rule(&first.id).unwrap();
    assert!(!store.add_person("ada").unwrap());
    let members = Group { members: vec!["ada".to_owned()], ..Group::default() };
    store.put_group("core", &members).unwrap();
    store.put_group("core", &members).unwrap();
    assert_eq!(names().len(), 2, "one removed, and one of the group");
    assert!(names().contains("core's"));
}

fn a_reader_is_woken_by_each_change(place: &Place) {
    let (writer, reader) = ((place.open)(), (place.open)());
    let (mut cursor, _) = reader.news(None).unwrap();
    // What is there already wakes it once.
    reader.follow(Duration::from_millis(1)).unwrap();
    let following = std::thread::spawn(move || {
        for _ in 0..3 {
            loop {
                reader.follow(Duration::from_secs(20)).unwrap();
                let (next, told) = changes(&reader, cursor);
                cursor = next;
                if let Some(Change::Rule(rule)) = told.first() {
                    let sent: u128 = rule.name.parse().unwrap();
                    // A tenth of a second by design; a busy machine is not judged.
                    let took = now() - sent;
                    assert!(took < 10_000, "{took} ms, of 20 s that it would wait");
                    break;
                }
            }
        }
    });
    for _ in 0..3 {
        let began = Instant::now();
        writer.put_rule(rule(&now().to_string())).unwrap();
        while began.elapsed() < Duration::from_millis(150) && !following.is_finished() {
            std::thread::sleep(Duration::from_millis(10)); // tidy: looks again
        }
    }
    following.join().unwrap();
}

fn now() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}

#[test]
fn a_store_of_every_earlier_form_is_brought_to_this_one_with_what_is_in_it() {
    for from in 1..=migration::LAST {
        let mut database: Box<dyn Database> = Box::new(sqlite::Sqlite::in_memory().unwrap());
        migration::migrate_to(&mut *database, from).unwrap();
        let body = Rule { id: "r1".to_owned(), ..rule("kept") }.to_json();
        database
            .transact(true, &mut |session| {
                assert_eq!(migration::now(session)?, from);
                let sql = "INSERT INTO rule (id, owner, body) VALUES ('r1', 'ada', $1)";
                session.run(sql, &[&body]).map(drop)
            })
            .unwrap();
        let store = Store::with(database).unwrap();
        assert_eq!(store.rule("r1").unwrap().unwrap().name, "kept", "from form {from}");
        assert_eq!(store.read(|session| migration::now(session)).unwrap(), migration::LAST);
    }
}

#[test]
fn a_store_of_a_newer_release_is_left_alone() {
    let mut database: Box<dyn Database> = Box::new(sqlite::Sqlite::in_memory().unwrap());
    migration::migrate(&mut *database).unwrap();
    let newer = |session: &mut dyn Session| {
        session.run(&format!("UPDATE form SET step = {}", migration::LAST + 1), &[]).map(drop)
    };
    database.transact(true, &mut |session| newer(session)).unwrap();
    let error = Store::with(database).unwrap_err().to_string();
    assert!(error.contains("run the newer one"), "{error}");
}

#[test]
fn a_file_that_is_no_store_is_refused_and_a_rule_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify.db");
    std::fs::write(&path, "not a database, but a text that is long enough to be one\n".repeat(99))
        .unwrap();
    let error = Location::File(path).open().unwrap_err().to_string();
    assert!(error.contains("notify.db"), "{error}");

    let store = Store::in_memory().unwrap();
    let kept = store.put_rule(rule("good")).unwrap();
    let broken = |session: &mut dyn Session| {
        session.run("INSERT INTO rule (id, owner, body) VALUES ('bad', 'ada', '{}')", &[]).map(drop)
    };
    store.change(broken).unwrap();
    let error = store.rule("bad").unwrap_err().to_string();
    assert!(error.contains("bad as it is kept cannot be read"), "{error}");
    let (_, News::Everything(all)) = store.news(None).unwrap() else { panic!() };
    assert_eq!(all, [Change::Rule(kept)], "the others are in force");
}

#[test]
fn silence_covers_what_is_muted_until_it_ends() {
    let (_, mut told) = crate::notice::sample();
    let now = "2026-11-26T10:00:00Z".parse().unwrap();
    let silent = |json: &str, told: &event::Description| {
        serde_json::from_str::<Silence>(json).unwrap().covers(told, now)
    };
    assert!(!silent("{}", &told));
    assert!(silent(r#"{"paused": true}"#, &told));
    assert!(silent(r#"{"snoozed_until": "2026-11-26T10:00:01Z"}"#, &told));
    assert!(!silent(r#"{"snoozed_until": "2026-11-26T10:00:00Z"}"#, &told));
    assert!(silent(r#"{"muted": ["git/kernel"]}"#, &told));
    told.objects = vec!["git/bash".to_owned(), "git/kernel".to_owned()];
    told.object = None;
    assert!(!silent(r#"{"muted": ["git/kernel"]}"#, &told), "it is of bash, too");
    assert!(silent(r#"{"muted": ["git/bash", "git/kernel"]}"#, &told));
}

fn what_is_kept_is_handed_out_once_told_and_parked(place: &Place) {
    use crate::{Kind, holder::Holder, notice::sample};
    let ada: Owner = "ada".parse().unwrap();
    let (ours, theirs) = ((place.open)(), (place.open)());
    let (us, them) = (Holder::new(), Holder::new());
    let now: jiff::Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
    let to: crate::Place = "mail:ada@example.org".parse().unwrap();
    let letter = |id: &str, plan: Plan| {
        let (mut event, _) = sample();
        event.id = id.to_owned();
        Letter { plan, ..Letter::unasked(event, &to, "s", &ada, now) }
    };
    let room: std::collections::BTreeMap<Kind, usize> = [(Kind::Mail, 9)].into();
    let plain = || Plan::at_once(&to);
    let letters = vec![letter("a", plain()), letter("b", plain()), letter("a", plain())];
    let round = Round { letters: letters.clone(), room: room.clone(), ..Round::default() };
    let handed = ours.round(&round, &us, now).unwrap();
    assert_eq!(handed.lanes.len(), 1);
    let lane = &handed.lanes[0];
    assert_eq!((lane.parcels.len(), lane.to.clone()), (2, to.clone()));
    let item = &lane.parcels[0].items.as_ref().unwrap()[0];
    assert_eq!((&*item.event, item.received_at), (&*letters[0].event, now));
    assert!(theirs.round(&round, &them, now).unwrap().lanes.is_empty(), "it is leased");

    // Their lease is free when they are gone, or give no sign.
    let late = now + crate::limits::LEASE + Duration::from_secs(1);
    let look = Round { room: room.clone(), ..Round::default() };
    assert_eq!(theirs.round(&look, &them, late).unwrap().lanes.len(), 1);
    drop(them);
    let sweep = Round { room: room.clone(), sweep: true, ..Round::default() };
    assert_eq!(ours.round(&sweep, &us, late).unwrap().lanes.len(), 1);

    let settled = |upto, end, last| Settlement {
        lane: lane.id.clone(),
        upto,
        end,
        address: Address::Unknown,
        last,
    };
    let (first, second) = (lane.parcels[0].upto, lane.parcels[1].upto);
    let round = Round {
        settlements: vec![
            settled(first, End::Told, false),
            settled(second, End::Parked("550 no".to_owned()), true),
        ],
        // The bus gives them again.
        letters: letters.clone(),
        room: room.clone(),
        ..Round::default()
    };
    assert!(ours.round(&round, &us, late).unwrap().lanes.is_empty(), "told, and parked");
    let told: Vec<String> =
        ["a", "b"].iter().map(|id| ours.told(id).unwrap()[0].answer.clone()).collect();
    assert_eq!(told, ["taken", "parked: 550 no"]);
    assert_eq!(ours.told("a").unwrap()[0].owners, ["ada"]);
    let parked = theirs.parked(9).unwrap();
    assert_eq!((parked.len(), parked[0].event_id.as_str()), (1, "b"));
    assert_eq!(theirs.retry_parked(Some(parked[0].number)).unwrap(), 1);
    let lane = ours.round(&look, &us, late).unwrap().lanes.remove(0);
    let again = Settlement {
        lane: lane.id.clone(),
        upto: lane.parcels[0].upto,
        end: End::Parked("551 no".to_owned()),
        address: Address::Unknown,
        last: true,
    };
    let round = Round { settlements: vec![again], ..Round::default() };
    ours.round(&round, &us, late).unwrap();
    assert_eq!(ours.drop_parked(None).unwrap(), 1);

    // A digest of more than there is room for, put off, then told by the fall-back.
    let when: When =
        serde_json::from_str(r#"{"digest": {"count": 3}, "fallback": "mail:g@example.org"}"#)
            .unwrap();
    let fallback: crate::Place = "mail:g@example.org".parse().unwrap();
    let plan = Plan { lane: "d".to_owned(), when, fallback: Some(fallback.clone()) };
    let letters = ["c", "d", "e"].map(|id| letter(id, plan.clone())).to_vec();
    let round = Round { letters, room: room.clone(), ..Round::default() };
    let lane = ours.round(&round, &us, late).unwrap().lanes.remove(0);
    assert_eq!(lane.parcels.len(), 1, "one notice");
    assert_eq!(lane.parcels[0].items.as_ref().unwrap().len(), 3);
    let end = |end| Round {
        settlements: vec![Settlement {
            lane: "d".to_owned(),
            upto: lane.parcels[0].upto,
            end,
            address: Address::Unknown,
            last: true,
        }],
        room: room.clone(),
        ..Round::default()
    };
    let until = late + Duration::from_secs(60);
    let deferred = end(End::Deferred { until, reason: "450 busy".to_owned() });
    let handed = ours.round(&deferred, &us, late).unwrap();
    assert_eq!((handed.lanes.len(), handed.next_due), (0, Some(until)));
    assert!(ours.told("c").unwrap()[0].waits);
    let lane = ours.round(&look, &us, until).unwrap().lanes.remove(0);
    assert_eq!((lane.tries, lane.put_off_since, lane.has_fallback), (1, Some(late), true));
    let handed = ours.round(&end(End::Diverted("450".to_owned())), &us, until).unwrap();
    let lane = &handed.lanes[0];
    assert_eq!((lane.to.clone(), lane.parcels.len()), (fallback, 3));
    let close = Round { close: true, ..Round::default() };
    ours.round(&close, &us, until).unwrap();
}

fn a_feed_opens_to_its_secret_and_keeps_each_notice_once(place: &Place) {
    let store = (place.open)();
    let (destination, secret) = store.make_feed(&ada()).unwrap();
    let name = destination.id.strip_prefix("feed:").unwrap();
    let entry = |number: usize| FeedEntry {
        key: format!("key-{number}"),
        title: format!("title {number}"),
        link: None,
        text: String::new(),
        author: None,
        reasons: vec!["mine".to_owned()],
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    for number in [0, 0].into_iter().chain(0..=FEED_ENTRIES_MAX) {
        assert!(store.keep_entry(name, &entry(number)).unwrap());
    }
    let content = (place.open)().feed(secret.expose()).unwrap().unwrap();
    assert_eq!((content.id.as_str(), content.owner), (name, ada()));
    assert_eq!(content.entries.len(), FEED_ENTRIES_MAX);
    assert_eq!(content.entries[0], entry(FEED_ENTRIES_MAX));
    assert!(store.feed(name).unwrap().is_none(), "the name opens nothing");
    // Neither the list nor the store's own rows have the secret.
    let listed = store.destinations(&ada()).unwrap();
    assert!(listed.contains(&destination) && !destination.id.contains(secret.expose()));
    let other = store.rotate_feed(&ada(), &destination.id).unwrap();
    assert!(store.feed(secret.expose()).unwrap().is_none());
    assert!(store.remove_destination(&ada(), &destination.id).unwrap());
    assert!(store.feed(other.expose()).unwrap().is_none());
    assert!(!store.keep_entry(name, &entry(1)).unwrap());
}
