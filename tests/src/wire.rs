//! AMQP 0-9-1 by hand on a blocking socket, for tests that have more connections than a client
//! library could hold.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Result, bail, ensure};

/// A connection to `/`.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
}

/// Class and method of what the server says, and its arguments.
pub type Said = ((u16, u16), Vec<u8>);

const METHOD: u8 = 1;
const HEARTBEAT: &[u8] = b"\x08\0\0\0\0\0\0\xce";
const PATIENCE: Duration = Duration::from_secs(60);

impl Wire {
    /// Connects and logs in. The heartbeat in seconds is the client's wish, and it is granted.
    ///
    /// # Errors
    /// The server refuses.
    pub fn open(address: SocketAddr, heartbeat: u16) -> Result<Wire> {
        Wire::open_as(address, ("guest", "guest"), heartbeat)
    }

    /// As [`Wire::open`], as a user with that name and password.
    ///
    /// # Errors
    /// As there.
    pub fn open_as(
        address: SocketAddr,
        (user, password): (&str, &str),
        heartbeat: u16,
    ) -> Result<Wire> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut wire = Wire { socket };
        wire.socket.write_all(b"AMQP\0\0\x09\x01")?;
        wire.expect((10, 10))?;
        let login = format!("\0{user}\0{password}");
        let length = (login.len() as u32).to_be_bytes();
        let start_ok = [&b"\0\0\0\0"[..], b"\x05PLAIN", &length, login.as_bytes(), b"\x05en_US"];
        wire.send(0, (10, 11), &start_ok.concat())?;
        wire.expect((10, 30))?;
        let tune_ok = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes()].concat();
        wire.send(0, (10, 31), &[&tune_ok[..], &heartbeat.to_be_bytes()].concat())?;
        wire.send(0, (10, 40), b"\x01/\0\0")?;
        wire.expect((10, 41))?;
        Ok(wire)
    }

    /// Says a method.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn send(
        &mut self,
        channel: u16,
        (class, method): (u16, u16),
        arguments: &[u8],
    ) -> Result<()> {
        Ok(self.socket.write_all(&frame(channel, (class, method), arguments))?)
    }

    /// Opens a channel.
    ///
    /// # Errors
    /// The server refuses.
    pub fn open_channel(&mut self, channel: u16) -> Result<()> {
        self.send(channel, (20, 10), b"\0")?;
        self.expect((20, 11)).map(drop)
    }

    /// Declares a queue, durable or not, and waits until it is there.
    ///
    /// # Errors
    /// The server refuses.
    pub fn declare(&mut self, channel: u16, name: &str, is_durable: bool) -> Result<()> {
        let bits = [u8::from(is_durable) << 1];
        let arguments = [&b"\0\0"[..], &short(name), &bits, b"\0\0\0\0"].concat();
        self.send(channel, (50, 10), &arguments)?;
        self.expect((50, 11)).map(drop)
    }

    /// Says octets as they are.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn send_octets(&mut self, octets: &[u8]) -> Result<()> {
        Ok(self.socket.write_all(octets)?)
    }

    /// The next method, past heartbeats.
    ///
    /// # Errors
    /// Nothing comes, or the end.
    pub fn said(&mut self) -> Result<Said> {
        loop {
            let mut prefix = [0; 7];
            self.socket.read_exact(&mut prefix)?;
            let size = u32::from_be_bytes([prefix[3], prefix[4], prefix[5], prefix[6]]);
            let mut payload = vec![0; size as usize + 1];
            self.socket.read_exact(&mut payload)?;
            if prefix[0] == METHOD {
                ensure!(payload.len() >= 5, "a method of {size} octets");
                let number = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
                let id = (number(0), number(2));
                return Ok((id, payload[4..payload.len() - 1].to_vec()));
            }
        }
    }

    /// The next method, which has to be this one.
    ///
    /// # Errors
    /// It is another: a close with its text.
    pub fn expect(&mut self, expected: (u16, u16)) -> Result<Vec<u8>> {
        let (id, arguments) = self.said()?;
        if id != expected {
            let text = String::from_utf8_lossy(&arguments);
            bail!("{expected:?} was to come, and {id:?} came: {text}");
        }
        Ok(arguments)
    }

    /// Says a heartbeat, and takes what has come: how many heartbeats.
    ///
    /// # Errors
    /// The server has closed.
    pub fn beat(&mut self) -> Result<usize> {
        self.socket.write_all(HEARTBEAT)?;
        self.socket.set_nonblocking(true)?;
        let mut octets = [0; 1024];
        let read = match self.socket.read(&mut octets) {
            Ok(0) => bail!("the server has closed the connection"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        self.socket.set_nonblocking(false)?;
        let beats = octets[..read].chunks(HEARTBEAT.len());
        ensure!(beats.clone().all(|it| it == HEARTBEAT), "{:?}", &octets[..read]);
        Ok(beats.len())
    }
}

/// A short string, as arguments have it.
pub fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// The frame of a method.
pub fn frame(channel: u16, (class, method): (u16, u16), arguments: &[u8]) -> Vec<u8> {
    let size = (arguments.len() + 4) as u32;
    let parts = [
        &[METHOD][..],
        &channel.to_be_bytes(),
        &size.to_be_bytes(),
        &class.to_be_bytes(),
        &method.to_be_bytes(),
        arguments,
        b"\xce",
    ];
    parts.concat()
}
