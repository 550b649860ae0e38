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
    known: Map<Box<str>, Known>,
    free: Vec<WordId>,
}

pub(super) type WordId = u32;

#[derive(Debug)]
struct Known {
    id: WordId,
    uses: u32,
}

impl Words {
    /// The number of a word; `None` when no pattern has it.
    pub(super) fn find(&self, word: &str) -> Option<WordId> {
        self.known.get(word).map(|known| known.id)
    }

    /// The number of a word, for one more use of it.
    pub(super) fn take(&mut self, word: &str) -> WordId {
        if let Some(known) = self.known.get_mut(word) {
            known.uses += 1;
            return known.id;
        }
        let id = self.free.pop().unwrap_or(self.known.len() as WordId);
        self.known.insert(word.into(), Known { id, uses: 1 });
        id
    }

    /// One use less.
    pub(super) fn give_back(&mut self, word: &str) {
        let Some(known) = self.known.get_mut(word) else { return };
        known.uses -= 1;
        if known.uses == 0 {
            self.free.push(known.id);
            self.known.remove(word);
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
        let (a, b) = (words.take("a"), words.take("b"));
        assert_eq!((words.take("a"), words.find("c")), (a, None));
        words.give_back("a");
        assert_eq!(words.find("a"), Some(a));
        words.give_back("a");
        assert_eq!(words.find("a"), None);
        assert_eq!(words.take("c"), a);
        assert_ne!(words.take("d"), b);
    }
}
