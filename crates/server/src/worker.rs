//! A thread of the server's own, beside those of its connections. If it panics, the server has
//! failed: nobody else does its work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
};

use tokio::sync::watch;

/// Where a worker says why it cannot go on, and the process has to end.
pub(crate) type Failed = watch::Sender<Option<String>>;

/// A running thread.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread, which works until it is told to stop or has to give up.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(
        name: &'static str,
        failed: Failed,
        work: impl FnOnce(&AtomicBool, &Failed) + Send + 'static,
    ) -> std::io::Result<Worker> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let alarm = Alarm { name, failed };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&stopped, &alarm.failed))?;
        Ok(Worker { stop, thread })
    }

    /// Tells the thread to stop, and waits until it has. `wake` ends whatever it waits for; one
    /// that is parked goes on.
    pub(crate) fn stop(self, wake: impl FnOnce()) {
        self.stop.store(true, SeqCst);
        wake();
        self.thread.thread().unpark();
        // A panic has been said by the alarm.
        self.thread.join().ok();
    }
}

/// Says so when the thread panics.
struct Alarm {
    name: &'static str,
    failed: Failed,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = format!("the {} thread panicked", self.name);
            tracing::error!("{reason}");
            self.failed.send_replace(Some(reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_panics_fails_the_server() {
        let (failed, reason) = watch::channel(None);
        let worker = Worker::start("test", failed, |_, _| panic!("on purpose")).unwrap();
        worker.stop(|| ());
        assert_eq!(reason.borrow().as_deref(), Some("the test thread panicked"));
    }

    #[test]
    fn a_worker_works_until_it_is_told_to_stop() {
        let (failed, reason) = watch::channel(None);
        let (wake, woken) = std::sync::mpsc::channel::<()>();
        let work = move |stop: &AtomicBool, _: &Failed| {
            // Ends when nobody can wake it any more; the other when the thread is unparked.
            woken.recv().ok();
            std::thread::park();
            assert!(stop.load(SeqCst));
        };
        Worker::start("test", failed, work).unwrap().stop(|| drop(wake));
        assert_eq!(*reason.borrow(), None);
    }
}
