//! Who gets the messages of a group: the consumer that got the first of them, until it is gone.
//! What it has no room for is held for it, so that others get what stands behind.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{Queue, state::State};
use crate::{Consumer, DeathReason, Entry, Group, Timestamp};

/// The groups that a queue has seen since it was loaded, as far as somebody consumes.
#[derive(Debug, Default)]
pub(super) struct Groups {
    owners: BTreeMap<Group, Arc<Consumer>>,
    /// In order. A held entry is out, as one that is with a consumer is: a restart finds it.
    held: BTreeMap<Group, VecDeque<Entry>>,
    held_count: usize,
    held_bytes: u64,
}

impl State {
    /// How many messages wait for a consumer, and their bytes.
    pub(super) fn waiting(&self) -> (usize, u64) {
        let (count, bytes) =
            self.groups.as_ref().map_or((0, 0), |groups| (groups.held_count, groups.held_bytes));
        (self.ready.len() + count, self.ready.bytes() + bytes)
    }

    /// Whose the group is.
    pub(super) fn owner(&self, group: Group) -> Option<&Arc<Consumer>> {
        self.groups.as_ref()?.owners.get(&group)
    }

    /// The group is this consumer's from now on.
    pub(super) fn own(&mut self, group: Group, consumer: &Arc<Consumer>) {
        self.groups.get_or_insert_default().owners.entry(group).or_insert_with(|| consumer.clone());
    }

    /// Whether something of the group is held: what comes stands behind that.
    pub(super) fn holds(&self, group: Group) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups.held.contains_key(&group))
    }

    /// Whether one more may be held.
    pub(super) fn may_hold(&self) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.held_count < HELD_MAX)
    }

    /// Holds an entry for the owner of its group.
    pub(super) fn hold_for_owner(&mut self, group: Group, entry: Entry) {
        self.go_out(&entry);
        let groups = self.groups.get_or_insert_default();
        groups.held_count += 1;
        groups.held_bytes += u64::from(entry.ticket.size);
        groups.held.entry(group).or_default().push_back(entry);
    }

    /// The first that is held of a group is taken out.
    fn unhold(&mut self, group: Group) -> Option<Entry> {
        let groups = self.groups.as_mut()?;
        let held = groups.held.get_mut(&group)?;
        let entry = held.pop_front();
        if held.is_empty() {
            groups.held.remove(&group);
        }
        let entry = entry?;
        groups.held_count -= 1;
        groups.held_bytes -= u64::from(entry.ticket.size);
        Some(entry)
    }

    /// What is held of these groups stands in the queue again, each where it stood.
    fn put_back_held(&mut self, of: impl Fn(Group) -> bool) {
        let Some(groups) = self.groups.as_mut() else { return };
        let mut back = Vec::new();
        groups.held.retain(|group, held| {
            let goes = of(*group);
            if goes {
                back.extend(held.drain(..));
            }
            !goes
        });
        groups.held_count -= back.len();
        groups.held_bytes -= back.iter().map(|entry| u64::from(entry.ticket.size)).sum::<u64>();
        back.sort_unstable_by_key(|entry| entry.order);
        for mut entry in back.into_iter().rev() {
            entry.position = self.come_back(&entry);
            self.ready.put_back(entry);
        }
    }

    /// All that is held stands in the queue again, for somebody who looks at all of it.
    pub(super) fn release_held(&mut self) {
        if self.groups.as_ref().is_some_and(|groups| groups.held_count > 0) {
            self.put_back_held(|_| true);
        }
    }

    /// Whether the time of something that is held is over.
    pub(super) fn holds_expired(&self, now: Timestamp) -> bool {
        self.groups.as_ref().is_some_and(|groups| {
            let mut first = groups.held.values().filter_map(VecDeque::front);
            first.any(|entry| entry.ticket.is_expired(now))
        })
    }

    /// Entries of groups come back: what is held of those stands behind them again.
    pub(super) fn release_held_behind(&mut self, entries: &[Entry]) {
        if self.groups.as_ref().is_some_and(|groups| groups.held_count > 0) {
            let groups: Vec<Group> =
                entries.iter().filter_map(|entry| entry.ticket.flags.group()).collect();
            self.put_back_held(|group| groups.contains(&group));
        }
    }

    /// A consumer is gone: its groups are whose they will be.
    pub(super) fn disown(&mut self, consumer: &Arc<Consumer>) {
        let Some(groups) = self.groups.as_mut() else { return };
        let before = groups.owners.len();
        let mut gone = Vec::new();
        groups.owners.retain(|group, owner| {
            let stays = !Arc::ptr_eq(owner, consumer);
            if !stays {
                gone.push(*group);
            }
            stays
        });
        if groups.owners.len() < before {
            self.put_back_held(|group| gone.contains(&group));
            // They passed over what was not theirs.
            self.tell_choosers(0);
        }
    }

    /// Nobody consumes.
    pub(super) fn disown_all(&mut self) {
        self.release_held();
        self.groups = None;
    }
}

impl Queue {
    /// Hands over what is held, as far as its owners have room.
    pub(super) fn dispatch_held(&self, state: &mut State, now: Timestamp) {
        let Some(groups) = state.groups.as_ref().filter(|groups| groups.held_count > 0) else {
            return;
        };
        for group in groups.held.keys().copied().collect::<Vec<_>>() {
            let owner = state.owner(group).cloned();
            let at = owner.and_then(|owner| {
                state.consumers.iter().position(|place| Arc::ptr_eq(&place.consumer, &owner))
            });
            let first = |state: &State| {
                let held = state.groups.as_ref()?.held.get(&group)?.front()?;
                Some((held.ticket.expires_at.is_some_and(|at| at < now), held.size_bytes()))
            };
            while let Some((is_over, size)) = first(state) {
                if is_over {
                    let Some(entry) = state.unhold(group) else { break };
                    state.die(entry, DeathReason::Expired);
                    continue;
                }
                let Some(at) = at else { break };
                let Some(place) = state.consumers.get_mut(at) else { break };
                if !place.room.take(&place.consumer, size) {
                    break;
                }
                let Some(entry) = state.unhold(group) else { break };
                state.hand_over(at, entry);
            }
        }
    }
}

/// How many entries a queue holds for owners who have no room: the messages of those stay in
/// memory. When more are to be held, what stands behind waits for them.
const HELD_MAX: usize = 4096;
