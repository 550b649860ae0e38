//! A trie of topic patterns: the rules of all patterns that fit a topic, in one walk.

use event::Pattern;
use foldhash::HashMap;

use super::index::{Slot, take};

/// Patterns, by their words.
#[derive(Debug, Default)]
pub(super) struct Topics(Node);

#[derive(Debug, Default)]
struct Node {
    /// Rules whose pattern ends here.
    slots: Vec<Slot>,
    words: HashMap<Box<str>, Node>,
    star: Option<Box<Node>>,
    hash: Option<Box<Node>>,
}

impl Topics {
    /// Adds a rule's pattern.
    pub(super) fn insert(&mut self, pattern: &Pattern, slot: Slot) {
        let mut node = &mut self.0;
        for word in words(pattern) {
            node = match word {
                "*" => node.star.get_or_insert_default(),
                "#" => node.hash.get_or_insert_default(),
                word => node.words.entry(word.into()).or_default(),
            };
        }
        node.slots.push(slot);
    }

    /// Removes it.
    pub(super) fn remove(&mut self, pattern: &Pattern, slot: Slot) {
        remove(&mut self.0, &mut words(pattern), slot);
    }

    /// The rules of all patterns that fit; some may be there twice.
    pub(super) fn find(&self, topic: &str, found: &mut Vec<Slot>) {
        find(&self.0, Some(topic), found);
    }
}

/// The words rules are found by. Each `#` multiplies the walk by the words of the topic, so there
/// are two at most: what stands between the second and the last is left to the rule's own test, and
/// `#.#` is `#`.
fn words(pattern: &Pattern) -> impl Iterator<Item = &str> {
    let words: Vec<&str> = pattern.as_str().split('.').collect();
    let hashes: Vec<usize> = (0..words.len()).filter(|at| words.get(*at) == Some(&"#")).collect();
    let between = match (hashes.get(1), hashes.last()) {
        (Some(second), Some(last)) => *second..*last,
        _ => 0..0,
    };
    let mut before = "";
    let kept = words.into_iter().enumerate().filter(move |(at, _)| !between.contains(at));
    kept.map(|(_, word)| word).filter(move |word| {
        let again = *word == "#" && before == "#";
        before = word;
        !again
    })
}

fn remove<'p>(node: &mut Node, words: &mut impl Iterator<Item = &'p str>, slot: Slot) {
    match words.next() {
        None => take(&mut node.slots, slot),
        Some("*") => {
            if let Some(next) = &mut node.star {
                remove(next, words, slot);
                if next.is_empty() {
                    node.star = None;
                }
            }
        }
        Some("#") => {
            if let Some(next) = &mut node.hash {
                remove(next, words, slot);
                if next.is_empty() {
                    node.hash = None;
                }
            }
        }
        Some(word) => {
            if let Some(next) = node.words.get_mut(word) {
                remove(next, words, slot);
                if next.is_empty() {
                    node.words.remove(word);
                }
            }
        }
    }
}

/// `rest`: the words not yet used; `None` when there are none.
fn find(node: &Node, rest: Option<&str>, found: &mut Vec<Slot>) {
    if let Some(hash) = &node.hash {
        // It takes no word, one, two… all.
        let mut rest = rest;
        loop {
            find(hash, rest, found);
            match rest {
                Some(words) => rest = words.split_once('.').map(|(_, after)| after),
                None => break,
            }
        }
    }
    let Some(words) = rest else {
        found.extend_from_slice(&node.slots);
        return;
    };
    let (word, after) =
        words.split_once('.').map_or((words, None), |(word, after)| (word, Some(after)));
    if let Some(next) = node.words.get(word) {
        find(next, after, found);
    }
    if let Some(next) = &node.star {
        find(next, after, found);
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.words.is_empty() && self.star.is_none() && self.hash.is_none()
    }
}
