//! IRC as a destination: one connection to the one server of the configuration, made with the first
//! notice and kept; its loss is [`Failure::Away`]. An address is a nick or a channel.

mod address;
mod line;
mod pace;
mod registration;
mod session;
mod settings;
mod wire;
mod wording;

use std::collections::HashSet;

use http_door::call::{Identity, Trusted, connector, connector_as, trusted};
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc, oneshot},
    time::timeout,
};
use tokio_rustls::TlsConnector;

pub(crate) use address::check as check_address;
pub use settings::{Irc, IrcSettings};
#[cfg(test)]
pub(crate) use wording::lines;

use crate::{Destination, Error, Failure, Notice};
use pace::Pace;
use registration::{Registration, Step};
use session::{Saying, Session};
use settings::Login;
use wire::{Stream, Wire};

/// Tells notices on IRC.
pub struct IrcMessenger {
    irc: Irc,
    /// With `ircs:` only.
    tls: Option<TlsConnector>,
    /// The way to the connection there is.
    connection: Mutex<Option<mpsc::Sender<Saying>>>,
}

impl IrcMessenger {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Settings`] when there is no authority to trust, or the certificate cannot be used.
    pub fn new(irc: &Irc) -> Result<IrcMessenger, Error> {
        let wrong = |why: String| Error::Settings(vec![format!("notify.irc.{why}")]);
        let tls = match irc.tls {
            true => {
                let trusted: Trusted = trusted(irc.ca_file.as_deref())
                    .map_err(|why| wrong(format!("ca_file: {why}")))?;
                Some(match &irc.certificate {
                    None => connector(trusted),
                    Some((certificate, key)) => {
                        let identity = Identity::of_files(certificate, key)
                            .map_err(|why| wrong(format!("certificate_file: {why}")))?;
                        connector_as(trusted, identity)
                            .map_err(|why| wrong(format!("certificate_file: {why}")))?
                    }
                })
            }
            false => None,
        };
        Ok(IrcMessenger { irc: irc.clone(), tls, connection: Mutex::default() })
    }

    /// A connection that was welcomed, and the task that owns it.
    async fn connect(&self) -> Result<mpsc::Sender<Saying>, String> {
        let at = format!("IRC server {}:{}", self.irc.host, self.irc.port);
        let connecting = async {
            let address = (self.irc.host.as_str(), self.irc.port);
            let stream = TcpStream::connect(address).await;
            let stream = stream.map_err(|error| format!("{error}; check notify.irc.url"))?;
            let _ = stream.set_nodelay(true);
            let stream: Box<dyn Stream> = match &self.tls {
                None => Box::new(stream),
                Some(tls) => {
                    let name = ServerName::try_from(self.irc.host.clone())
                        .map_err(|_| "the name cannot be in a certificate".to_owned())?;
                    let stream = tls.connect(name, stream).await;
                    Box::new(stream.map_err(|error| format!("TLS: {error}"))?)
                }
            };
            let mut wire = Wire::new(stream, self.irc.timeout);
            let (mut registration, lines) = Registration::begin(&self.irc.login, &self.irc.nick);
            wire.say(&lines).await?;
            loop {
                match registration.hear(&wire.hear().await?) {
                    Step::Say(lines) if lines.is_empty() => {}
                    Step::Say(lines) => wire.say(&lines).await?,
                    Step::Refused(why) => return Err(why),
                    Step::Welcome(nick) => return Ok((wire, nick)),
                }
            }
        };
        let (wire, nick) = match timeout(self.irc.timeout, connecting).await {
            Ok(connected) => connected.map_err(|why| format!("{at}: {why}"))?,
            Err(_) => {
                let seconds = self.irc.timeout.as_secs();
                return Err(format!("{at}: not ready within {seconds} s"));
            }
        };
        tracing::info!(nick, "connected to {at}");
        let (says, sayings) = mpsc::channel(1);
        let session = Session {
            wire,
            nick,
            pace: Pace::new(self.irc.burst_lines, self.irc.line_pause),
            patience: self.irc.timeout,
            joined: HashSet::new(),
            pings: 0,
        };
        tokio::spawn(session.run(sayings));
        Ok(says)
    }
}

impl Destination for IrcMessenger {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let target = notice.to.address().to_owned();
        let lines = wording::lines(notice, &self.irc.templates, bytes_max(&target));
        let mut connection = self.connection.lock().await;
        let says = match connection.take().filter(|says| !says.is_closed()) {
            Some(says) => says,
            None => self.connect().await.map_err(Failure::Away)?,
        };
        let (ended, outcome) = oneshot::channel();
        let over = || Failure::Away("IRC: the connection ended".to_owned());
        says.send(Saying { target, lines, ended }).await.map_err(|_| over())?;
        *connection = Some(says);
        outcome.await.map_err(|_| over())?
    }

    // The server allows no more than a few lines, whoever they are for.
    fn at_once(&self) -> usize {
        1
    }
}

impl std::fmt::Debug for IrcMessenger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IrcMessenger").field("irc", &self.irc).finish_non_exhaustive()
    }
}

/// What a server hands on has 512 bytes with its end, and begins with who says it: a nick of 30, a
/// user of 11 and a host of 64 are the most there are.
fn bytes_max(target: &str) -> usize {
    let head = ":!@ PRIVMSG  :".len() + settings::NICK_BYTES_MAX + 11 + 64 + target.len();
    (510 - head).min(LINE_BYTES_MAX)
}

const LINE_BYTES_MAX: usize = 400;
