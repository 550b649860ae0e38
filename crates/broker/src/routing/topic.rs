//! Topic: dotted words; `*` is one word, `#` any number of them.
//!
//! A trie of pattern words, walked as a nondeterministic automaton: the set of nodes that the
//! words so far lead to. The work for a key is words × nodes alive, never exponential, however
//! many `#` a hostile pattern has.
//!
//! With a hundred thousand patterns what costs is memory that no cache holds. So words are numbers;
//! a node's only branch is in the node, and a word's only branch with the word; one table has the
//! others, which are few and near the root.

use smallvec::SmallVec;

use super::{
    Map,
    ends::{EndId, Ends, NO_END},
    words::{Word, WordId, Words, normal, words},
};
use crate::binding::{Binding, Destination};

#[derive(Debug)]
pub(crate) struct Topic {
    words: Words,
    /// An arena; the root is node 0. Freed nodes are on `free`.
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    /// Where a word leads, unless the node or the word says it.
    branches: Map<(NodeId, WordId), NodeId>,
    ends: Ends,
}

type NodeId = u32;

/// Node 0 is the root and nobody's child, so that 0 is none for a child.
#[derive(Debug, Default, Clone)]
struct Node {
    star: NodeId,
    hash: NodeId,
    /// How many words lead on.
    words: u32,
    /// One of them, and where to.
    branch: Option<(WordId, NodeId)>,
    end: EndId,
    /// This node was reached by `#`: it stays alive on any word.
    repeats: bool,
}

impl Default for Topic {
    fn default() -> Topic {
        Topic {
            words: Words::default(),
            nodes: vec![Node::default()],
            free: Vec::new(),
            branches: Map::default(),
            ends: Ends::default(),
        }
    }
}

impl Topic {
    pub(super) fn bind(&mut self, binding: &Binding) {
        let mut at = ROOT;
        for word in normal(&binding.key) {
            at = self.child_or_new(at, word);
        }
        self.node_mut(at).end = self.ends.with(self.node(at).end, &binding.destination);
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        let mut path: SmallVec<[(NodeId, &str); 16]> = SmallVec::new();
        let mut at = ROOT;
        for word in normal(&binding.key) {
            path.push((at, word));
            match self.child(at, word) {
                NONE => return,
                child => at = child,
            }
        }
        self.node_mut(at).end = self.ends.without(self.node(at).end, &binding.destination);
        while let Some((parent, word)) = path.pop() {
            if !self.node(at).is_bare() {
                return;
            }
            self.cut(parent, word);
            *self.node_mut(at) = Node::default();
            self.free.push(at);
            at = parent;
        }
    }

    /// Returns how many nodes it came by: its cost.
    pub(super) fn route(&self, key: &str, visit: &mut dyn FnMut(&Destination)) -> usize {
        let mut alive: Alive = SmallVec::new();
        let mut next: Alive = SmallVec::new();
        let mut steps = self.arrive(ROOT, &mut alive);
        for word in words(key) {
            let word = self.words.find(word);
            let mut repeats = false;
            for &id in &alive {
                let node = self.node(id);
                if node.repeats {
                    repeats = true;
                    steps += self.arrive(id, &mut next);
                }
                if node.star != NONE {
                    steps += self.arrive(node.star, &mut next);
                }
                if let Some(word) = word
                    && let Some(child) = self.branch(id, word)
                {
                    steps += self.arrive(child, &mut next);
                }
            }
            // Only what stays alive can be met twice.
            if repeats {
                next.sort_unstable();
                next.dedup();
            }
            std::mem::swap(&mut alive, &mut next);
            next.clear();
            if alive.is_empty() {
                return steps;
            }
        }
        let ends = alive.iter().map(|&id| self.node(id).end).filter(|end| *end != NO_END);
        ends.for_each(|end| self.ends.iter(end).for_each(&mut *visit));
        steps
    }

    /// Adds a node, and the `#` behind it, which needs no word.
    fn arrive(&self, id: NodeId, alive: &mut Alive) -> usize {
        alive.push(id);
        match self.node(id).hash {
            NONE => 1,
            // Behind a `#` there is no other one: the normal form has none.
            hash => {
                alive.push(hash);
                2
            }
        }
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    fn child(&self, parent: NodeId, word: &str) -> NodeId {
        match word {
            "*" => self.node(parent).star,
            "#" => self.node(parent).hash,
            word => {
                let word = self.words.find(word);
                word.and_then(|word| self.branch(parent, word)).unwrap_or(NONE)
            }
        }
    }

    /// Where a word leads from a node.
    fn branch(&self, parent: NodeId, word: &Word) -> Option<NodeId> {
        let node = self.node(parent);
        match (word.branch, node.branch) {
            _ if node.words == 0 => None,
            (Some((from, to)), _) if from == parent => Some(to),
            (_, Some((named, to))) if named == word.id => Some(to),
            _ => self.branches.get(&(parent, word.id)).copied(),
        }
    }

    fn child_or_new(&mut self, parent: NodeId, word: &str) -> NodeId {
        match self.child(parent, word) {
            NONE => {}
            child => return child,
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            (self.nodes.len() - 1) as NodeId
        });
        self.node_mut(id).repeats = word == "#";
        match word {
            "*" => self.node_mut(parent).star = id,
            "#" => self.node_mut(parent).hash = id,
            word => {
                let word = self.words.take(word);
                let node = &mut self.nodes[parent as usize];
                node.words += 1;
                if node.branch.is_none() {
                    node.branch = Some((word.id, id));
                } else if word.branch.is_none() {
                    word.branch = Some((parent, id));
                } else {
                    self.branches.insert((parent, word.id), id);
                }
            }
        }
        id
    }

    fn cut(&mut self, parent: NodeId, word: &str) {
        match word {
            "*" => self.node_mut(parent).star = NONE,
            "#" => self.node_mut(parent).hash = NONE,
            word => {
                let Some(id) = self.words.find(word).map(|word| word.id) else { return };
                let node = self.node_mut(parent);
                node.words -= 1;
                node.branch = node.branch.filter(|(named, _)| *named != id);
                self.branches.remove(&(parent, id));
                self.words.give_back(word, parent);
            }
        }
    }
}

impl Node {
    fn is_bare(&self) -> bool {
        self.end == NO_END && self.words == 0 && self.star == NONE && self.hash == NONE
    }
}

type Alive = SmallVec<[NodeId; 32]>;

const ROOT: NodeId = 0;

const NONE: u32 = 0;

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

    /// The longest keys there can be, and patterns made to keep as much alive as can be.
    #[test]
    fn a_pattern_full_of_hashes_costs_no_more_than_words_times_nodes() {
        let long = |words: &str| words.repeat(200).chars().take(255).collect::<String>();
        let key = long("a.").trim_end_matches('.').to_owned();
        let key_words = words(&key).count();
        for pattern in ["#.a.", "#.a.*.", "#.", "#.*.", "*.#.a.#.", "a.#.#.a.", "a.*.#.b."] {
            let pattern = long(pattern).trim_end_matches('.').to_owned();
            let mut topic = Topic::default();
            topic.bind(&binding(&pattern));
            let nodes = topic.nodes.len();
            let mut found = 0;
            let steps = topic.route(&key, &mut |_| found += 1);
            let most = 6 * (key_words + 1) * nodes;
            assert!(steps <= most, "{steps} steps for {pattern}, more than {most}");
            assert!(found <= 1, "{pattern}");
        }
    }

    #[test]
    fn a_thousand_hostile_patterns_share_their_steps() {
        let mut topic = Topic::default();
        for number in 0..1000_u32 {
            let letters = (0..10).map(|bit| if number >> bit & 1 == 1 { "#.a" } else { "#.*" });
            topic.bind(&binding(&letters.collect::<Vec<_>>().join(".")));
        }
        let key = ["a"; 60].join(".");
        let mut found = 0;
        let steps = topic.route(&key, &mut |_| found += 1);
        assert_eq!(found, 1000);
        assert!(steps <= 6 * 61 * topic.nodes.len(), "{steps} for {}", topic.nodes.len());
    }

    #[test]
    fn unbinding_leaves_an_empty_trie() {
        let mut topic = Topic::default();
        let keys = ["a.b", "a.*", "a.#", "#", "a.b.c", "#.#", "*.#.*", ""];
        keys.iter().for_each(|key| topic.bind(&binding(key)));
        keys.iter().for_each(|key| topic.unbind(&binding(key)));
        assert!(topic.nodes[0].is_bare() && topic.branches.is_empty() && topic.words.is_empty());
        assert_eq!(topic.free.len(), topic.nodes.len() - 1);
        assert!(topic.ends.is_empty());
    }

    #[test]
    fn two_patterns_that_say_the_same_are_two_bindings() {
        let mut topic = Topic::default();
        let to =
            |key: &str| Binding { destination: Destination::Exchange("x".into()), ..binding(key) };
        topic.bind(&to("#.*"));
        topic.bind(&to("*.#"));
        topic.unbind(&to("#.*"));
        assert_eq!(routed(&topic, "a.b"), ["x"]);
        topic.unbind(&to("*.#"));
        assert_eq!(routed(&topic, "a.b"), [""; 0]);
    }

    proptest! {
        #[test]
        fn the_trie_agrees_with_the_rule(
            patterns in prop::collection::btree_set("([ab*#]|c)?(\\.([ab*#]|c)?){0,5}", 1..12),
            keys in prop::collection::vec("([abc]?(\\.[abc]?){0,6})?", 1..8),
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
