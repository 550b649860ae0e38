//! Power is lost at every moment of a run: before and after each change and each sync, on the
//! messages' directory, the ledger's and the index at once. Of what no sync covered any part is
//! there. Whatever is found, the broker starts, and the history up to that moment has no broken
//! promise.

use check::Checker;
use sim::{Losses, Programme, Random, SimDisk};

use crate::bus::options;
use crate::run::{Run, judge_end};

/// Seeds that failed once.
const REGRESSIONS: [u64; 0] = [];

const COMMANDS: u64 = 160;

#[test]
fn a_power_loss_at_any_moment_breaks_no_promise() {
    let programme = Programme::new("cargo test -p tubepost-broker --test instruments power_loss");
    let images = programme.size(16_000, 1_500_000);
    let (mut runs, mut reclaims, mut rewrites, mut copies) = (0, 0, 0, 0);
    for seed in programme.seeds(u64::MAX / 2, u64::MAX / 2, &REGRESSIONS) {
        if programme.cases() >= images {
            break;
        }
        let _replay = programme.replay(seed);
        let (reclaimed, rewrote, copied) = run(seed, &programme);
        runs += 1;
        reclaims += usize::from(reclaimed);
        rewrites += usize::from(rewrote);
        copies += usize::from(copied);
    }
    let enough = 8 * reclaims > runs && 2 * rewrites > runs && 16 * copies > runs;
    let did = format!(
        "of {runs} runs {reclaims} gave back space, {rewrites} rewrote the ledger, {copies} copied \
         messages forward"
    );
    assert!(enough || programme.is_replay() || programme.is_over(), "{did}");
    programme.finish("images after a power loss", images);
}

/// Runs one script; returns whether it gave back a segment, whether it rewrote the ledger, and
/// whether it copied messages forward.
fn run(seed: u64, programme: &Programme) -> (bool, bool, bool) {
    let mut options = options(if seed.is_multiple_of(2) { 2048 } else { 8192 });
    options.compaction_slack_segments = u32::from(!seed.is_multiple_of(3));
    let disk = SimDisk::new().logged();
    let disk = if seed.is_multiple_of(5) { disk.grow_only() } else { disk };
    let mut run = Run::begin(disk, options.clone(), seed).unwrap();
    run.script(COMMANDS).unwrap();
    let log = run.disk.log();
    let mut replay = log.replay();
    let (mut checker, mut seen) = (Checker::default(), 0);
    let mut random = Random::new(seed);
    // A few in every run, so that there are many runs: the long one has all combinations of more.
    let losses = match sim::is_torture() {
        false => Losses { exhaustive_up_to: 2, samples: 3 },
        true => Losses { exhaustive_up_to: 6, samples: 24 },
    };
    loop {
        while let Some((_, event)) =
            run.history.get(seen).filter(|(moment, _)| *moment <= replay.moment())
        {
            checker.observe(event);
            seen += 1;
        }
        for (index, image) in replay.images(&mut random, losses).into_iter().enumerate() {
            let context = format!("seed {seed}, moment {}, image {index}", replay.moment());
            let (report, found) = judge_end(checker.clone(), image, &options, &context);
            assert!(report.is_clean(), "{context}: {report}");
            let alarm = found.damage.iter().find(|damage| !damage.contains("last write before"));
            assert_eq!(alarm, None, "{context}: a power loss was taken for damage");
            programme.count(1);
        }
        if programme.is_over() || !replay.advance() {
            break;
        }
    }
    let names = run.disk.live().names();
    let first = |directory: &str| names.iter().find(|name| name.starts_with(directory));
    let moved_on = |directory| first(directory).is_some_and(|name| !name.ends_with("0001.log"));
    (moved_on("messages/"), moved_on("ledger/"), run.bus.copied_bytes() > 0)
}

/// The control: were syncs to do nothing, this would be seen.
#[test]
fn a_broker_on_a_disk_that_does_not_sync_is_found_out() {
    let mut found_out = 0;
    for seed in 1..=10 {
        let options = options(2048);
        let mut run = Run::begin(SimDisk::new().lie_about_syncs(), options.clone(), seed).unwrap();
        run.script(COMMANDS).unwrap();
        let mut checker = Checker::default();
        run.history.iter().for_each(|(_, event)| checker.observe(event));
        for image in run.disk.after_power_loss(&mut Random::new(seed), 4) {
            let (report, _) = judge_end(checker.clone(), image, &options, "a disk that lies");
            found_out += usize::from(!report.verdicts.is_empty());
        }
    }
    assert!(found_out >= 40, "found out {found_out} times of 60");
}
