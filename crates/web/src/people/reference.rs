//! How a destination is named outside: by its id; or, as some ids are as good as a password, by a
//! reference that only its owner can turn back. Who added it has seen it, and need not again.

use notify::{
    rule::{Fault, Rule},
    store::Destination,
};
use uuid::Uuid;

/// How an id is named in lists and rules: itself, or `webhook:#…`.
pub(crate) fn name(id: &str) -> String {
    let destination = Destination { id: id.to_owned(), enabled: true };
    match id.starts_with('@') || destination.shown() == id {
        true => id.to_owned(),
        false => {
            let key = Uuid::new_v5(&KEYS, id.as_bytes()).simple();
            format!("{}:#{key}", destination.kind())
        }
    }
}

/// What people see of it: a host of a webhook, for instance.
pub(crate) fn shown(id: &str) -> String {
    match id.starts_with('@') {
        true => id.to_owned(),
        false => Destination { id: id.to_owned(), enabled: true }.shown(),
    }
}

/// The destination that is meant, among an owner's.
pub(crate) fn find<'a>(all: &'a [Destination], named: &str) -> Option<&'a Destination> {
    all.iter().find(|one| one.id == named || name(&one.id) == named)
}

/// A rule with names for ids.
pub(crate) fn named(mut rule: Rule) -> Rule {
    for id in ids(&mut rule) {
        *id = name(id);
    }
    rule
}

/// A rule with the ids for the names.
///
/// # Errors
/// A reference that is none of the owner's.
pub(crate) fn resolved(mut rule: Rule, all: &[Destination]) -> Result<Rule, Vec<Fault>> {
    let mut faults = Vec::new();
    for id in ids(&mut rule) {
        match find(all, id) {
            Some(one) => one.id.clone_into(id),
            None if id.contains(":#") => faults.push(Fault {
                path: "outlets".to_owned(),
                at: None,
                problem: format!("'{id}' is no destination that is here; choose another"),
            }),
            // The store says what is wrong with it.
            None => {}
        }
    }
    if faults.is_empty() { Ok(rule) } else { Err(faults) }
}

fn ids(rule: &mut Rule) -> impl Iterator<Item = &mut String> {
    rule.outlets.iter_mut().flat_map(|outlet| outlet.to.iter_mut().chain(&mut outlet.when.fallback))
}

const KEYS: Uuid = Uuid::from_u128(0x1d0c_3b0e_52b7_4f0e_9d3d_7a70_11c4_a52e);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_has_a_reference_and_the_rest_its_id() {
        for id in ["mail:ada@example.org", "irc:ada", "@mail"] {
            assert_eq!(name(id), id);
        }
        let secret = "webhook:https://example.org/s3cret";
        let named = name(secret);
        assert!(named.starts_with("webhook:#") && !named.contains("s3cret"), "{named}");
        assert_eq!(shown(secret), "webhook:https://example.org/…");
        let all = [Destination::new("ntfy:abc").unwrap(), Destination::new(secret).unwrap()];
        assert_eq!(find(&all, &named).unwrap().id, secret);
        assert_eq!(find(&all, secret).unwrap().id, secret);
        assert!(find(&all, "webhook:#0").is_none());
    }
}
