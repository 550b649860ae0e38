//! The property list of a content header, kept as it came: checked once, passed on verbatim, read
//! where it is needed.

use bytes::{Bytes, BytesMut};

use crate::{
    BasicProperties, Error, FieldTable, FieldValue, Reader, ShortStr,
    generated::basic_properties::{self as wire, PROPERTIES},
    limits::FIELD_DEPTH_MAX,
};

/// How a property is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PropertyKind {
    ShortStr,
    Table,
    Octet,
    Timestamp,
}

/// A property: its bit in the flag word, and how it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) flag: u16,
    pub(crate) kind: PropertyKind,
    pub(crate) name: &'static str,
}

/// Every bit of the flag word that a property has. The two lowest have none: one is spare, the
/// other announces a second flag word (AMQP 0-9-1 §4.2.6.1), which class `basic` never needs.
pub(crate) const KNOWN_FLAGS: u16 = {
    let mut flags = 0;
    let mut rest = PROPERTIES.as_slice();
    while let Some((property, others)) = rest.split_first() {
        flags |= property.flag;
        rest = others;
    }
    flags
};

/// A well-formed list of `basic` properties: flag word and values, as on the wire. A slice of the
/// read buffer when it came from a peer. Once it exists, reading from it cannot fail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PropertyList(Bytes);

impl PropertyList {
    /// A list without properties.
    pub const EMPTY: Self = Self(Bytes::from_static(&[0, 0]));

    /// Walks over the list once and takes it as it is. Allocates nothing.
    ///
    /// # Errors
    /// 501 when cut short or too long; 502 for an unknown flag, a string that is not UTF-8, or a
    /// bad table.
    pub fn parse(list: Bytes) -> Result<Self, Error> {
        Self::parse_within(list, FIELD_DEPTH_MAX)
    }

    /// As [`parse`](Self::parse), with a lower limit to how deep headers may be nested.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_within(list: Bytes, depth_max: usize) -> Result<Self, Error> {
        let mut reader = Reader::within(&list, depth_max);
        let flags = reader.property_flags()?;
        for property in PROPERTIES.iter().filter(|property| flags & property.flag != 0) {
            match property.kind {
                PropertyKind::ShortStr => reader.skip_short_string(property.name)?,
                PropertyKind::Table => reader.skip_table(property.name)?,
                PropertyKind::Octet => reader.skip(property.name, 1)?,
                PropertyKind::Timestamp => reader.skip(property.name, 8)?,
            }
        }
        reader.finish()?;
        Ok(Self(list))
    }

    /// The list as on the wire.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Every property, read.
    ///
    /// # Errors
    /// None for a list that [`parse`](Self::parse) took; the result only spares a panic.
    pub fn decode(&self) -> Result<BasicProperties, Error> {
        BasicProperties::decode(&self.0)
    }

    /// `delivery-mode` as sent: 1 is transient, 2 is persistent, anything else is the sender's
    /// mistake.
    pub fn delivery_mode(&self) -> Option<u8> {
        self.at(wire::DELIVERY_MODE)?.octet("delivery-mode").ok()
    }

    /// Whether the message must survive a restart: `delivery-mode` is 2.
    pub fn is_persistent(&self) -> bool {
        self.delivery_mode() == Some(2)
    }

    /// `priority`.
    pub fn priority(&self) -> Option<u8> {
        self.at(wire::PRIORITY)?.octet("priority").ok()
    }

    /// `expiration`: milliseconds as decimal digits, when the sender kept to it.
    pub fn expiration(&self) -> Option<ShortStr> {
        self.at(wire::EXPIRATION)?.short_string("expiration").ok()
    }

    /// `user-id`.
    pub fn user_id(&self) -> Option<ShortStr> {
        self.at(wire::USER_ID)?.short_string("user-id").ok()
    }

    /// `reply-to`.
    pub fn reply_to(&self) -> Option<ShortStr> {
        self.at(wire::REPLY_TO)?.short_string("reply-to").ok()
    }

    /// `headers`.
    pub fn headers(&self) -> Option<FieldTable> {
        self.at(wire::HEADERS)?.table("headers").ok()
    }

    /// Whether a header has one of these names. Walks over the headers and allocates nothing, so it
    /// may be asked of every message.
    pub fn has_header(&self, names: &[&str]) -> bool {
        let Some(mut reader) = self.at(wire::HEADERS) else { return false };
        let Ok(mut fields) = reader.part("headers") else { return false };
        while fields.remaining() > 0 {
            match fields.short_string("headers") {
                Ok(name) if names.contains(&name.as_str()) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
            if FieldValue::skip(&mut fields, "headers", 0).is_err() {
                return false;
            }
        }
        false
    }

    /// The same list in memory of its own, so that it no longer keeps a read buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// A reader that stands before the value of this property; none when it is absent. Tables are
    /// passed over by their length.
    fn at(&self, flag: u16) -> Option<Reader<'_>> {
        let mut reader = Reader::new(&self.0);
        let flags = reader.property_flags().ok()?;
        if flags & flag == 0 {
            return None;
        }
        let before = PROPERTIES.iter().take_while(|property| property.flag != flag);
        for property in before.filter(|property| flags & property.flag != 0) {
            let length = match property.kind {
                PropertyKind::ShortStr => reader.octet(property.name).ok()?.into(),
                PropertyKind::Table => reader.length(property.name).ok()?,
                PropertyKind::Octet => 1,
                PropertyKind::Timestamp => 8,
            };
            reader.skip(property.name, length).ok()?;
        }
        Some(reader)
    }
}

impl Default for PropertyList {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl From<&BasicProperties> for PropertyList {
    fn from(properties: &BasicProperties) -> Self {
        let mut out = BytesMut::new();
        properties.encode(&mut out);
        Self(out.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReplyCode, fault::Fault};

    fn all() -> BasicProperties {
        let text = |text| Some(ShortStr::from_static(text));
        BasicProperties {
            content_type: text("text/plain"),
            content_encoding: text("gzip"),
            headers: Some(
                [(ShortStr::from_static("k"), FieldValue::Bool(true))].into_iter().collect(),
            ),
            delivery_mode: Some(2),
            priority: Some(9),
            correlation_id: text("c"),
            reply_to: text("answers"),
            expiration: text("60000"),
            message_id: text("m"),
            timestamp: Some(1),
            kind: text("t"),
            user_id: text("guest"),
            app_id: text("a"),
            cluster_id: text(""),
        }
    }

    #[test]
    fn the_two_lowest_bits_of_the_flags_belong_to_no_property() {
        assert_eq!(KNOWN_FLAGS, 0xfffc);
        for flags in [b"\0\x01", b"\0\x02"] {
            let error = PropertyList::parse(Bytes::from_static(flags)).unwrap_err();
            assert!(matches!(error.fault(), Fault::PropertyFlags { .. }));
            assert_eq!(error.reply_code(), ReplyCode::SyntaxError);
        }
    }

    #[test]
    fn a_single_property_is_found_wherever_it_stands() {
        let list = PropertyList::from(&all());
        let list = PropertyList::parse(list.as_bytes().clone()).unwrap();
        assert_eq!(list.decode(), Ok(all()));
        assert_eq!(list.delivery_mode(), Some(2));
        assert_eq!(list.priority(), Some(9));
        assert_eq!(list.expiration(), all().expiration);
        assert_eq!(list.user_id(), all().user_id);
        assert_eq!(list.reply_to(), all().reply_to);
        assert_eq!(list.headers(), all().headers);
        assert!(list.is_persistent());
    }

    #[test]
    fn a_header_is_found_by_its_name_at_the_top_only() {
        let inner: FieldTable =
            [(ShortStr::from_static("CC"), FieldValue::Void)].into_iter().collect();
        let headers = [
            (ShortStr::from_static("t"), FieldValue::Table(inner)),
            (ShortStr::from_static("BCC"), FieldValue::Array(vec![FieldValue::I8(1)])),
        ];
        let headers = Some(headers.into_iter().collect());
        let list = PropertyList::from(&BasicProperties { headers, ..all() });
        assert!(list.has_header(&["BCC"]) && list.has_header(&["none", "t"]));
        assert!(!list.has_header(&["CC"]) && !list.has_header(&[]));
        assert!(!PropertyList::EMPTY.has_header(&["t"]));
    }

    #[test]
    fn an_absent_property_is_none_whatever_else_is_there() {
        let absent = BasicProperties {
            headers: None,
            delivery_mode: None,
            priority: None,
            expiration: None,
            user_id: None,
            reply_to: None,
            ..all()
        };
        for list in [PropertyList::EMPTY, PropertyList::from(&absent)] {
            assert_eq!((list.delivery_mode(), list.priority()), (None, None));
            assert_eq!((list.expiration(), list.user_id(), list.reply_to()), (None, None, None));
            assert_eq!((list.headers(), list.is_persistent()), (None, false));
        }
    }

    #[test]
    fn only_delivery_mode_2_is_persistent() {
        for mode in [0, 1, 3, 255] {
            let properties = BasicProperties { delivery_mode: Some(mode), ..Default::default() };
            assert!(!PropertyList::from(&properties).is_persistent(), "{mode}");
        }
    }

    #[test]
    fn a_list_cut_anywhere_or_with_more_behind_it_is_refused() {
        let whole = PropertyList::from(&all()).as_bytes().clone();
        for end in 0..whole.len() {
            let error = PropertyList::parse(whole.slice(..end)).unwrap_err();
            assert_eq!(error.reply_code(), ReplyCode::FrameError, "cut at {end}: {error}");
        }
        let longer = Bytes::from([&whole[..], b"x"].concat());
        let error = PropertyList::parse(longer).unwrap_err();
        assert_eq!(error.fault(), &Fault::Trailing { left: 1 });
    }
}
