//! A message as it was received: where each section stands, and the octets as they came.

use std::ops::Range;

use bytes::Bytes;

use super::{
    BodyKind, DataSections, MapSection, Pieces, SectionKind,
    pieces::{Walk, joined, slices},
};
use crate::{
    Decode, Error, Fault, Reach, Reader,
    generated::{descriptor, format_code as code},
    limits::MESSAGE_SIZE_MAX,
    messaging::{Header, Properties},
    types::{Kind, Value},
};

/// A received message. Finding its sections costs a few steps for each, however large they are, and
/// checks their order, their descriptors and their sizes; what is in them is checked when it is
/// read. It keeps the read buffer alive.
#[derive(Clone, Debug)]
pub struct Message {
    pieces: Pieces,
    /// Where each of the places in a message begins, and the end: a place that is empty begins
    /// where the next one does.
    starts: [u32; PLACES + 1],
    body_kind: BodyKind,
}

/// The places of AMQP 1.0 §3.2: header, two kinds of annotations, properties, application
/// properties, body, footer.
const PLACES: usize = 7;
const BODY: usize = 5;
const FOOTER: usize = 6;
const BARE: Range<usize> = 3..FOOTER;

impl Message {
    /// Finds the sections of a message whose transfers brought these pieces. A message without a
    /// body is taken: there are senders that leave out an empty one.
    ///
    /// # Errors
    /// `amqp:decode-error` for something that is no section, a section out of order or repeated, or
    /// one whose size points behind the end. It reaches the link.
    pub fn parse(pieces: Pieces) -> Result<Self, Error> {
        let mut walk = Walk::new(&pieces);
        match find(&mut walk) {
            Ok((starts, body_kind)) => Ok(Self { pieces, starts, body_kind }),
            Err(error) => Err(error.reaching(Reach::Link)),
        }
    }

    /// Its size in octets.
    pub fn size(&self) -> usize {
        self.place(0..PLACES).end
    }

    /// The header, with its defaults when there is none.
    ///
    /// # Errors
    /// It cannot be decoded.
    pub fn header(&self) -> Result<Header, Error> {
        //= amqp-1.0 §3.2.1 defaults-assumed
        self.decode(SectionKind::Header).map(Option::unwrap_or_default)
    }

    /// The properties.
    ///
    /// # Errors
    /// They cannot be decoded.
    pub fn properties(&self) -> Result<Option<Properties>, Error> {
        self.decode(SectionKind::Properties)
    }

    /// The delivery annotations.
    pub fn delivery_annotations(&self) -> Option<MapSection> {
        self.map_section(SectionKind::DeliveryAnnotations)
    }

    /// The message annotations.
    pub fn message_annotations(&self) -> Option<MapSection> {
        self.map_section(SectionKind::MessageAnnotations)
    }

    /// The application properties.
    pub fn application_properties(&self) -> Option<MapSection> {
        self.map_section(SectionKind::ApplicationProperties)
    }

    /// The footer.
    pub fn footer(&self) -> Option<MapSection> {
        self.map_section(SectionKind::Footer)
    }

    /// Properties, application properties and body: what no broker may change, bit for bit.
    pub fn bare(&self) -> impl Iterator<Item = Bytes> + '_ {
        //= amqp-1.0 §3.2 bare-unchanged
        // The bare message is immutable within the AMQP network.
        let Range { start, end } = self.place(BARE);
        slices(&self.pieces, start, end)
    }

    /// The size of the bare message in octets.
    pub fn bare_size(&self) -> usize {
        self.place(BARE).len()
    }

    /// What kind of sections the body is made of.
    pub fn body_kind(&self) -> BodyKind {
        self.body_kind
    }

    /// The body's sections as they came, heads included.
    pub fn body(&self) -> impl Iterator<Item = Bytes> + '_ {
        let Range { start, end } = self.place(BODY..FOOTER);
        slices(&self.pieces, start, end)
    }

    /// The octets in the body's data sections, one section after the other; nothing when the body
    /// is of another kind.
    pub fn data(&self) -> DataSections<'_> {
        let Range { start, end } = self.place(BODY..FOOTER);
        let kind = self.body_kind;
        DataSections::new(&self.pieces, if kind == BodyKind::Data { start..end } else { 0..0 })
    }

    /// The body's value; none when the body is of another kind.
    ///
    /// # Errors
    /// It cannot be decoded.
    pub fn value(&self) -> Result<Option<Value>, Error> {
        if self.body_kind != BodyKind::Value {
            return Ok(None);
        }
        Ok(match self.decode(SectionKind::Value)? {
            Some(Value::Described(described)) => Some(described.value),
            _ => None,
        })
    }

    /// A section as it came, head included; of a body in several sections all of them.
    pub fn octets(&self, kind: SectionKind) -> Option<Bytes> {
        self.section(kind).map(|(_, octets)| octets)
    }

    fn decode<T: Decode>(&self, kind: SectionKind) -> Result<Option<T>, Error> {
        let Some((at, octets)) = self.section(kind) else { return Ok(None) };
        let mut reader = Reader::new(&octets);
        let decoded = T::decode(&mut reader).and_then(|it| reader.finish().map(|()| it));
        decoded.map(Some).map_err(|error| error.moved(at).reaching(Reach::Link))
    }

    fn map_section(&self, kind: SectionKind) -> Option<MapSection> {
        self.section(kind).map(|(at, octets)| MapSection::new(at, octets))
    }

    /// Where a section begins, and the section as it came, head included.
    fn section(&self, kind: SectionKind) -> Option<(usize, Bytes)> {
        let place = place_of(kind);
        let Range { start, end } = self.place(place..place + 1);
        (start < end).then(|| (start, joined(&self.pieces, start, end)))
    }

    /// From the beginning of one place to the beginning of another.
    fn place(&self, places: Range<usize>) -> Range<usize> {
        let start = |place: usize| self.starts.get(place).map_or(0, |start| *start as usize);
        start(places.start)..start(places.end)
    }
}

const fn place_of(kind: SectionKind) -> usize {
    match kind {
        SectionKind::Header => 0,
        SectionKind::DeliveryAnnotations => 1,
        SectionKind::MessageAnnotations => 2,
        SectionKind::Properties => 3,
        SectionKind::ApplicationProperties => 4,
        SectionKind::Data | SectionKind::Sequence | SectionKind::Value => BODY,
        SectionKind::Footer => FOOTER,
    }
}

/// Goes from section to section.
fn find(walk: &mut Walk<'_>) -> Result<([u32; PLACES + 1], BodyKind), Error> {
    let Ok(end) = u32::try_from(walk.end()) else {
        return Err(Error::new(Fault::MessageTooLarge { size: walk.end() }, MESSAGE_SIZE_MAX));
    };
    let mut starts = [NOT_FOUND; PLACES + 1];
    let mut before = None;
    let mut body_kind = BodyKind::Absent;
    while !walk.is_at_end() {
        let position = walk.position();
        let kind = section_kind(walk)?;
        if let Some(before) = before.filter(|before| !kind.may_follow(*before)) {
            return Err(Error::new(Fault::SectionOrder { found: kind, before }, position));
        }
        // Of a body in several sections the first one counts.
        if let Some(start @ &mut NOT_FOUND) = starts.get_mut(place_of(kind)) {
            *start = position as u32;
        }
        skip_content(kind, walk)?;
        body_kind = body_kind.or(kind);
        before = Some(kind);
    }
    let mut next = end;
    for start in starts.iter_mut().rev() {
        if *start == NOT_FOUND {
            *start = next;
        }
        next = *start;
    }
    Ok((starts, body_kind))
}

/// No section begins there: it would end behind the largest message.
const NOT_FOUND: u32 = u32::MAX;

/// Reads a section's descriptor.
#[inline]
fn section_kind(walk: &mut Walk<'_>) -> Result<SectionKind, Error> {
    let at = walk.position();
    match walk.clone().chunk() {
        Some([code::DESCRIBED, code::SMALLULONG, number]) => {
            walk.skip(3)?;
            let number = u64::from(number);
            SectionKind::of_descriptor(number).ok_or_else(|| no_section(format!("{number:#x}"), at))
        }
        _ => any_section_kind(at, walk),
    }
}

#[cold]
fn no_section(descriptor: String, at: usize) -> Error {
    Error::new(Fault::Descriptor { descriptor, expected: "a section of a message" }, at)
}

/// The same for every way to write a descriptor, in however many pieces.
#[cold]
fn any_section_kind(at: usize, walk: &mut Walk<'_>) -> Result<SectionKind, Error> {
    match walk.octet()? {
        code::DESCRIBED => {}
        code => return Err(wrong_type(code, "a described value", at)),
    }
    let number = match walk.octet()? {
        code::SMALLULONG => u64::from(walk.octet()?),
        code::ULONG => {
            let high = walk.length(true)? as u64;
            high << 32 | walk.length(true)? as u64
        }
        code @ (code::SYM8 | code::SYM32) => {
            let length = walk.length(code == code::SYM32)?;
            let mut symbol = String::new();
            // No section's symbol is longer.
            for _ in 0..length.min(64) {
                symbol.push(char::from(walk.octet()?));
            }
            walk.skip(length.saturating_sub(64))?;
            return descriptor::of_symbol(&symbol)
                .and_then(SectionKind::of_descriptor)
                .ok_or_else(|| no_section(symbol, at));
        }
        code => return Err(wrong_type(code, "a descriptor of ulong or symbol", at + 1)),
    };
    SectionKind::of_descriptor(number).ok_or_else(|| no_section(format!("{number:#x}"), at))
}

/// Passes the value in a section, which must be of the section's type.
#[inline]
fn skip_content(kind: SectionKind, walk: &mut Walk<'_>) -> Result<(), Error> {
    let at = walk.position();
    let code = walk.octet()?;
    let expected = match (kind, code) {
        (SectionKind::Header | SectionKind::Properties | SectionKind::Sequence, _) => match code {
            code::LIST8 | code::LIST32 | code::LIST0 => None,
            _ => Some(Kind::List),
        },
        (SectionKind::Data, code::VBIN8 | code::VBIN32) => None,
        (SectionKind::Data, _) => Some(Kind::Binary),
        (SectionKind::Value, _) => return skip_value(code, walk),
        (_, code::MAP8 | code::MAP32) => None,
        _ => Some(Kind::Map),
    };
    match expected {
        None => skip_data(code, walk),
        Some(expected) => Err(wrong_type(code, expected.name(), at)),
    }
}

/// Passes a value by its size alone.
fn skip_value(mut code: u8, walk: &mut Walk<'_>) -> Result<(), Error> {
    // A described value is a descriptor and a value, either of them described again for all that
    // is known: so many values are still to pass.
    let mut left = 1_usize;
    loop {
        match Kind::of_code(code) {
            Some(Kind::Described) => left += 2,
            Some(_) => skip_data(code, walk)?,
            None => return Err(wrong_type(code, "a value", walk.position() - 1)),
        }
        left -= 1;
        if left == 0 {
            return Ok(());
        }
        code = walk.octet()?;
    }
}

/// Passes what follows a format code: its upper half says how long that is (AMQP 1.0 §1.2).
#[inline]
fn skip_data(code: u8, walk: &mut Walk<'_>) -> Result<(), Error> {
    let length = match code >> 4 {
        0x4 => 0,
        0x5 => 1,
        0x6 => 2,
        0x7 => 4,
        0x8 => 8,
        0x9 => 16,
        0xa | 0xc | 0xe => walk.length(false)?,
        _ => walk.length(true)?,
    };
    walk.skip(length)
}

#[cold]
fn wrong_type(code: u8, expected: &'static str, at: usize) -> Error {
    let fault = match Kind::of_code(code) {
        Some(found) => Fault::Type { code, found, expected },
        None => Fault::FormatCode { code },
    };
    Error::new(fault, at)
}
