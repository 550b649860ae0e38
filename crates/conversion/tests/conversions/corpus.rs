//! What fuzzing has found (`fuzz/corpus/conversion`), run once each as the fuzz target runs it.

use std::{fs, path::Path};

use super::*;

#[test]
fn every_input_crosses_or_is_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/conversion");
    let mut replayed = 0;
    for file in fs::read_dir(&corpus).unwrap() {
        run(&fs::read(file.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 150, "{replayed} files in {}", corpus.display());
}

/// The first octet says from where, the second where to cut.
fn run(octets: &[u8]) {
    let Some((&[from, cut], input)) = octets.split_first_chunk() else { return };
    let cut = usize::from(cut).min(input.len());
    if from % 2 == 0 {
        // A property list, and a body behind it.
        let (list, body) = input.split_at(input.len() - cut);
        let Ok(list) = PropertyList::parse(Bytes::copy_from_slice(list)) else { return };
        let body = [Bytes::copy_from_slice(body)];
        settles(&to_amqp10(&list, &body, ROUTED, &[]));
    } else {
        let (first, second) = input.split_at(cut);
        let pieces = [first, second].map(Bytes::copy_from_slice);
        let Ok(message) = Message::parse(Pieces::from_iter(pieces)) else { return };
        let Ok(converted) = to_amqp091(&message) else { return };
        let list = PropertyList::from(&converted.properties);
        assert_eq!(list.decode(), Ok(converted.properties));
        settles(&to_amqp10(&list, &converted.body, ROUTED, &[]));
    }
}

/// What crosses can be read, and crosses back; once it has, nothing changes any more.
fn settles(there: &Amqp10Message) {
    let once = again(there);
    let twice = again(&once);
    assert_eq!(once.header, twice.header);
    assert_eq!(once.sections.concat(), twice.sections.concat());
}

/// To 0-9-1 and back.
fn again(there: &Amqp10Message) -> Amqp10Message {
    let mut header = BytesMut::new();
    there.header.encode(&mut header);
    let pieces = std::iter::once(header.freeze()).chain(there.sections.iter().cloned());
    let message = Message::parse(pieces.collect()).unwrap();
    let back = to_amqp091(&message).unwrap();
    let list = PropertyList::from(&back.properties);
    assert_eq!(list.decode().as_ref(), Ok(&back.properties));
    to_amqp10(&list, &back.body, ROUTED, &[])
}
