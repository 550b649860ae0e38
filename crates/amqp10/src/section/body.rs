//! The body: which of three kinds, and the octets of data sections.

use std::ops::Range;

use bytes::Bytes;

use super::{
    SectionKind,
    pieces::{Walk, slices},
};
use crate::generated::format_code as code;

/// What a message's body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// No section at all.
    Absent,
    /// Data sections.
    Data,
    /// Sequence sections.
    Sequence,
    /// One value.
    Value,
}

impl BodyKind {
    /// What the body is when this section was found as well.
    pub(super) const fn or(self, section: SectionKind) -> Self {
        match section {
            SectionKind::Data => Self::Data,
            SectionKind::Sequence => Self::Sequence,
            SectionKind::Value => Self::Value,
            _ => self,
        }
    }
}

/// The octets in data sections: slices of the pieces that the message came in.
#[derive(Debug)]
pub struct DataSections<'a> {
    pieces: &'a [Bytes],
    /// The sections that are left, from the message's first octet.
    left: Range<usize>,
    walk: Walk<'a>,
}

impl<'a> DataSections<'a> {
    pub(super) fn new(pieces: &'a [Bytes], sections: Range<usize>) -> Self {
        let mut walk = Walk::new(pieces);
        // The sections lie in the message, so this does not fail; if it did, nothing would come.
        let left = walk.skip(sections.start).map_or(0..0, |()| sections);
        Self { pieces, left, walk }
    }

    /// Passes a section's head and contents; gives where the contents stand.
    fn section(&mut self) -> Option<Range<usize>> {
        self.walk.octet().ok()?;
        match self.walk.octet().ok()? {
            code::SMALLULONG => self.walk.skip(1).ok()?,
            code::ULONG => self.walk.skip(8).ok()?,
            code => {
                let length = self.walk.length(code == code::SYM32).ok()?;
                self.walk.skip(length).ok()?;
            }
        }
        let is_wide = self.walk.octet().ok()? == code::VBIN32;
        let length = self.walk.length(is_wide).ok()?;
        let start = self.walk.position();
        self.walk.skip(length).ok()?;
        Some(start..start + length)
    }
}

impl Iterator for DataSections<'_> {
    /// A section's octets, in as many slices as pieces they lie in.
    type Item = super::Pieces;

    fn next(&mut self) -> Option<Self::Item> {
        if self.walk.position() >= self.left.end {
            return None;
        }
        // The sections were looked at when the message was parsed: none of this fails.
        let Range { start, end } = self.section()?;
        Some(slices(self.pieces, start, end).collect())
    }
}
