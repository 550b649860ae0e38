//! The checker put to the test: a small broker with twelve bugs to choose from. Each has to be
//! found, whatever the seed, and the broker without a bug has to pass.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod broker;
mod run;

use broker::Bug;
use check::{Minimum, Report, Verdict, judge};

const SEEDS: u64 = 40;

fn report(bug: Option<Bug>, seed: u64) -> Report {
    judge(run::history(bug, seed), &Minimum::confirmed(100))
}

/// The bug is found with every seed, and at least once as what it is.
fn is_found(bug: Bug, expected: impl Fn(&Verdict) -> bool) {
    let mut as_expected = 0;
    for seed in 1..=SEEDS {
        let report = report(Some(bug), seed);
        assert!(!report.verdicts.is_empty(), "{bug:?} was not found with seed {seed}: {report}");
        as_expected += usize::from(report.verdicts.iter().any(&expected));
    }
    assert!(as_expected > 0, "{bug:?} was never found as what it is");
}

fn is_lost(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Lost { .. })
}

#[test]
fn a_broker_without_a_bug_passes() {
    let (mut excused, mut duplicates, mut recovered) = (0, 0, 0);
    for seed in 1..=5 * SEEDS {
        let report = report(None, seed);
        assert!(report.is_clean(), "seed {seed}: {report}");
        excused += report.excused;
        duplicates += report.duplicates;
        recovered += report.recovered;
    }
    // What is allowed happened, or the run proves little.
    assert!(excused > 10 && duplicates > 10 && recovered > 10);
}

#[test]
fn a_confirm_before_the_sync_is_found() {
    is_found(Bug::ConfirmBeforeSync, is_lost);
}

#[test]
fn a_last_record_that_recovery_skips_is_found() {
    is_found(Bug::SkipLastRecord, is_lost);
}

#[test]
fn a_message_dropped_when_it_is_requeued_is_found() {
    is_found(Bug::DropOnRequeue, is_lost);
}

#[test]
fn an_ack_of_the_wrong_delivery_is_found() {
    is_found(Bug::AckWrongTag, |verdict| matches!(verdict, Verdict::RedeliveredAfterSettle { .. }));
}

#[test]
fn a_failed_sync_that_is_ignored_is_found() {
    is_found(Bug::IgnoreFailedSync, is_lost);
}

#[test]
fn a_recovery_that_passes_over_a_hole_in_silence_is_found() {
    is_found(Bug::RecoverPastHole, is_lost);
}

#[test]
fn a_deleted_queue_that_comes_back_is_found() {
    let back = |verdict: &Verdict| {
        matches!(verdict, Verdict::ThingResurrected { .. } | Verdict::Resurrected { .. })
    };
    is_found(Bug::ResurrectQueue, back);
}

#[test]
fn two_swapped_bodies_are_found() {
    is_found(Bug::SwapBodies, |verdict| matches!(verdict, Verdict::Altered { .. }));
}

#[test]
fn a_lost_dead_letter_is_found() {
    is_found(Bug::LoseDeadLetter, is_lost);
}

#[test]
fn an_expiry_that_happens_twice_is_found() {
    is_found(Bug::DoubleExpiry, |verdict| matches!(verdict, Verdict::UnmarkedRedelivery { .. }));
}

#[test]
fn confirms_in_another_order_are_found() {
    is_found(Bug::ReorderConfirms, |verdict| matches!(verdict, Verdict::FalseConfirm { .. }));
}

#[test]
fn a_forgotten_redelivered_flag_is_found() {
    let unmarked = |verdict: &Verdict| matches!(verdict, Verdict::UnmarkedRedelivery { .. });
    is_found(Bug::ForgetRedelivered, unmarked);
}

#[test]
fn a_run_that_did_too_little_is_invalid() {
    let history = run::history(None, 1);
    let report = judge(history.clone(), &Minimum::confirmed(1_000_000));
    assert!(report.verdicts.is_empty() && !report.is_clean(), "{report}");
    assert!(report.to_string().starts_with("invalid: "), "{report}");
    // Nor does one that ends before anybody looked.
    let drained = |record: &check::Record| !matches!(record.event, check::Event::Drained { .. });
    let report = judge(history.into_iter().filter(drained), &Minimum::confirmed(100));
    assert!(report.to_string().contains("was not drained at the end"), "{report}");
}

#[test]
fn a_run_that_was_too_slow_before_its_crash_is_invalid() {
    let history = run::history(None, 1).into_iter().enumerate().map(|(index, record)| {
        // A millisecond an event, and a quick end.
        check::Record { at_us: index as u64 * 1000, ..record }
    });
    let minimum = Minimum { confirmed: 100, confirmed_per_second: 2000 };
    let report = judge(history.clone(), &minimum);
    assert!(
        report.to_string().contains("messages a second were confirmed, under 2000"),
        "{report}"
    );
    assert!(judge(history, &Minimum { confirmed_per_second: 5, ..minimum }).is_clean());
}
