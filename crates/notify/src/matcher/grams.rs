//! Texts that have to stand in an event, found by three bytes of each: an event's text is read
//! once, however many are looked for.

use foldhash::HashMap;

use super::index::{Slot, take};
use crate::rule::{Facts, GRAM};

type Gram = [u8; GRAM];

/// Rules by a gram of their text.
#[derive(Debug, Default)]
pub(super) struct Grams {
    slots: HashMap<Gram, Vec<Slot>>,
    /// Grams there are, by their lowest bits: most of an event's are not, and this is quicker to
    /// ask than the map. A bit stays when its last rule goes, which costs a look and no more.
    filter: Filter,
}

#[derive(Debug)]
struct Filter(Box<[u64; FILTER_BITS / 64]>);

impl Default for Filter {
    fn default() -> Filter {
        Filter(Box::new([0; FILTER_BITS / 64]))
    }
}

impl Grams {
    /// Adds a rule's text, in lower case and of at least [`GRAM`] bytes.
    pub(super) fn insert(&mut self, text: &str, slot: Slot) {
        let Some(gram) = chosen(text) else { return };
        self.filter.set(gram);
        self.slots.entry(gram).or_default().push(slot);
    }

    /// Removes it.
    pub(super) fn remove(&mut self, text: &str, slot: Slot) {
        let Some(gram) = chosen(text) else { return };
        if let Some(slots) = self.slots.get_mut(&gram) {
            take(slots, slot);
            if slots.is_empty() {
                self.slots.remove(&gram);
            }
        }
    }

    /// The rules one of whose grams stands in the event's text; many may be there twice.
    pub(super) fn find(&self, facts: &Facts<'_>, found: &mut Vec<Slot>) {
        if self.slots.is_empty() {
            return;
        }
        let mut last: Option<Gram> = None;
        for gram in facts.text().as_bytes().windows(GRAM).filter_map(as_gram) {
            // A line of dashes is one gram many times.
            if last != Some(gram) && self.filter.has(gram) {
                if let Some(slots) = self.slots.get(&gram) {
                    found.extend_from_slice(slots);
                }
                last = Some(gram);
            }
        }
    }
}

fn as_gram(bytes: &[u8]) -> Option<Gram> {
    bytes.try_into().ok()
}

/// The gram a text is found by: the one that is rarest in English and in names, by a guess from
/// its letters. It depends on the text alone, so that it is found again.
fn chosen(text: &str) -> Option<Gram> {
    let common = |byte: &u8| match byte {
        b' ' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 4,
        b'l' | b'd' | b'u' | b'c' | b'm' | b'p' | b'-' | b'.' | b'/' => 3,
        b'a'..=b'z' => 2,
        b'0'..=b'9' => 2,
        _ => 1,
    };
    // Of equals the last: names of one kind (CVE-2026-0042) begin alike.
    let grams = text.as_bytes().windows(GRAM).rev().filter_map(as_gram);
    grams.min_by_key(|gram| gram.iter().map(common).sum::<u32>())
}

impl Filter {
    fn set(&mut self, gram: Gram) {
        let bit = bit(gram);
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    fn has(&self, gram: Gram) -> bool {
        let bit = bit(gram);
        self.0.get(bit / 64).is_some_and(|word| word & (1 << (bit % 64)) != 0)
    }
}

/// Fibonacci hashing: letters differ in few bits.
fn bit([a, b, c]: Gram) -> usize {
    let gram = u32::from_le_bytes([a, b, c, 0]);
    (gram.wrapping_mul(0x9E37_79B1) >> (32 - FILTER_BITS.trailing_zeros())) as usize
}

const FILTER_BITS: usize = 1 << 16;
