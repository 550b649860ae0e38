//! What fuzzing found worth keeping, replayed, and each with some octets changed.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

mod stranger;

use std::{fs, path::Path};

use proptest::prelude::*;

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/event");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: &Path| fs::read(path).unwrap();
    let mut files: Vec<_> =
        files.map(|path| (path.file_name().unwrap().display().to_string(), read(&path))).collect();
    files.sort();
    files
}

#[test]
fn the_corpus_is_read_or_refused_as_its_names_say() {
    let files = corpus();
    assert!(files.len() >= 8, "{files:?}");
    for (name, octets) in files {
        let read = stranger::take(&octets).is_some();
        // What a fuzzer names by a hash may be either.
        if name.starts_with("read-") || name.starts_with("refused-") {
            assert_eq!(read, name.starts_with("read-"), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn octets_that_changed_on_the_way_do_no_harm(
        (_, mut octets) in prop::sample::select(corpus()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for (place, octet) in changes {
            *place.get_mut(&mut octets) = octet;
        }
        stranger::take(&octets);
        octets.truncate(cut.index(octets.len()));
        stranger::take(&octets);
    }
}
