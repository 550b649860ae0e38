//! A selector as it is kept: nodes in one arena, children before their parents, each naming others
//! by where they are.

use std::collections::HashMap;

use crate::{
    Dialect, Error, Name,
    arithmetic::{Arithmetic, Sign},
    like::Pattern,
    limits::{DEPTH_MAX, NODES_MAX},
    spelling::{Derived, Reference},
    value::{Comparison, Value},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

/// Place of a name in the selector's list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameId(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PatternId(u32);

/// A stretch of the list of children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Items {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
}

impl Literal {
    #[inline]
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Literal::Bool(known) => Value::Bool(*known),
            Literal::Int(number) => Value::Int(*number),
            Literal::Float(number) => Value::Float(*number),
            Literal::String(text) => Value::String(text),
            Literal::Bytes(octets) => Value::Bytes(octets),
        }
    }
}

/// Which side of two bounds: `NOT BETWEEN` is `<` or `>`, not the opposite of `BETWEEN`
/// (JMS 2.0 §3.8.1.1). It matters for what does not compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Inside,
    Outside,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Literal(Literal),
    Name(NameId),
    Derived(Derived, NameId),
    Utc,
    Sign(Sign, NodeId),
    Arithmetic(Arithmetic, NodeId, NodeId),
    Compare(Comparison, NodeId, NodeId),
    Between(Side, NodeId, NodeId, NodeId),
    In(NodeId, Items),
    Like(NodeId, PatternId),
    IsNull(NodeId),
    Not(NodeId),
    And(Items),
    Or(Items),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Program {
    pub(crate) dialect: Dialect,
    pub(crate) names: Box<[Name]>,
    pub(crate) uses_utc: bool,
    root: NodeId,
    nodes: Box<[Node]>,
    children: Box<[NodeId]>,
    patterns: Box<[Pattern]>,
}

// Every id was given out by the builder of this very program, which only grows.
#[allow(clippy::indexing_slicing, reason = "ids are places of this program")]
impl Program {
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    #[inline]
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    #[inline]
    pub(crate) fn items(&self, items: Items) -> &[NodeId] {
        &self.children[items.start as usize..items.end as usize]
    }

    #[inline]
    pub(crate) fn name(&self, id: NameId) -> &Name {
        &self.names[id.0 as usize]
    }

    pub(crate) fn pattern(&self, id: PatternId) -> &Pattern {
        &self.patterns[id.0 as usize]
    }
}

/// Takes nodes in while they are parsed, and holds the bounds on how many and how deep.
pub(crate) struct Builder {
    nodes: Vec<Node>,
    /// How deep each node is, itself included.
    depths: Vec<usize>,
    children: Vec<NodeId>,
    patterns: Vec<Pattern>,
    names: Vec<Name>,
    places: HashMap<Name, NameId>,
    uses_utc: bool,
}

/// What a program cannot take.
pub(crate) enum Full {
    TooMany,
    TooDeep,
}

impl Full {
    pub(crate) fn at(self, column: usize) -> Error {
        match self {
            Full::TooMany => Error::TooMany { column },
            Full::TooDeep => Error::TooDeep { column },
        }
    }
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            depths: Vec::new(),
            children: Vec::new(),
            patterns: Vec::new(),
            names: Vec::new(),
            places: HashMap::new(),
            uses_utc: false,
        }
    }

    /// Takes a node whose children are in.
    pub(crate) fn push(&mut self, node: Node) -> Result<NodeId, Full> {
        let depth = |id: &NodeId| self.depths.get(id.0 as usize).copied().unwrap_or_default();
        let deepest = |items: &Items| {
            let range = items.start as usize..items.end as usize;
            self.children.get(range).unwrap_or_default().iter().map(depth).max().unwrap_or(0)
        };
        let below = match &node {
            Node::Literal(_) | Node::Name(_) | Node::Derived(..) | Node::Utc => 0,
            Node::Sign(_, a) | Node::Like(a, _) | Node::IsNull(a) | Node::Not(a) => depth(a),
            Node::Arithmetic(_, a, b) | Node::Compare(_, a, b) => depth(a).max(depth(b)),
            Node::Between(_, a, b, c) => depth(a).max(depth(b)).max(depth(c)),
            Node::In(a, items) => depth(a).max(deepest(items)),
            Node::And(items) | Node::Or(items) => deepest(items),
        };
        if below >= DEPTH_MAX {
            return Err(Full::TooDeep);
        }
        if self.nodes.len() >= NODES_MAX {
            return Err(Full::TooMany);
        }
        self.uses_utc |= node == Node::Utc;
        self.nodes.push(node);
        self.depths.push(below + 1);
        Ok(NodeId(place(self.nodes.len() - 1)))
    }

    /// Takes the children of one node.
    pub(crate) fn items(&mut self, items: &[NodeId]) -> Items {
        let start = place(self.children.len());
        self.children.extend_from_slice(items);
        Items { start, end: place(self.children.len()) }
    }

    pub(crate) fn pattern(&mut self, pattern: Pattern) -> PatternId {
        self.patterns.push(pattern);
        PatternId(place(self.patterns.len() - 1))
    }

    pub(crate) fn reference(&mut self, reference: Reference) -> Result<NodeId, Full> {
        let node = match reference {
            Reference::Name(name) => Node::Name(self.name(name)),
            Reference::Derived(derived) => Node::Derived(derived, self.name(derived.source())),
        };
        self.push(node)
    }

    /// A sign before a node. Before a number it becomes part of it, so that a number has one form.
    pub(crate) fn sign(&mut self, sign: Sign, operand: NodeId) -> Result<NodeId, Full> {
        let literal = match self.nodes.get(operand.0 as usize) {
            Some(Node::Literal(literal)) => sign.apply(literal.value()),
            _ => None,
        };
        let signed = match literal {
            Some(Value::Int(number)) => Literal::Int(number),
            Some(Value::Float(number)) => Literal::Float(number),
            _ => return self.push(Node::Sign(sign, operand)),
        };
        if let Some(node) = self.nodes.get_mut(operand.0 as usize) {
            *node = Node::Literal(signed);
        }
        Ok(operand)
    }

    pub(crate) fn build(self, root: NodeId, dialect: Dialect) -> Program {
        Program {
            dialect,
            names: self.names.into(),
            uses_utc: self.uses_utc,
            root,
            nodes: self.nodes.into(),
            children: self.children.into(),
            patterns: self.patterns.into(),
        }
    }

    fn name(&mut self, name: Name) -> NameId {
        *self.places.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            NameId(place(self.names.len() - 1))
        })
    }
}

/// A place in one of the lists, none of which is longer than the text.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
