//! The byte stream below the protocols: TCP, or TLS over it, that never blocks but where it is told
//! to wait. One thread both sends and receives on it, so neither side can stop the other.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant},
};

use client::BusUrl;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ClientConnection, pki_types::ServerName};

use crate::Error;

/// A connected peer.
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(TcpStream, Box<ClientConnection>),
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// Where to connect to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// TLS with these settings.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// For messages: the URL without its password.
    pub(crate) shown: String,
}

impl Address {
    /// A bus's.
    ///
    /// # Errors
    /// Its certificates cannot be used.
    pub(crate) fn of(url: &BusUrl) -> Result<Address, Error> {
        let tls = match url.is_tls() {
            true => {
                let config = client::tls_config(url)
                    .map_err(|reason| Error::Unreachable { target: url.to_string(), reason })?;
                Some(Arc::new(config))
            }
            false => None,
        };
        let (host, shown) = (url.host().to_owned(), url.to_string());
        Ok(Address { host, port: url.port(), tls, shown })
    }
}

impl Wire {
    /// Connects to the first of the host's addresses that answers.
    pub(crate) fn connect(address: &Address) -> Result<Wire, Error> {
        let unreachable =
            |reason: String| Error::Unreachable { target: address.shown.clone(), reason };
        let found = (address.host.as_str(), address.port)
            .to_socket_addrs()
            .map_err(|error| unreachable(error.to_string()))?;
        let mut last = unreachable("the host has no address".to_owned());
        for socket_address in found {
            match connect_to(socket_address) {
                Ok(tcp) => return Wire::over(tcp, address),
                Err(error) => last = unreachable(error.to_string()),
            }
        }
        Err(last)
    }

    fn over(tcp: TcpStream, address: &Address) -> Result<Wire, Error> {
        let Some(config) = &address.tls else { return Ok(Wire::Plain(tcp)) };
        let unreachable =
            |reason: String| Error::Unreachable { target: address.shown.clone(), reason };
        let name = ServerName::try_from(address.host.clone())
            .map_err(|error| unreachable(format!("TLS: {error}")))?;
        let tls = ClientConnection::new(config.clone(), name)
            .map_err(|error| unreachable(format!("TLS: {error}")))?;
        Ok(Wire::Tls(tcp, Box::new(tls)))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Wire::Plain(tcp) | Wire::Tls(tcp, _) => tcp,
        }
    }

    /// Reads what is there; 0 when there is nothing now.
    ///
    /// # Errors
    /// `UnexpectedEof` at the stream's end.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match self {
            Wire::Plain(tcp) => tcp.read(into),
            Wire::Tls(tcp, tls) => rustls::Stream::new(&mut **tls, tcp).read(into),
        };
        match read {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the broker closed the connection",
            )),
            other => or_nothing(other),
        }
    }

    /// Writes what is taken; 0 when nothing is taken now.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        or_nothing(match self {
            Wire::Plain(tcp) => tcp.write(octets),
            Wire::Tls(tcp, tls) => rustls::Stream::new(&mut **tls, tcp).write(octets),
        })
    }

    /// Waits for one of these, and no longer than that. With TLS it may be that neither is there.
    pub(crate) fn wait(&self, interest: Interest, longest: Duration) -> io::Result<()> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, interest.readable);
        let holds_back = matches!(self, Wire::Tls(_, tls) if tls.wants_write());
        flags.set(PollFlags::OUT, interest.writable || holds_back);
        let timeout = Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: longest.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(self.tcp(), flags)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes all of it.
    pub(crate) fn write_all(&mut self, mut octets: &[u8], until: Instant) -> io::Result<()> {
        while !octets.is_empty() {
            let written = self.write(octets)?;
            octets = octets.get(written..).unwrap_or_default();
            if written == 0 {
                self.wait(Interest { readable: false, writable: true }, left(until)?)?;
            }
        }
        Ok(())
    }
}

fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    tcp.set_nodelay(true)?;
    tcp.set_nonblocking(true)?;
    Ok(tcp)
}

fn or_nothing(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
        {
            Ok(0)
        }
        other => other,
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
        false => Ok(left),
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
