//! What a queue was given behind a checkpoint, in its order.

use journal::Position;

use crate::index::Slot;

/// Messages by where they were first written, which is their order. Nearly all come in it: so they
/// are a row, and who does not come in order is put between.
#[derive(Debug, Default)]
pub(super) struct Added {
    /// `None` is one that was taken out.
    row: Vec<(Position, Option<Slot>)>,
}

impl Added {
    /// Adds a message, or moves it.
    pub(super) fn insert(&mut self, origin: Position, slot: Slot) {
        let at = match self.row.last() {
            Some((last, _)) if *last >= origin => self.find(origin),
            _ => Err(self.row.len()),
        };
        match at {
            Ok(at) => self.row.get_mut(at).into_iter().for_each(|(_, it)| *it = Some(slot)),
            Err(at) => self.row.insert(at, (origin, Some(slot))),
        }
    }

    pub(super) fn remove(&mut self, origin: Position) {
        let found = self.find(origin).ok().and_then(|at| self.row.get_mut(at));
        found.into_iter().for_each(|(_, slot)| *slot = None);
    }

    /// Those that are left, in order.
    pub(super) fn into_slots(self) -> Vec<Slot> {
        self.row.into_iter().filter_map(|(_, slot)| slot).collect()
    }

    fn find(&self, origin: Position) -> Result<usize, usize> {
        self.row.binary_search_by_key(&origin, |(origin, _)| *origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Ticket;

    #[test]
    fn they_are_in_the_order_they_were_first_written_in_wherever_they_are() {
        let at = Position::from_bits;
        let mut added = Added::default();
        for (origin, position) in [(8, 8), (24, 24), (16, 90), (32, 32), (8, 91), (40, 40)] {
            added.insert(at(origin), Slot { position: at(position), ticket: Ticket::default() });
        }
        for gone in [32, 33] {
            added.remove(at(gone));
        }
        let left: Vec<_> = added.into_slots().iter().map(|slot| slot.position.to_bits()).collect();
        assert_eq!(left, [91, 90, 24, 40]);
    }
}
