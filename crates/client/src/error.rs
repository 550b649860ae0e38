//! What can go wrong between a service and its bus. Every variant names the bus and the mend.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    BusUrl,
    conversation::{Ending, Refusal},
};

/// A failure to reach or use the bus, or the spool. The bus is shown without its password.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not the address of a bus.
    #[error(
        "'{text}' is not the address of a bus: {reason}; write amqp://user:password@host:5672/vhost"
    )]
    Url {
        /// The text, with what may be a password masked.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host's name has no address.
    #[error("bus {bus}: no address for the host '{}' ({reason}); correct the name in TUBEPOST_BUS or --bus", .bus.host())]
    UnknownHost {
        /// The bus.
        bus: BusUrl,
        /// The resolver's words.
        reason: String,
    },
    /// The host is there, and nothing listens at the port.
    #[error(
        "bus {bus}: connection refused; is `tubepost serve` running? For another bus set TUBEPOST_BUS"
    )]
    ConnectionRefused {
        /// The bus.
        bus: BusUrl,
    },
    /// No connection for another reason: no route, TLS, a peer that hangs up.
    #[error("bus {bus}: no connection: {reason}")]
    Unreachable {
        /// The bus.
        bus: BusUrl,
        /// What the system, TLS or the peer said.
        reason: String,
    },
    /// What listens there does not speak AMQP, or not this one.
    #[error(
        "bus {bus}: what listens there does not speak {} ({reason}); is it the right port, and the right one of amqp:// and amqp10://?",
        .bus.protocol()
    )]
    NotAmqp {
        /// The bus.
        bus: BusUrl,
        /// What was received.
        reason: String,
    },
    /// Unknown user, wrong password, or a user that may not come from here.
    #[error("bus {bus} refused the login {}", login_refused(.bus, .text))]
    LoginRefused {
        /// The bus.
        bus: BusUrl,
        /// The broker's words.
        text: String,
    },
    /// The virtual host does not exist, or the user may not enter it.
    #[error("bus {bus} refused the virtual host '{}': {text}; {}", .bus.vhost(), vhost_mend(.bus))]
    VirtualHost {
        /// The bus.
        bus: BusUrl,
        /// The broker's words.
        text: String,
    },
    /// The broker refused one thing and closed the channel (AMQP 0-9-1 §1.5.2.5).
    #[error("bus {bus} refused {what}: {code} {text}")]
    Refused {
        /// The bus.
        bus: BusUrl,
        /// The event or queue.
        what: String,
        /// AMQP reply code: 403 access refused, 404 not found, 406 precondition failed …
        code: u16,
        /// The broker's words.
        text: String,
    },
    /// The broker could not take responsibility for an event now: a queue is full, a disk failed
    /// (RabbitMQ: `basic.nack`).
    #[error(
        "bus {bus} did not take {what} (basic.nack: a queue that wants it is full or failing); try again later"
    )]
    Nacked {
        /// The bus.
        bus: BusUrl,
        /// The event.
        what: String,
    },
    /// The connection ended. What was not confirmed may or may not have arrived; what was not
    /// acknowledged comes again.
    #[error("connection to bus {bus} lost: {reason}")]
    Lost {
        /// The bus.
        bus: BusUrl,
        /// How it ended.
        reason: String,
    },
    /// No answer in time.
    #[error("bus {bus} did not {what} within {} s", .after.as_secs())]
    TimedOut {
        /// The bus.
        bus: BusUrl,
        /// What was waited for: `confirm event …`.
        what: String,
        /// How long.
        after: Duration,
    },
    /// The event has something AMQP cannot carry.
    #[error("event {id}: {reason}")]
    Event {
        /// The event's id.
        id: String,
        /// Which header or property, and what is wrong.
        reason: String,
    },
    /// The spool holds as much as it may. Nothing of the batch was kept.
    #[error("spool {} is full: it holds {size_bytes} bytes of at most {size_bytes_max}, and {wanted_bytes} more were handed over; let an agent deliver it (is the bus away?), remove what lies under damaged/ and refused/, or allow more", .directory.display())]
    SpoolFull {
        /// The spool.
        directory: PathBuf,
        /// What it holds, in bytes.
        size_bytes: u64,
        /// What it may hold, in bytes.
        size_bytes_max: u64,
        /// What the batch needs, in bytes.
        wanted_bytes: u64,
    },
    /// The disk under the outbox has too little space left. Nothing was kept.
    #[error("outbox {}: {free_bytes} bytes are free on its disk and {needed_bytes} needed; free space there, or name another spool.directory", .directory.display())]
    DiskFull {
        /// The outbox.
        directory: PathBuf,
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that have to be.
        needed_bytes: u64,
    },
    /// The agent's journal failed: nothing more is taken over until it is started again.
    #[error("outbox {}: {reason}", .directory.display())]
    Outbox {
        /// The outbox.
        directory: PathBuf,
        /// The journal's words, with the mend.
        reason: String,
    },
    /// No agent answers at the socket, or it went away before it answered. What it was handed may
    /// or may not be taken over; hand it over again with the same id.
    #[error("agent {}: {reason}; is `tubepost agent` or `tubepost serve` running? Another socket is named by TUBEPOST_AGENT_SOCKET", .socket.display())]
    AgentAway {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The agent does not take this event.
    #[error("agent {} refused event {id}: {reason}", .socket.display())]
    AgentRefused {
        /// The socket.
        socket: PathBuf,
        /// The event's id.
        id: String,
        /// The agent's words, with the mend.
        reason: String,
    },
    /// The socket cannot be made.
    #[error("agent's socket {}: {reason}", .socket.display())]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// What is in the way, with the mend.
        reason: String,
    },
    /// What the library was told by a variable or the configuration file is no value.
    #[error("{place}: {problem}")]
    Configuration {
        /// The variable, the key, or the file.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What was to be published is no event: its topic or body.
    #[error("{0}")]
    NoEvent(event::Error),
    /// The disk, or the rights on it, stand in the spool's way.
    #[error("spool: cannot {doing} {}: {source}", .path.display())]
    Spool {
        /// The file or directory.
        path: PathBuf,
        /// `create`, `write`, `read` …
        doing: &'static str,
        /// The system's words.
        source: Arc<io::Error>,
    },
}

impl Error {
    /// Whether waiting may mend it: the bus is away, busy, or does not let us in for now. The
    /// opposite is a refusal of this one event or queue.
    pub fn is_outage(&self) -> bool {
        match self {
            Error::UnknownHost { .. }
            | Error::ConnectionRefused { .. }
            | Error::Unreachable { .. }
            | Error::NotAmqp { .. }
            | Error::LoginRefused { .. }
            | Error::VirtualHost { .. }
            | Error::Nacked { .. }
            | Error::Lost { .. }
            | Error::TimedOut { .. }
            | Error::AgentAway { .. } => true,
            Error::Url { .. }
            | Error::Refused { .. }
            | Error::Event { .. }
            | Error::SpoolFull { .. }
            | Error::DiskFull { .. }
            | Error::Outbox { .. }
            | Error::AgentRefused { .. }
            | Error::Socket { .. }
            | Error::Configuration { .. }
            | Error::NoEvent(_)
            | Error::Spool { .. } => false,
        }
    }

    pub(crate) fn spool(path: impl Into<PathBuf>, doing: &'static str, source: io::Error) -> Error {
        Error::Spool { path: path.into(), doing, source: Arc::new(source) }
    }

    pub(crate) fn outbox(directory: &Path, source: &journal::Error) -> Error {
        Error::Outbox { directory: directory.to_owned(), reason: source.to_string() }
    }

    pub(crate) fn lost(bus: &BusUrl, reason: impl Into<String>) -> Error {
        Error::Lost { bus: bus.clone(), reason: reason.into() }
    }

    /// An error of the TCP connection before AMQP begins.
    pub(crate) fn of_socket(bus: &BusUrl, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Error::ConnectionRefused { bus: bus.clone() },
            _ => Error::Unreachable { bus: bus.clone(), reason: error.to_string() },
        }
    }

    /// The peer went away before the AMQP handshake was over.
    pub(crate) fn hung_up(bus: &BusUrl, error: &io::Error) -> Error {
        let reason = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the end of the stream".to_owned(),
            _ => error.to_string(),
        };
        let reason = format!(
            "it hung up during the handshake ({reason}); is it an AMQP port, and are user and password right?"
        );
        Error::Unreachable { bus: bus.clone(), reason }
    }

    /// `what` was asked for, unless the refusal knows better.
    pub(crate) fn of_refusal(bus: &BusUrl, what: &str, refusal: Refusal) -> Error {
        let Refusal { what: known, code, text } = refusal;
        let what = known.unwrap_or_else(|| what.to_owned());
        Error::Refused { bus: bus.clone(), what, code, text }
    }

    /// The end of an open connection on which `what` was asked for.
    pub(crate) fn of_ending(bus: &BusUrl, what: &str, ending: Ending) -> Error {
        match ending {
            Ending::Lost(reason) => Error::lost(bus, reason),
            Ending::Refused(refusal) => Error::of_refusal(bus, what, refusal),
        }
    }
}

fn login_refused(bus: &BusUrl, text: &str) -> String {
    match bus.is_external() {
        true => format!("by certificate: {text}; is there a user of the name in it?"),
        false => format!("of '{}': {text}; check user and password", bus.user()),
    }
}

fn vhost_mend(bus: &BusUrl) -> &'static str {
    match bus.vhost() {
        "" => {
            "the URL ends with '/', which names the virtual host ''; for the usual '/' leave the '/' out or write /%2F"
        }
        _ => "create it or give the user access, or correct the part after the port",
    }
}
