//! Whatever two endpoints under random owners do, neither finds the other wrong; and whatever comes
//! out of a corpus, what an endpoint says keeps to the protocol.

use std::{fs, path::Path};

use amqp10::{Frame, Performative};
use proptest::prelude::*;

use crate::{random_link, random_owner::RandomOwner, watch::Watch};

/// Frames of one side that say it found the other wrong.
fn blames(frames: &[Frame]) -> Option<String> {
    frames.iter().find_map(|frame| {
        let Frame::Amqp { performative, .. } = frame else { return None };
        let error = match performative {
            Performative::Detach(it) => &it.error,
            Performative::End(it) => &it.error,
            Performative::Close(it) => &it.error,
            _ => return None,
        };
        let error = error.as_ref()?;
        // What the owners themselves say, limits they reach, a link attached twice on purpose, and
        // silence.
        match error.condition.as_str() {
            "amqp:connection:forced"
            | "amqp:resource-limit-exceeded"
            | "amqp:link:stolen"
            | "amqp:link:message-size-exceeded" => None,
            _ => Some(format!("{frame:?}")),
        }
    })
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn two_owners_who_do_as_they_like(
        first: u32,
        second: u32,
        turns in proptest::collection::vec(any::<(bool, u16)>(), 1..120),
    ) {
        let mut owners = [RandomOwner::new(first), RandomOwner::new(second)];
        let mut watches = [Watch::default(), Watch::default()];
        let mut wires = [bytes::BytesMut::new(), bytes::BytesMut::new()];
        let [one, _] = &mut owners;
        one.endpoint.open(&mut one.out);
        for (is_first, octets) in turns {
            let (from, to) = if is_first { (0, 1) } else { (1, 0) };
            owners[from].whim();
            for side in [0, 1] {
                let mut out = std::mem::take(&mut owners[side].out);
                wires[side].extend_from_slice(&out);
                let frames = watches[side].read(&mut out);
                prop_assert_eq!(blames(&frames), None);
            }
            // Some of what was said arrives, cut anywhere.
            let count = usize::from(octets).min(wires[from].len());
            let piece = wires[from].split_to(count);
            owners[to].hear(&piece);
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn deliveries_taken_where_they_lie_are_as_those_that_were_decoded(
        first: u32,
        second: u32,
        turns in proptest::collection::vec(any::<(bool, u16)>(), 1..120),
    ) {
        let mut one = RandomOwner::new(first);
        let mut others = [RandomOwner::new(second), RandomOwner::new(second)];
        others[1].takes_whole = true;
        let [mut up, mut down] = [bytes::BytesMut::new(), bytes::BytesMut::new()];
        one.endpoint.open(&mut one.out);
        for (is_first, octets) in turns {
            if is_first {
                one.whim();
            } else {
                others.iter_mut().for_each(RandomOwner::whim);
            }
            up.unsplit(one.out.split());
            let said = others.each_mut().map(|it| it.out.split());
            prop_assert_eq!(&said[0], &said[1]);
            down.extend_from_slice(&said[0]);
            match is_first {
                true => {
                    let piece = up.split_to(usize::from(octets).min(up.len()));
                    others.iter_mut().for_each(|it| it.hear(&piece));
                }
                false => one.hear(&down.split_to(usize::from(octets).min(down.len()))),
            }
        }
    }
}

/// As the fuzz target runs it.
fn run(input: &[u8]) {
    let Some((dice, stream)) = input.split_first_chunk::<4>() else { return };
    let mut owner = RandomOwner::new(u32::from_le_bytes(*dice));
    let mut watch = Watch::default();
    for piece in stream.chunks(usize::from(dice[0]).max(16)) {
        owner.hear(piece);
        watch.read(&mut owner.out);
    }
}

fn replay(target: &str, run: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut replayed = 0;
    for file in fs::read_dir(&corpus).unwrap() {
        run(&fs::read(file.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 30, "{replayed} files in {}", corpus.display());
}

#[test]
fn what_fuzzing_has_found() {
    replay("amqp10_connection", run);
    replay("amqp10_link", random_link::run);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_peer_that_says_anything_on_its_links(
        octets in proptest::collection::vec(any::<u8>(), 4..400),
    ) {
        random_link::run(&octets);
    }
}
