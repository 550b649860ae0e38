//! The words of routing keys and patterns: how a key is cut, a pattern's normal form, and the
//! words of all patterns as numbers.

use smallvec::SmallVec;

use super::Map;

/// The words of a key. An empty key has none, not an empty one (RabbitMQ): `*` does not match it.
pub(super) fn words(key: &str) -> impl Iterator<Item = &str> {
    (!key.is_empty()).then(|| key.split('.')).into_iter().flatten()
}

/// A pattern's words in normal form: of wildcards in a row the `*` come first, and then one `#` if
/// there was any. `#.*.#` is `*.#`, as both are one word or more. So no `#` follows another, and a
/// pattern has no more ways to match than it has words.
pub(super) fn normal(pattern: &str) -> SmallVec<[&str; 16]> {
    let mut normal = SmallVec::new();
    let mut any_number = false;
    for word in words(pattern) {
        match word {
            "#" => any_number = true,
            "*" => normal.push(word),
            word => {
                if std::mem::take(&mut any_number) {
                    normal.push("#");
                }
                normal.push(word);
            }
        }
    }
    if any_number {
        normal.push("#");
    }
    normal
}

/// A number for each word that some pattern has.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The text is in the table itself: a look-up touches no other memory.
    known: Map<SmallVec<[u8; 24]>, Word>,
    free: Vec<WordId>,
}

pub(super) type WordId = u32;

/// A word of some pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) id: WordId,
    uses: u32,
    /// One of the branches that it names: where from, and where to. Most words, as those that tell
    /// one package from another, name no other.
    pub(super) branch: Option<(u32, u32)>,
}

impl Words {
    /// The word; `None` when no pattern has it.
    pub(super) fn find(&self, word: &str) -> Option<&Word> {
        self.known.get(word.as_bytes())
    }

    /// The word, for one more use of it.
    pub(super) fn take(&mut self, word: &str) -> &mut Word {
        let next = self.known.len() as WordId;
        let free = &mut self.free;
        let new = || Word { id: free.pop().unwrap_or(next), uses: 0, branch: None };
        let word = self.known.entry(SmallVec::from_slice(word.as_bytes())).or_insert_with(new);
        word.uses += 1;
        word
    }

    /// One use less, which was this branch.
    pub(super) fn give_back(&mut self, word: &str, from: u32) {
        let Some(known) = self.known.get_mut(word.as_bytes()) else { return };
        known.uses -= 1;
        known.branch = known.branch.filter(|(parent, _)| *parent != from);
        if known.uses == 0 {
            self.free.push(known.id);
            self.known.remove(word.as_bytes());
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_row_have_one_form() {
        for (pattern, expected) in [
            ("", ""),
            ("#.#", "#"),
            ("#.*.#", "*.#"),
            ("#.*.a.*.#.*", "*.#.a.*.*.#"),
            ("a.#.b", "a.#.b"),
            ("a..b", "a..b"),
            ("*.*", "*.*"),
        ] {
            assert_eq!(normal(pattern).join("."), expected, "of {pattern}");
        }
    }

    #[test]
    fn a_number_is_given_out_again_when_nobody_uses_it() {
        let mut words = Words::default();
        let (a, b) = (words.take("a").id, words.take("b").id);
        assert_eq!((words.take("a").id, words.find("c")), (a, None));
        words.give_back("a", 0);
        assert_eq!(words.find("a").map(|it| it.id), Some(a));
        words.give_back("a", 0);
        assert_eq!(words.find("a"), None);
        assert_eq!(words.take("c").id, a);
        assert_ne!(words.take("d").id, b);
    }
}
