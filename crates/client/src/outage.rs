//! One outage of the bus as a service lives it: said once, waited out, and its end said.

use std::{mem::Discriminant, time::Instant};

use tracing::{debug, info, warn};

use crate::{Error, back_off::BackOff};

/// Between the first failure and the bus's return.
#[derive(Debug)]
pub(crate) struct Outage {
    /// Who waits, for the log: `subscriber of queue 'mail'`.
    who: String,
    began: Option<Instant>,
    said: Vec<Discriminant<Error>>,
    back_off: BackOff,
}

impl Outage {
    pub(crate) fn none(who: String) -> Outage {
        Outage { who, began: None, said: Vec::new(), back_off: BackOff::new() }
    }

    /// Says the failure, unless it was said, and pauses before the next try.
    pub(crate) async fn wait(&mut self, error: &Error) {
        let pause = self.back_off.pause();
        let kind = std::mem::discriminant(error);
        // Away is one story however it shows; a refusal in the middle of it is another.
        if self.began.is_none() || (needs_somebody(error) && !self.said.contains(&kind)) {
            warn!(who = %self.who, reason = %error, "bus away, trying again until it is back");
            self.said.push(kind);
        } else {
            debug!(who = %self.who, reason = %error, ?pause, "bus still away");
        }
        self.began.get_or_insert_with(Instant::now);
        tokio::time::sleep(pause).await;
    }

    /// The bus is there again.
    pub(crate) fn over(&mut self) {
        if let Some(began) = self.began.take() {
            info!(who = %self.who, after = ?began.elapsed(), "bus is back");
        }
        self.said.clear();
    }

    /// It stayed: the next failure is a new story, and is tried again soon.
    pub(crate) fn forget(&mut self) {
        self.over();
        self.back_off.reset();
    }
}

fn needs_somebody(error: &Error) -> bool {
    !matches!(
        error,
        Error::ConnectionRefused { .. }
            | Error::Unreachable { .. }
            | Error::Lost { .. }
            | Error::TimedOut { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BusUrl;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_said_once_a_refusal_in_it_once_more_and_its_end_once() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);

        let bus = BusUrl::default();
        let lost = Error::lost(&bus, "it is closed");
        let refused = Error::ConnectionRefused { bus: bus.clone() };
        let login = Error::LoginRefused { bus, text: "403".to_owned() };
        let mut outage = Outage::none("subscriber of queue 'mail'".to_owned());
        for error in [&lost, &refused, &refused, &login, &login, &refused] {
            outage.wait(error).await;
        }
        outage.over();
        outage.over();

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("bus away").count(), 2, "{log}");
        assert_eq!(log.matches("bus is back").count(), 1, "{log}");
        assert!(log.contains("it is closed") && log.contains("queue 'mail'"), "{log}");
    }
}
