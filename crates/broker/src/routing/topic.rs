//! Topic: dotted words; `*` is one word, `#` any number of them.
//!
//! A trie of pattern words, walked as a nondeterministic automaton: the set of nodes that the
//! words so far lead to. The work for a key is words × nodes alive, never exponential, however
//! many `#` a hostile pattern has.

use smallvec::SmallVec;

use super::Map;
use crate::binding::{Binding, Destination};

#[derive(Debug)]
pub(crate) struct Topic {
    /// An arena; the root is node 0. Freed nodes are on `free`.
    nodes: Vec<Node>,
    free: Vec<NodeId>,
}

type NodeId = u32;

#[derive(Debug, Default)]
struct Node {
    words: Map<Box<str>, NodeId>,
    star: Option<NodeId>,
    hash: Option<NodeId>,
    /// This node was reached by `#`: it stays alive on any word.
    repeats: bool,
    /// The destinations of the pattern that ends here.
    here: Vec<Destination>,
}

impl Default for Topic {
    fn default() -> Topic {
        Topic { nodes: vec![Node::default()], free: Vec::new() }
    }
}

impl Topic {
    pub(super) fn bind(&mut self, binding: &Binding) {
        let mut at = ROOT;
        for word in words(&binding.key) {
            at = match self.child(at, word) {
                Some(child) => child,
                None => self.add_child(at, word),
            };
        }
        self.nodes[at as usize].here.push(binding.destination.clone());
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        let mut path: SmallVec<[(NodeId, &str); 16]> = SmallVec::new();
        let mut at = ROOT;
        for word in words(&binding.key) {
            path.push((at, word));
            match self.child(at, word) {
                Some(child) => at = child,
                None => return,
            }
        }
        self.nodes[at as usize].here.retain(|it| *it != binding.destination);
        while let Some((parent, word)) = path.pop() {
            if !self.nodes[at as usize].is_bare() {
                return;
            }
            self.remove_child(parent, word);
            self.nodes[at as usize] = Node::default();
            self.free.push(at);
            at = parent;
        }
    }

    pub(super) fn route(&self, key: &str, visit: &mut dyn FnMut(&Destination)) {
        let mut alive: Alive = SmallVec::new();
        let mut next: Alive = SmallVec::new();
        self.arrive(ROOT, &mut alive);
        for word in words(key) {
            for &id in &alive {
                let node = &self.nodes[id as usize];
                if node.repeats {
                    self.arrive(id, &mut next);
                }
                if let Some(child) = node.star {
                    self.arrive(child, &mut next);
                }
                if let Some(&child) = node.words.get(word) {
                    self.arrive(child, &mut next);
                }
            }
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut alive, &mut next);
            next.clear();
            if alive.is_empty() {
                return;
            }
        }
        for &id in &alive {
            self.nodes[id as usize].here.iter().for_each(&mut *visit);
        }
    }

    /// Adds a node and what it reaches without a word: the `#` behind it.
    fn arrive(&self, mut id: NodeId, alive: &mut Alive) {
        loop {
            alive.push(id);
            match self.nodes[id as usize].hash {
                Some(hash) => id = hash,
                None => return,
            }
        }
    }

    fn child(&self, parent: NodeId, word: &str) -> Option<NodeId> {
        let node = &self.nodes[parent as usize];
        match word {
            "*" => node.star,
            "#" => node.hash,
            word => node.words.get(word).copied(),
        }
    }

    fn add_child(&mut self, parent: NodeId, word: &str) -> NodeId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            (self.nodes.len() - 1) as NodeId
        });
        self.nodes[id as usize].repeats = word == "#";
        let node = &mut self.nodes[parent as usize];
        match word {
            "*" => node.star = Some(id),
            "#" => node.hash = Some(id),
            word => {
                node.words.insert(word.into(), id);
            }
        }
        id
    }

    fn remove_child(&mut self, parent: NodeId, word: &str) {
        let node = &mut self.nodes[parent as usize];
        match word {
            "*" => node.star = None,
            "#" => node.hash = None,
            word => {
                node.words.remove(word);
            }
        }
    }
}

/// The words of a key. An empty key has none, not an empty one (RabbitMQ): `*` does not match it.
fn words(key: &str) -> impl Iterator<Item = &str> {
    (!key.is_empty()).then(|| key.split('.')).into_iter().flatten()
}

impl Node {
    fn is_bare(&self) -> bool {
        self.here.is_empty() && self.words.is_empty() && self.star.is_none() && self.hash.is_none()
    }
}

type Alive = SmallVec<[NodeId; 16]>;

const ROOT: NodeId = 0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Arguments;

    fn binding(key: &str) -> Binding {
        Binding {
            destination: Destination::Exchange(key.into()),
            key: key.into(),
            arguments: Arguments::default(),
        }
    }

    fn routed(topic: &Topic, key: &str) -> Vec<String> {
        let mut found = Vec::new();
        topic.route(key, &mut |it| match it {
            Destination::Exchange(name) => found.push(name.to_string()),
            Destination::Queue(_) => unreachable!("the tests bind exchanges"),
        });
        found.sort();
        found
    }

    /// The rule itself, slow and plain.
    fn naive(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((&"#", rest)), _) => (0..=key.len()).any(|skip| naive(rest, &key[skip..])),
            (Some(_), None) => false,
            (Some((word, rest)), Some((first, others))) => {
                (*word == "*" || word == first) && naive(rest, others)
            }
        }
    }

    #[test]
    fn a_pattern_full_of_hashes_costs_no_more_than_its_length() {
        let mut topic = Topic::default();
        topic.bind(&binding(&["#"; 100].join(".a.").chars().take(254).collect::<String>()));
        assert!(routed(&topic, &["a"; 120].join(".")).len() <= 1);
    }

    #[test]
    fn unbinding_leaves_an_empty_trie() {
        let mut topic = Topic::default();
        let keys = ["a.b", "a.*", "a.#", "#", "a.b.c"];
        keys.iter().for_each(|key| topic.bind(&binding(key)));
        keys.iter().for_each(|key| topic.unbind(&binding(key)));
        assert!(topic.nodes[0].is_bare());
        assert_eq!(topic.free.len(), topic.nodes.len() - 1);
    }

    proptest! {
        #[test]
        fn the_trie_agrees_with_the_rule(
            patterns in prop::collection::btree_set("([ab*#]|c)(\\.([ab*#]|c)){0,4}", 1..12),
            keys in prop::collection::vec("([abc](\\.[abc]){0,5})?", 1..8),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let mut left: Vec<String> = patterns.into_iter().collect();
            let mut topic = Topic::default();
            left.iter().for_each(|pattern| topic.bind(&binding(pattern)));
            for index in removed {
                if !left.is_empty() {
                    let gone = left.remove(index.index(left.len()));
                    topic.unbind(&binding(&gone));
                }
            }
            for key in keys {
                let words: Vec<&str> = words(&key).collect();
                let mut expected: Vec<String> = left
                    .iter()
                    .filter(|it| naive(&super::words(it).collect::<Vec<_>>(), &words))
                    .cloned()
                    .collect();
                expected.sort();
                prop_assert_eq!(routed(&topic, &key), expected);
            }
        }
    }
}
