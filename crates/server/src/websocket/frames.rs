//! What clients' frames hold (RFC 6455 §5), taken out where it stands: frames of any size, in
//! pieces of any size. Where one ends means nothing to AMQP, so no frame is waited for.

use std::io::Cursor;

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

/// Takes frames apart. One for each connection.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a head, as far as it is here.
    head: Vec<u8>,
    current: Option<Current>,
    /// A message began and goes on in the next frame.
    is_continued: bool,
    /// The last ping that was not answered yet; those before it need no answer (RFC 6455 §5.5.3).
    pub(super) ping: Option<Vec<u8>>,
    /// The client closed. What comes behind is nothing.
    pub(super) closed: Option<Closed>,
}

/// A frame of which something is still to come, or just its end.
#[derive(Debug)]
struct Current {
    kind: Kind,
    left: u64,
    mask: [u8; 4],
}

#[derive(Debug)]
enum Kind {
    Data,
    Ping(Vec<u8>),
    Pong,
    Close(Vec<u8>),
}

/// How a client closed: with its code, or without any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed(pub(super) Option<u16>);

/// What a client may not send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error(
        "the client sent a text frame; AMQP goes in binary ones: it has to send bytes (in a \
         browser an ArrayBuffer), not a string"
    )]
    Text,
    #[error("the client broke the WebSocket protocol: {0} (RFC 6455)")]
    Protocol(&'static str),
}

impl Violation {
    pub(super) fn code(&self) -> CloseCode {
        match self {
            Violation::Text => CloseCode::Unsupported,
            Violation::Protocol(_) => CloseCode::Protocol,
        }
    }
}

impl Frames {
    /// Moves what binary frames hold to the front of `octets`, unmasked; how much that is.
    pub(super) fn take(&mut self, octets: &mut [u8]) -> Result<usize, Violation> {
        let (mut from, mut to) = (0, 0);
        while self.closed.is_none() {
            let Some(current) = &mut self.current else {
                let Some(rest) = octets.get(from..).filter(|rest| !rest.is_empty()) else { break };
                let (count, current) = self.begin(rest)?;
                from += count;
                self.current = current;
                continue;
            };
            let here = octets.len() - from;
            let count = usize::try_from(current.left).unwrap_or(here).min(here);
            if let Some(piece) = octets.get_mut(from..from + count) {
                current.unmask(piece);
                match &mut current.kind {
                    Kind::Data => {
                        octets.copy_within(from..from + count, to);
                        to += count;
                    }
                    Kind::Ping(said) | Kind::Close(said) => said.extend_from_slice(piece),
                    Kind::Pong => {}
                }
            }
            from += count;
            current.left -= count as u64;
            if current.left > 0 {
                break;
            }
            if let Some(current) = self.current.take() {
                self.end(current.kind)?;
            }
        }
        Ok(to)
    }

    /// Reads a head, or the part of it that is here; how much of `octets` belongs to it.
    fn begin(&mut self, octets: &[u8]) -> Result<(usize, Option<Current>), Violation> {
        let known = self.head.len();
        let more = octets.len().min(HEAD_BYTES_MAX - known);
        self.head.extend_from_slice(octets.get(..more).unwrap_or_default());
        let mut cursor = Cursor::new(&self.head);
        let read = FrameHeader::parse(&mut cursor);
        let read = read.map_err(|_| Violation::Protocol("a frame of no known kind"))?;
        let Some((header, length)) = read else { return Ok((more, None)) };
        let count = usize::try_from(cursor.position()).unwrap_or(known).saturating_sub(known);
        self.head.clear();
        Ok((count, Some(self.current(&header, length)?)))
    }

    fn current(&mut self, header: &FrameHeader, length: u64) -> Result<Current, Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol("a reserved bit is set, and no extension was agreed"));
        }
        let Some(mask) = header.mask else {
            return Err(Violation::Protocol("a client's frames have to be masked"));
        };
        if length > i64::MAX as u64 {
            return Err(Violation::Protocol("a length has 63 bits"));
        }
        let kind = match header.opcode {
            OpCode::Data(data) => {
                match (data, self.is_continued) {
                    (Data::Text, _) => return Err(Violation::Text),
                    (Data::Binary, false) | (Data::Continue, true) => {}
                    (Data::Continue, false) => {
                        return Err(Violation::Protocol("a frame goes on with nothing"));
                    }
                    _ => return Err(Violation::Protocol("a message begins within another")),
                }
                self.is_continued = !header.is_final;
                Kind::Data
            }
            OpCode::Control(_) if !header.is_final || length > CONTROL_BYTES_MAX => {
                return Err(Violation::Protocol("a control frame is whole and at most 125 bytes"));
            }
            OpCode::Control(Control::Ping) => Kind::Ping(Vec::new()),
            OpCode::Control(Control::Pong) => Kind::Pong,
            OpCode::Control(_) => Kind::Close(Vec::new()),
        };
        Ok(Current { kind, left: length, mask })
    }

    fn end(&mut self, kind: Kind) -> Result<(), Violation> {
        match kind {
            Kind::Data | Kind::Pong => {}
            Kind::Ping(said) => self.ping = Some(said),
            Kind::Close(said) => {
                let code = said.first_chunk().map(|code| u16::from_be_bytes(*code));
                if said.len() == 1 {
                    return Err(Violation::Protocol("a close has no code or a whole one"));
                }
                self.closed = Some(Closed(code));
            }
        }
        Ok(())
    }
}

impl Current {
    /// RFC 6455 §5.3. The next piece goes on where this one ends.
    fn unmask(&mut self, piece: &mut [u8]) {
        let [a, b, c, d] = self.mask;
        let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (eights, rest) = piece.as_chunks_mut::<8>();
        for eight in eights {
            *eight = (u64::from_ne_bytes(*eight) ^ twice).to_ne_bytes();
        }
        rest.iter_mut().zip(self.mask.iter().cycle()).for_each(|(octet, mask)| *octet ^= mask);
        self.mask.rotate_left(rest.len() % 4);
    }
}

/// What frames hold that come in pieces of so many octets: data, the last ping, and the code of a
/// close (0: none was said).
///
/// # Errors
/// What a client may not send, in words.
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::type_complexity, reason = "for comparison only")]
pub fn unframed(
    octets: &[u8],
    size: usize,
) -> Result<(Vec<u8>, Option<Vec<u8>>, Option<u16>), String> {
    let mut frames = Frames::default();
    let data = taken(&mut frames, octets, size.max(1)).map_err(|it| it.to_string())?;
    Ok((data, frames.ping, frames.closed.map(|Closed(code)| code.unwrap_or(0))))
}

/// What is taken out of octets that come in pieces of such a size.
#[cfg(any(test, feature = "fuzzing"))]
fn taken(frames: &mut Frames, octets: &[u8], size: usize) -> Result<Vec<u8>, Violation> {
    let mut all = Vec::new();
    for piece in octets.chunks(size) {
        let mut piece = piece.to_vec();
        let count = frames.take(&mut piece)?;
        all.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    Ok(all)
}

/// A frame of the server's begins.
pub(super) fn put_head(opcode: OpCode, length: usize, out: &mut Vec<u8>) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    let written = header.format(length as u64, out);
    debug_assert!(written.is_ok(), "memory takes it");
}

/// RFC 6455 §5.2.
const HEAD_BYTES_MAX: usize = 14;

/// RFC 6455 §5.5.
const CONTROL_BYTES_MAX: u64 = 125;

#[cfg(test)]
pub(super) mod tests {
    use std::{fs, path::Path};

    use super::*;

    const BINARY: u8 = 0x82;
    const TEXT: u8 = 0x81;
    const GOES_ON: u8 = 0x00;
    const CLOSE: u8 = 0x88;
    const PING: u8 = 0x89;

    /// A client's frame.
    pub(in super::super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut out = vec![first];
        match payload.len() {
            length @ 0..126 => out.push(0x80 | length as u8),
            length @ 126..65_536 => {
                out.push(0x80 | 126);
                out.extend((length as u16).to_be_bytes());
            }
            length => {
                out.push(0x80 | 127);
                out.extend((length as u64).to_be_bytes());
            }
        }
        out.extend(mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
        out
    }

    #[test]
    fn what_frames_hold_is_found_however_it_comes() {
        let body: Vec<u8> = (0..70_000u32).map(|n| (n / 3) as u8).collect();
        let octets = [
            frame(BINARY, b"AM"),
            frame(0x02, b"QP"),
            frame(PING, b"there?"),
            frame(GOES_ON, b""),
            frame(0x8a, b"unasked"),
            frame(0x80, &body[..200]),
            frame(BINARY, &body),
            frame(BINARY, b""),
            frame(BINARY, b"end"),
        ]
        .concat();
        let expected = [b"AMQP", &body[..200], &body, b"end"].concat();
        for size in [1, 2, 3, 5, 13, 14, 15, 1000, 65_537, octets.len()] {
            let mut frames = Frames::default();
            let all = taken(&mut frames, &octets, size).unwrap();
            assert!(all == expected, "in pieces of {size}: {} octets", all.len());
            assert_eq!(frames.ping.take().as_deref(), Some(&b"there?"[..]));
            assert_eq!(frames.closed, None);
        }
    }

    #[test]
    fn behind_a_close_there_is_nothing() {
        for (payload, code) in [(&[][..], None), (&[0x03, 0xe8], Some(1000))] {
            let octets = [frame(BINARY, b"a"), frame(CLOSE, payload), frame(TEXT, b"b")].concat();
            for size in [1, 4, 100] {
                let mut frames = Frames::default();
                assert_eq!(taken(&mut frames, &octets, size).unwrap(), b"a");
                assert_eq!(frames.closed, Some(Closed(code)));
            }
        }
    }

    #[test]
    fn what_a_client_may_not_send_is_refused() {
        let unmasked = vec![BINARY, 1, b'a'];
        let too_long = [vec![PING, 0x80 | 126, 0, 126], vec![0; 4 + 126]].concat();
        let huge = [vec![BINARY, 0x80 | 127], vec![0xff; 8], vec![0; 4]].concat();
        for (octets, violation) in [
            (frame(TEXT, b"AMQP"), "text frame"),
            (unmasked, "masked"),
            (frame(0xc2, b"a"), "reserved bit"),
            (frame(0x83, b"a"), "no known kind"),
            (frame(0x8b, b"a"), "no known kind"),
            (frame(0x80, b"a"), "goes on with nothing"),
            ([frame(0x02, b"a"), frame(BINARY, b"b")].concat(), "within another"),
            (frame(0x09, b"a"), "control frame"),
            (too_long, "control frame"),
            (frame(CLOSE, b"a"), "a whole one"),
            (huge, "63 bits"),
        ] {
            for size in [1, 1000] {
                let error = taken(&mut Frames::default(), &octets, size).unwrap_err();
                let said = error.to_string();
                assert!(said.contains(violation), "{octets:02x?}: {said}");
                let code = if violation == "text frame" { 1003 } else { 1002 };
                assert_eq!(u16::from(error.code()), code);
            }
        }
    }

    #[test]
    fn what_fuzzing_found_holds_the_same_however_it_comes() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/websocket");
        let mut replayed = 0;
        for file in fs::read_dir(&corpus).unwrap() {
            let octets = fs::read(file.unwrap().path()).unwrap();
            // As the fuzz target.
            let Some((&size, octets)) = octets.split_first() else { continue };
            let whole = unframed(octets, octets.len());
            assert_eq!(unframed(octets, size.into()), whole);
            replayed += 1;
        }
        assert!(replayed >= 20, "{replayed} files in {}", corpus.display());
    }

    #[test]
    fn any_octets_whatsoever_are_taken_or_refused() {
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut octets = [0; 64];
            octets.iter_mut().for_each(|octet| {
                // Knuth's constants (MMIX).
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *octet = (seed >> 56) as u8;
            });
            octets[0] &= 0x8f;
            octets[1] |= 0x80;
            let mut frames = Frames::default();
            let at_once = frames.take(&mut octets.clone());
            let singly = taken(&mut Frames::default(), &octets, 1);
            match (at_once, singly) {
                (Ok(count), Ok(all)) => assert_eq!(count, all.len()),
                (Err(one), Err(other)) => assert_eq!(one, other),
                (one, other) => panic!("{one:?} and {other:?} of {octets:02x?}"),
            }
        }
    }
}
