//! Mail as a destination: a letter from [`Letterhead`], handed to a server by [`session`].

mod body;
mod connector;
mod dkim;
mod header_text;
mod html;
mod letterhead;
mod message_id;
mod patches;
mod session;
mod shortened;

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

pub(crate) use body::visible;
pub use dkim::Dkim;
pub(crate) use header_text::{one_line, turns_text};
pub use letterhead::Letterhead;

use connector::Connector;
use session::{Session, Stop};

use crate::{Destination, Error, Failure, Mail, Notice, limits::IDLE_MAX};

/// Delivers notices by SMTP. Keeps its connections between mails; as many as are used at once.
#[derive(Debug)]
pub struct Mailer {
    letterhead: Letterhead,
    connector: Connector,
    dkim: Option<Dkim>,
    at_once: usize,
    // Ours, not lettre's pool: that one puts a connection back whose command was cut off by a
    // timeout, and the next mail would read its late answer.
    idle: Mutex<Vec<(Session, Instant)>>,
}

impl Mailer {
    /// A mailer. Connects when there is something to send.
    ///
    /// # Errors
    /// [`Error::Tls`] when the certificates to trust cannot be used.
    pub fn new(mail: &Mail) -> Result<Mailer, Error> {
        Ok(Mailer {
            letterhead: Letterhead::new(mail),
            connector: Connector::new(mail)?,
            dkim: mail.dkim.clone(),
            at_once: mail.connections_max,
            idle: Mutex::default(),
        })
    }

    /// A connection that was used before, unless it rested so long that the server may be gone.
    fn take_idle(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (session, since) = idle.pop()?;
        (since.elapsed() < IDLE_MAX).then_some(session)
    }

    fn put_back(&self, session: Session) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((session, Instant::now()));
    }
}

impl Destination for Mailer {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let refused = |reason: String| {
            Failure::Refused(format!("event {} is no mail: {reason}", notice.event.id))
        };
        let letter = self.letterhead.render(notice).map_err(refused)?;
        let (envelope, text) = (letter.envelope(), letter.formatted());
        let text = match &self.dkim {
            Some(dkim) => dkim.sign(&text).map_err(refused)?,
            None => text,
        };
        if let Some(mut session) = self.take_idle() {
            match session.send(envelope, &text).await {
                // The server closed it while it rested: no mail was begun, a new one will do.
                Err(Stop { begun: false, usable: false, .. }) => drop(session),
                Err(stop) => {
                    if stop.usable {
                        self.put_back(session);
                    }
                    return Err(stop.failure);
                }
                Ok(()) => {
                    self.put_back(session);
                    return Ok(());
                }
            }
        }
        let mut session = self.connector.connect().await.map_err(Failure::Away)?;
        let sent = session.send(envelope, &text).await;
        if sent.as_ref().map_or_else(|stop| stop.usable, |()| true) {
            self.put_back(session);
        }
        sent.map_err(|stop| stop.failure)
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    async fn rest(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for (session, _) in idle {
            session.quit().await;
        }
    }
}
