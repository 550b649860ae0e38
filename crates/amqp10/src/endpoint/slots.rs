//! A table by small numbers: channels and handles. It grows up to the highest number in use, whose
//! bound its user checks before.

#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Option<T>>,
    used: usize,
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), used: 0 }
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.slots.get(number as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    /// Puts something where nothing is.
    pub(super) fn insert(&mut self, number: u32, value: T) {
        let index = number as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            self.used += usize::from(slot.is_none());
            *slot = Some(value);
        }
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.slots.get_mut(number as usize)?.take()?;
        self.used -= 1;
        while self.slots.last().is_some_and(Option::is_none) {
            self.slots.pop();
        }
        Some(value)
    }

    /// The lowest number up to `max` where nothing is.
    pub(super) fn lowest_free(&self, max: u32) -> Option<u32> {
        let free = match self.slots.len() {
            full if full == self.used => full,
            _ => self.slots.iter().position(Option::is_none)?,
        };
        u32::try_from(free).ok().filter(|&free| free <= max)
    }

    pub(super) fn len(&self) -> usize {
        self.used
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().flatten()
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given_out_up_to_the_limit() {
        let mut slots = Slots::new();
        for number in 0..3 {
            assert_eq!(slots.lowest_free(2), Some(number));
            slots.insert(number, number);
        }
        assert_eq!(slots.lowest_free(2), None);
        slots.remove(1);
        assert_eq!((slots.lowest_free(2), slots.len()), (Some(1), 2));
        slots.remove(2);
        assert_eq!((slots.slots.len(), slots.get(2)), (1, None), "the end is given back");
    }
}
