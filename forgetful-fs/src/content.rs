//! What a file holds: pages of 4 KiB, shared until one is changed. Pages that are not there are
//! zeros, as in a file with reserved space.

use std::{collections::HashMap, ops::Range, sync::Arc};

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;
/// Bytes of a sector: the smallest piece that a medium writes whole.
pub(crate) const SECTOR: u64 = 512;

type Page = [u8; PAGE as usize];

/// The bytes of a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    size: u64,
    pages: HashMap<u64, Arc<Page>>,
}

impl Content {
    /// Its size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Cuts it, or makes it longer by zeros.
    pub(crate) fn set_size(&mut self, size: u64) {
        if size < self.size {
            self.pages.retain(|page, _| page * PAGE < size);
            let end = self.size.min(size.next_multiple_of(PAGE));
            self.fill_with_zeros(size..end);
        }
        self.size = size;
    }

    fn fill_with_zeros(&mut self, range: Range<u64>) {
        if let Some(page) = self.pages.get_mut(&(range.start / PAGE)) {
            let page = Arc::make_mut(page);
            let from = (range.start % PAGE) as usize;
            let to = from + (range.end - range.start) as usize;
            page[from..to].fill(0);
        }
    }

    /// The bytes from `offset`, at most `length` of them.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Vec<u8> {
        let end = self.size.min(offset.saturating_add(length));
        let mut bytes = Vec::with_capacity(end.saturating_sub(offset) as usize);
        for piece in pieces(offset..end) {
            match self.pages.get(&piece.page) {
                Some(page) => bytes.extend_from_slice(&page[piece.within]),
                None => bytes.resize(bytes.len() + piece.within.len(), 0),
            }
        }
        bytes
    }

    /// Writes bytes at `offset`; the file grows if it has to.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        let mut rest = bytes;
        for piece in pieces(offset..end) {
            let (now, later) = rest.split_at(piece.within.len());
            let page = self.pages.entry(piece.page).or_insert_with(|| Arc::new([0; _]));
            Arc::make_mut(page)[piece.within].copy_from_slice(now);
            rest = later;
        }
        self.size = self.size.max(end);
    }

    /// Takes over a page of another content; its size stays.
    pub(crate) fn take_page(&mut self, page: u64, from: &Content) {
        match from.pages.get(&page) {
            Some(found) => {
                self.pages.insert(page, Arc::clone(found));
            }
            None => {
                self.pages.remove(&page);
            }
        }
    }

    /// Takes over a range of another content; its size stays.
    pub(crate) fn take_range(&mut self, range: Range<u64>, from: &Content) {
        let size = self.size;
        for piece in pieces(range) {
            let zeros = [0; PAGE as usize];
            let source = from.pages.get(&piece.page).map_or(&zeros, |page| &**page);
            let page = self.pages.entry(piece.page).or_insert_with(|| Arc::new([0; _]));
            Arc::make_mut(page)[piece.within.clone()].copy_from_slice(&source[piece.within]);
        }
        self.size = size;
    }

    /// Whether a range is the same in both.
    pub(crate) fn has_same_range(&self, range: Range<u64>, other: &Content) -> bool {
        pieces(range).all(|piece| {
            let zeros = [0; PAGE as usize];
            let one = self.pages.get(&piece.page).map_or(&zeros, |page| &**page);
            let two = other.pages.get(&piece.page).map_or(&zeros, |page| &**page);
            one[piece.within.clone()] == two[piece.within]
        })
    }
}

/// A part of a range that lies in one page.
struct Piece {
    page: u64,
    within: Range<usize>,
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Piece> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= range.end {
            return None;
        }
        let (page, from) = (at / PAGE, at % PAGE);
        let length = (PAGE - from).min(range.end - at);
        at += length;
        Some(Piece { page, within: from as usize..(from + length) as usize })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_across_pages_is_read_and_the_rest_is_zeros() {
        let mut content = Content::default();
        content.set_size(20_000);
        let bytes: Vec<u8> = (0..9000_u32).map(|n| (n % 251 + 1) as u8).collect();
        content.write(4000, &bytes);
        assert_eq!(content.read(4000, 9000), bytes);
        assert_eq!(content.read(3990, 10), [0; 10]);
        assert_eq!(content.read(19_990, 100), [0; 10]);
        assert_eq!(content.read(30_000, 100), [0; 0]);
    }

    #[test]
    fn what_was_cut_off_is_zeros_when_it_grows_again() {
        let mut content = Content::default();
        content.write(0, &[7; 10_000]);
        content.set_size(5000);
        content.set_size(10_000);
        assert_eq!(content.read(0, 5000), [7; 5000]);
        assert_eq!(content.read(5000, 5000), [0; 5000]);
    }

    #[test]
    fn a_copy_is_not_changed_by_writing_to_the_other() {
        let mut content = Content::default();
        content.write(0, &[1; 5000]);
        let copy = content.clone();
        assert!(content.has_same_range(0..5000, &copy));
        content.write(100, &[2; 10]);
        assert!(content.has_same_range(512..1024, &copy));
        assert!(!content.has_same_range(0..512, &copy));
        assert_eq!(copy.read(100, 10), [1; 10]);
    }
}
