//! What is declared, as far as the history tells: there, not there, or in doubt because a crash
//! came between the question and the answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Thing, Verdict};

#[derive(Debug, Clone, Default)]
pub(crate) struct Topology {
    things: BTreeMap<Thing, Standing>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    There,
    NeverThere,
    /// It was transient, and its broker ended.
    Ended,
    Deleted,
    InDoubt,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    state: State,
    durable: bool,
    /// Asked for, durable or not, and not answered yet.
    declaring: Option<bool>,
    deleting: bool,
}

impl Topology {
    fn at(&mut self, thing: &Thing) -> &mut Standing {
        self.things.entry(thing.clone()).or_insert(Standing {
            state: State::NeverThere,
            durable: true,
            declaring: None,
            deleting: false,
        })
    }

    pub(crate) fn declaring(&mut self, thing: &Thing, durable: bool) {
        self.at(thing).declaring = Some(durable);
    }

    pub(crate) fn declared(&mut self, thing: &Thing, durable: bool) {
        *self.at(thing) =
            Standing { state: State::There, durable, declaring: None, deleting: false };
    }

    pub(crate) fn deleting(&mut self, thing: &Thing) {
        self.at(thing).deleting = true;
    }

    pub(crate) fn deleted(&mut self, thing: &Thing) {
        self.at(thing).state = State::Deleted;
        self.at(thing).deleting = false;
        for (_, binding) in self.things.iter_mut().filter(|(other, _)| other.hangs_on(thing)) {
            if binding.state != State::NeverThere {
                binding.state = State::Deleted;
            }
        }
    }

    pub(crate) fn refused(&mut self, thing: &Thing) {
        let standing = self.at(thing);
        (standing.declaring, standing.deleting) = (None, false);
    }

    pub(crate) fn is_deleting(&self, thing: &Thing) -> bool {
        self.things.get(thing).is_some_and(|standing| standing.deleting)
    }

    /// Whether a queue of that name survives a crash; one that nobody declared does.
    pub(crate) fn is_durable(&self, thing: &Thing) -> bool {
        self.things.get(thing).is_none_or(|standing| standing.durable)
    }

    pub(crate) fn crash(&mut self) {
        let deleting: Vec<Thing> =
            self.things.iter().filter(|(_, it)| it.deleting).map(|(it, _)| it.clone()).collect();
        for (thing, standing) in &mut self.things {
            let goes = standing.deleting || deleting.iter().any(|other| thing.hangs_on(other));
            let there = standing.state == State::There;
            if there && !standing.durable {
                standing.state = State::Ended;
            } else if there && goes {
                standing.state = State::InDoubt;
            } else if !there && standing.declaring == Some(true) {
                (standing.state, standing.durable) = (State::InDoubt, true);
            }
            (standing.declaring, standing.deleting) = (None, false);
        }
    }

    /// Compares with all that is there, and takes it as what is there.
    pub(crate) fn found(&mut self, things: &[Thing], verdicts: &mut Vec<Verdict>) {
        let found: BTreeSet<&Thing> = things.iter().collect();
        for thing in &found {
            if self.at(thing).state == State::NeverThere {
                let because = "is there, and nobody declared it";
                verdicts.push(Verdict::TopologyMismatch { thing: (*thing).clone(), because });
            }
        }
        for (thing, standing) in &mut self.things {
            let thing = || thing.clone();
            let is_found = found.contains(&thing());
            match (standing.state, is_found) {
                (State::There, false) => {
                    let because = "was declared and is not there";
                    verdicts.push(Verdict::TopologyMismatch { thing: thing(), because });
                }
                (State::Ended, true) => {
                    let because = "was transient and survived";
                    verdicts.push(Verdict::TopologyMismatch { thing: thing(), because });
                }
                (State::Deleted, true) => {
                    verdicts.push(Verdict::ThingResurrected { thing: thing() });
                }
                _ => {}
            }
            match is_found {
                true => standing.state = State::There,
                false if matches!(standing.state, State::There | State::InDoubt) => {
                    standing.state = State::Deleted;
                }
                false => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Thing {
        Thing::Queue("q".into())
    }

    fn binding() -> Thing {
        let destination = Box::new(queue());
        Thing::Binding { source: "e".into(), destination, key: "k".into() }
    }

    fn found(topology: &mut Topology, things: &[Thing]) -> Vec<String> {
        let mut verdicts = Vec::new();
        topology.found(things, &mut verdicts);
        verdicts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_was_declared_and_deleted_is_exact() {
        let mut topology = Topology::default();
        topology.declared(&queue(), true);
        topology.declared(&binding(), true);
        topology.crash();
        assert_eq!(found(&mut topology.clone(), &[queue(), binding()]), [""; 0]);
        assert_eq!(
            found(&mut topology.clone(), &[queue()]),
            ["topology mismatch: the binding of queue q to exchange e by \"k\" was declared and \
                 is not there"]
        );
        topology.deleted(&queue());
        assert_eq!(found(&mut topology.clone(), &[]), [""; 0]);
        let back = found(&mut topology, &[queue(), binding()]);
        assert_eq!(back[0], "resurrected: queue q was deleted and is there again");
        assert_eq!(back.len(), 2);
    }

    #[test]
    fn what_a_crash_interrupted_may_be_either_and_then_stays_what_it_is() {
        let mut topology = Topology::default();
        topology.declaring(&queue(), true);
        topology.crash();
        assert_eq!(found(&mut topology.clone(), &[]), [""; 0]);
        assert_eq!(found(&mut topology, &[queue()]), [""; 0]);
        topology.crash();
        assert_eq!(found(&mut topology.clone(), &[]).len(), 1);
        topology.deleting(&queue());
        topology.crash();
        assert_eq!(found(&mut topology, &[]), [""; 0]);
        assert_eq!(found(&mut topology, &[queue()]).len(), 1);
    }

    #[test]
    fn what_is_transient_does_not_survive_and_may_come_back_durable() {
        let mut topology = Topology::default();
        topology.declared(&queue(), false);
        topology.crash();
        assert_eq!(found(&mut topology.clone(), &[queue()]).len(), 1);
        topology.declaring(&queue(), true);
        for _ in 0..2 {
            topology.crash();
            assert_eq!(found(&mut topology, &[queue()]), [""; 0]);
        }
    }

    #[test]
    fn what_was_refused_has_changed_nothing() {
        let mut topology = Topology::default();
        topology.declaring(&queue(), true);
        topology.refused(&queue());
        topology.crash();
        assert_eq!(found(&mut topology.clone(), &[queue()]).len(), 1);
        topology.declared(&queue(), true);
        topology.deleting(&queue());
        topology.refused(&queue());
        topology.crash();
        assert_eq!(found(&mut topology, &[]).len(), 1);
    }
}
