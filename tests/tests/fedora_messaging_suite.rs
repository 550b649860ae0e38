//! fedora-messaging's own integration suite against Tubepost. RabbitMQ 3.10 passes all of it but
//! one.

use anyhow::{Result, ensure};
use harness::{Network, run_suite, suite_tests};

/// Tests that the suite of the version in `tests/python/suites.txt` has.
const TESTS: usize = 28;

/// The longest test alone takes 70 s of sleep; so many side by side end with it.
const NETWORKS: usize = 7;

#[test]
fn all_of_fedora_messagings_own_integration_suite_passes() -> Result<()> {
    if !Network::is_allowed() {
        println!("skipped: the suite knows its ports, and only root may make a network for it");
        return Ok(());
    }
    let tests = suite_tests()?;
    ensure!(tests.len() == TESTS, "{} tests where {TESTS} were expected: {tests:?}", tests.len());
    let (tally, report) = run_suite(&tests, NETWORKS)?;
    ensure!(
        (tally.passed, tally.failed) == (TESTS, 0),
        "{} passed, {} failed of {TESTS}:\n{report}",
        tally.passed,
        tally.failed
    );
    Ok(())
}
