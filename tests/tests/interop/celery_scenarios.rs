//! Celery with workers as processes, and kombu below it.

use anyhow::{Result, ensure};
use harness::{Broker, CeleryWorker, Site, python_script_with};

/// Five workers on four queues, and what is asked of them.
pub(crate) fn run_all(site: &Site, broker: Broker) -> Result<()> {
    let folder = site.path("results");
    std::fs::create_dir(&folder)?;
    let folder = folder.display().to_string();
    let store = format!("file://{folder}");
    let start =
        |name, pool, variables: &[(&str, &str)]| CeleryWorker::start(site, name, pool, variables);
    let mut main = start("main", "prefork", &[])?;
    let chords = [("CELERY_QUEUE", "chords"), ("CELERY_RESULTS", store.as_str())];
    let mut chords = start("chords", "threads", &chords)?;
    let quorum = [("CELERY_QUEUE", "quorum"), ("CELERY_QUEUE_TYPE", "quorum")];
    let mut quorum = start("quorum", "solo", &quorum)?;
    let late = [("CELERY_QUEUE", "late")];
    let mut pair = [start("late-1", "solo", &late)?, start("late-2", "solo", &late)?];
    for worker in [&mut main, &mut chords, &mut quorum].into_iter().chain(&mut pair) {
        worker.wait_until_ready()?;
    }
    let url = site.amqp_url();
    let variables = [("CELERY_BUS", url.as_str()), ("CELERY_RESULTS_FOLDER", folder.as_str())];
    python_script_with("celery_scenarios.py", &url, broker, &variables)?;
    let killed = pair.iter_mut().filter_map(|it| it.is_killed().then_some(())).count();
    ensure!(killed == 1, "one worker was to kill itself, {killed} did");
    main.stop()?;
    chords.stop()?;
    quorum.stop()
}
