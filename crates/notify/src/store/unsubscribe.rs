//! What an address of a mail asks for, done.

use super::{Error, Silence, Store, change, one, put, write_rule};
use crate::{
    Farewell,
    rule::{Owner, Rule},
};

impl Store {
    /// Does what a farewell asks for: each rule is disabled, the file's subscriptions of the
    /// address are paused. What is so already, or gone, stays so. Gives the names of what ended.
    ///
    /// # Errors
    /// The database's.
    pub fn unsubscribe(&self, farewell: &Farewell) -> Result<Vec<String>, Error> {
        self.change(|session| {
            let mut ended = Vec::new();
            for id in &farewell.rules {
                let rule: Option<Rule> = one(session, RULE, id)?;
                let Some(mut rule) = rule else { continue };
                if rule.enabled {
                    rule.enabled = false;
                    write_rule(session, &rule)?;
                }
                ended.push(rule.name);
            }
            if farewell.of_file {
                let owner = Owner::Person(farewell.address.clone()).to_string();
                let silence: Option<Silence> = one(session, SILENCE, &owner)?;
                let silence = Silence { paused: true, ..silence.unwrap_or_default() };
                put(session, "silence", "owner", &owner, &silence)?;
                change::note(session, "silence", &owner)?;
                ended.push(of_file(farewell));
            }
            Ok(ended)
        })
    }

    /// The names of what [`Store::unsubscribe`] would end.
    ///
    /// # Errors
    /// The database's.
    pub fn would_end(&self, farewell: &Farewell) -> Result<Vec<String>, Error> {
        self.read(|session| {
            let mut names = Vec::new();
            for id in &farewell.rules {
                let rule: Option<Rule> = one(session, RULE, id)?;
                names.extend(rule.map(|rule| rule.name));
            }
            names.extend(farewell.of_file.then(|| of_file(farewell)));
            Ok(names)
        })
    }
}

fn of_file(farewell: &Farewell) -> String {
    format!("subscriptions of {}", farewell.address)
}

const RULE: &str = "SELECT body FROM rule WHERE id = $1";
const SILENCE: &str = "SELECT body FROM silence WHERE owner = $1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsubscribing_ends_these_rules_and_no_others_and_can_be_done_twice() {
        let store = Store::in_memory().unwrap();
        let kept = |name: &str| {
            let json = format!(
                r#"{{"owner": {{"person": "ada"}}, "name": "{name}", "what": {{"all": []}},
                   "outlets": [{{"to": ["@mail"]}}]}}"#
            );
            store.put_rule(Rule::from_json(&json).unwrap()).unwrap()
        };
        let (one, two) = (kept("one"), kept("two"));
        let farewell = Farewell {
            address: "ada@example.org".to_owned(),
            rules: vec![one.id.clone(), "gone".to_owned()],
            of_file: true,
        };
        assert_eq!(
            store.would_end(&farewell).unwrap(),
            ["one", "subscriptions of ada@example.org"]
        );
        assert!(store.rule(&one.id).unwrap().unwrap().enabled);
        for _ in 0..2 {
            store.unsubscribe(&farewell).unwrap();
            assert!(!store.rule(&one.id).unwrap().unwrap().enabled);
            assert!(store.rule(&two.id).unwrap().unwrap().enabled);
        }
        assert!(store.silence(&"ada@example.org".parse().unwrap()).unwrap().paused);
    }
}
