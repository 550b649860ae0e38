//! Whom an event is told: the rules that want it, whose owners do not want to be left alone, and
//! where they want it. The rules of the configuration file and those of the store are one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use event::{Description, Event};
use jiff::Timestamp;

use crate::{
    Notice, Place, Reason, Subscription,
    follower::Stored,
    matcher::{Failures, Matcher, Scratch},
    rule::{Owner, Rule, When},
    store::{Change, Destination, Letter, Plan, Silence},
};

/// Rules, destinations and silences as they are now. Shared by the loop that tells and the one that
/// follows the store.
#[derive(Debug, Default)]
pub struct Audience {
    known: RwLock<Known>,
    scratch: Mutex<Scratch>,
}

#[derive(Debug, Default)]
struct Known {
    matcher: Matcher,
    /// Of the store; the file's rules name addresses.
    destinations: HashMap<Owner, BTreeMap<String, Destination>>,
    silences: HashMap<Owner, Silence>,
    /// Of the file, by rule: it was parsed when the file was read.
    addresses: HashMap<String, Place>,
}

impl Audience {
    /// Those of the configuration file.
    pub fn of(subscriptions: &[Subscription]) -> Audience {
        let audience = Audience::default();
        let mut known = audience.known.write().unwrap_or_else(PoisonError::into_inner);
        for (index, subscription) in subscriptions.iter().enumerate() {
            let rule = subscription.rule(index + 1);
            known.addresses.insert(rule.id.clone(), subscription.to.clone().into());
            known.put(rule);
        }
        drop(known);
        audience
    }

    /// Takes a change of the store over; it holds for the next event.
    pub fn apply(&self, change: Change) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match change {
            // A store refuses such ids; who wrote one into the database by hand does not get the
            // file's addresses.
            Change::Rule(Rule { id, .. }) | Change::RuleGone(id)
                if known.addresses.contains_key(&id) =>
            {
                tracing::warn!(rule = id, "left out: the id is the configuration file's");
            }
            Change::Rule(rule) => known.put(rule),
            Change::RuleGone(id) => known.matcher.remove(&id),
            Change::Group { name, members } => known.matcher.set_group(&name, &members),
            Change::Maintainers { package, maintainers } => {
                known.matcher.set_maintainers(&package, maintainers);
            }
            Change::Destinations(owner, all) if all.is_empty() => {
                known.destinations.remove(&owner);
            }
            Change::Destinations(owner, all) => {
                let by_id = all.into_iter().map(|one| (one.id.clone(), one)).collect();
                known.destinations.insert(owner, by_id);
            }
            Change::Silence(owner, silence) => match silence == Silence::default() {
                true => drop(known.silences.remove(&owner)),
                false => drop(known.silences.insert(owner, silence)),
            },
            // It is for who tells, not for whom is told.
            Change::Outbox => {}
        }
    }

    /// What came from the store.
    pub(crate) fn stored(&self) -> Stored {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_store = |id: &&str| !known.addresses.contains_key(*id);
        let directory = known.matcher.directory();
        Stored {
            rules: known.matcher.ids().filter(of_store).map(str::to_owned).collect(),
            groups: directory.groups().map(str::to_owned).collect(),
            packages: directory.packages().map(str::to_owned).collect(),
            destinations: known.destinations.keys().cloned().collect(),
            silences: known.silences.keys().cloned().collect(),
        }
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).matcher.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Expressions that failed so far.
    pub fn failures(&self) -> Failures {
        self.known.read().unwrap_or_else(PoisonError::into_inner).matcher.failures()
    }

    /// The notices of one event: one for each address, however many rules ask for it.
    pub fn notices(
        &self,
        event: &Arc<Event>,
        description: &Arc<Description>,
        received_at: Timestamp,
    ) -> Vec<Notice> {
        let notice = |letter: Letter| Notice {
            event: letter.event,
            description: Arc::clone(description),
            more: Vec::new(),
            to: letter.to,
            reasons: letter.reasons,
            received_at,
        };
        self.letters(event, description, received_at).into_iter().map(notice).collect()
    }

    /// The same, as they are kept: with when each goes.
    pub(crate) fn letters(
        &self,
        event: &Arc<Event>,
        description: &Description,
        received_at: Timestamp,
    ) -> Vec<Letter> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = known.matcher.matches(event, description, &mut scratch);
        // In an order that people find again in each mail: the file's, then as they were made.
        rules.sort_unstable_by(|a, b| {
            let of_store = |rule: &Rule| !known.addresses.contains_key(&rule.id);
            (of_store(a), &a.id).cmp(&(of_store(b), &b.id))
        });
        let mut letters: Vec<Letter> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for rule in rules {
            if known.is_silent(&rule.owner, description, received_at) {
                continue;
            }
            let of_store = !known.addresses.contains_key(&rule.id);
            for (to, plan) in known.places_of(rule, description) {
                let place = *places.entry(to.key()).or_insert(letters.len());
                let reason = Reason {
                    subscription: rule.name.clone(),
                    pattern: rule.what.pattern_for(&event.topic).to_owned(),
                    rule: of_store.then(|| rule.id.clone()),
                };
                let owner = of_store.then(|| rule.owner.to_string());
                let Some(letter) = letters.get_mut(place) else {
                    letters.push(Letter {
                        event: Arc::clone(event),
                        to,
                        reasons: vec![reason],
                        owners: owner.into_iter().collect(),
                        received_at,
                        plan,
                    });
                    continue;
                };
                // Two outlets of one rule may go to one address.
                if !letter.reasons.contains(&reason) {
                    letter.reasons.push(reason);
                }
                if let Some(owner) = owner.filter(|owner| !letter.owners.contains(owner)) {
                    letter.owners.push(owner);
                }
                // Told once, it is told as early as anybody asks.
                if patience(&plan.when) < patience(&letter.plan.when) {
                    letter.plan = plan;
                }
            }
        }
        letters
    }

    /// Which of the reasons still hold at the moment of telling: whose rule is there, and whose
    /// owner does not want to be left alone.
    pub(crate) fn still(
        &self,
        reasons: &[Reason],
        told: &Description,
        now: Timestamp,
    ) -> Vec<Reason> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let holds = |reason: &&Reason| match &reason.rule {
            None => true,
            Some(id) => {
                let rule = known.matcher.rule(id);
                rule.is_some_and(|rule| !known.is_silent(&rule.owner, told, now))
            }
        };
        reasons.iter().filter(holds).cloned().collect()
    }
}

/// How long a plan may hold something back, by its nature.
fn patience(when: &When) -> u8 {
    match (when.digest.is_some(), !when.quiet.is_empty(), when.rate.is_some()) {
        (true, ..) => 3,
        (_, true, _) => 2,
        (_, _, true) => 1,
        _ => 0,
    }
}

impl Known {
    fn put(&mut self, rule: Rule) {
        let id = rule.id.clone();
        if let Err(reason) = self.matcher.put(Arc::new(rule)) {
            // The store checks what it takes; an older release may have taken something else.
            tracing::warn!(
                rule = id,
                "rule left out, save it again to see what is wrong: {reason}"
            );
        }
    }

    fn is_silent(&self, owner: &Owner, told: &Description, now: Timestamp) -> bool {
        self.silences.get(owner).is_some_and(|silence| silence.covers(told, now))
    }

    /// Where a rule tells this event, and when.
    fn places_of(&self, rule: &Rule, description: &Description) -> Vec<(Place, Plan)> {
        if let Some(address) = self.addresses.get(&rule.id) {
            return vec![(address.clone(), Plan::at_once(address))];
        }
        let Some(destinations) = self.destinations.get(&rule.owner) else { return Vec::new() };
        let place_of = |id: &str| destinations.get(id).and_then(Destination::place);
        let mut places = Vec::new();
        for (number, outlet) in rule.outlets.iter().enumerate() {
            if !outlet.takes(description.severity) {
                continue;
            }
            let mut to: Vec<Place> = Vec::new();
            for id in &outlet.to {
                match id.strip_prefix('@') {
                    Some(kind) => {
                        let of_kind = destinations.values().filter(|one| one.kind() == kind);
                        to.extend(of_kind.filter_map(Destination::place));
                    }
                    None => to.extend(place_of(id)),
                }
            }
            places.extend(to.into_iter().map(|to| {
                let plan = match outlet.when.is_at_once() {
                    true => Plan::at_once(&to),
                    false => Plan {
                        // A place's key has no line break.
                        lane: format!("{}\n{} {number}", to.key(), rule.id),
                        when: outlet.when.clone(),
                        fallback: outlet.when.fallback.as_deref().and_then(place_of),
                    },
                };
                (to, plan)
            }));
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{notice::sample, rule::Condition};

    fn subscription(name: &str, to: &str, pattern: &str) -> Subscription {
        let what = Condition::Topic(vec![pattern.parse().unwrap()]);
        Subscription { name: name.to_owned(), to: to.parse().unwrap(), what }
    }

    fn told(subscriptions: &[Subscription]) -> Vec<(String, Vec<String>)> {
        let (event, description) = sample();
        Audience::of(subscriptions)
            .notices(&event.into(), &description.into(), Timestamp::UNIX_EPOCH)
            .into_iter()
            .map(|notice| {
                let names = notice.reasons.into_iter().map(|r| r.subscription).collect();
                (notice.to.shown(), names)
            })
            .collect()
    }

    #[test]
    fn an_address_is_told_once_and_hears_every_reason() {
        let told = told(&[
            subscription("one", "ada@example.org", "#"),
            subscription("two", "grace@example.org", "#.git.*"),
            subscription("three", "Ada <ada@EXAMPLE.org>", "org.#"),
            subscription("four", "ada@example.org", "#.koji.#"),
        ]);
        let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            told,
            [
                ("ada@example.org".to_owned(), names(&["one", "three"])),
                ("grace@example.org".to_owned(), names(&["two"])),
            ]
        );
    }

    #[test]
    fn two_local_parts_of_different_case_are_two_people() {
        let told = told(&[
            subscription("one", "ada@example.org", "#"),
            subscription("two", "Ada@example.org", "#"),
        ]);
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn nobody_is_told_what_nobody_asked_for() {
        assert!(told(&[subscription("one", "ada@example.org", "#.koji.#")]).is_empty());
    }

    #[test]
    fn a_rule_with_the_id_of_one_of_the_file_changes_nothing() {
        let all = [subscription("one", "ada@example.org", "#")];
        let audience = Audience::of(&all);
        let rule = Rule { what: Condition::Any(Vec::new()), ..all[0].rule(1) };
        audience.apply(Change::Rule(rule.clone()));
        audience.apply(Change::RuleGone(rule.id));
        let (event, told) = sample();
        let notices = audience.notices(&event.into(), &told.into(), Timestamp::UNIX_EPOCH);
        assert_eq!(notices.len(), 1);
    }
}
