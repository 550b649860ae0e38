//! Which schema an event has: a table by name, and topic patterns in buckets by their last word,
//! so that a topic is held against a handful of patterns and not against all. What was found for a
//! topic is remembered.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use crate::{Error, Pattern, Schema, Topic};

#[derive(Debug, Clone, Default)]
pub(crate) struct SchemaIndex {
    /// By its own name.
    schemas: BTreeMap<String, Arc<Schema>>,
    /// Every header value to the schema's own name.
    names: HashMap<String, String>,
    /// Last word of the pattern, or none when that is `*` or `#`.
    topics: HashMap<Option<String>, Vec<Binding>>,
    found: Found,
}

/// What `by_topic` found, by topic. A copy of an index begins without.
#[derive(Debug, Default)]
struct Found(RwLock<HashMap<String, Arc<[Arc<Schema>]>>>);

impl Clone for Found {
    fn clone(&self) -> Found {
        Found::default()
    }
}

#[derive(Debug, Clone)]
struct Binding {
    pattern: Pattern,
    rank: Rank,
    schema: Arc<Schema>,
}

/// How specific a pattern is: words it spells out, then words it counts, then fewest `#`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    words: usize,
    stars: usize,
    hashes: std::cmp::Reverse<usize>,
}

impl Rank {
    fn of(pattern: &Pattern) -> Rank {
        let count = |wanted: &str| pattern.as_str().split('.').filter(|w| *w == wanted).count();
        let (stars, hashes) = (count("*"), count("#"));
        let words = pattern.as_str().split('.').count() - stars - hashes;
        Rank { words, stars, hashes: std::cmp::Reverse(hashes) }
    }
}

impl SchemaIndex {
    /// Adds a schema, in place of the one of the same name.
    pub(crate) fn add(&mut self, file: &str, schema: Schema) -> Result<(), Error> {
        for name in schema.all_names() {
            if let Some(owner) = self.names.get(name).filter(|owner| *owner != schema.name()) {
                let reason = format!(
                    "$.names: '{name}' is already schema {owner}; a header value means one schema"
                );
                return Err(Error::Schema { name: file.to_owned(), reason });
            }
        }
        self.found = Found::default();
        if self.schemas.remove(schema.name()).is_some() {
            self.names.retain(|_, owner| owner != schema.name());
            for bucket in self.topics.values_mut() {
                bucket.retain(|binding| binding.schema.name() != schema.name());
            }
        }
        let schema = Arc::new(schema);
        for name in schema.all_names() {
            self.names.insert(name.to_owned(), schema.name().to_owned());
        }
        for pattern in schema.topics() {
            let last = pattern.as_str().rsplit('.').next().filter(|w| *w != "*" && *w != "#");
            let rank = Rank::of(pattern);
            let binding = Binding { pattern: pattern.clone(), rank, schema: schema.clone() };
            self.topics.entry(last.map(str::to_owned)).or_default().push(binding);
        }
        self.schemas.insert(schema.name().to_owned(), schema);
        Ok(())
    }

    pub(crate) fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.schemas.values()
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(self.names.get(name)?)
    }

    /// The schemas whose patterns match the topic most specifically: current ones first, each
    /// once. More than one when several patterns are equally specific.
    pub(crate) fn by_topic(&self, topic: &Topic) -> Arc<[Arc<Schema>]> {
        let known = self.found.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(topic.as_str()) {
            return Arc::clone(found);
        }
        drop(known);
        let found: Arc<[Arc<Schema>]> = self.look_up(topic).into_iter().cloned().collect();
        let mut known = self.found.0.write().unwrap_or_else(PoisonError::into_inner);
        // Topics are a publisher's to make up: what is remembered has an end.
        if known.len() >= TOPICS_REMEMBERED_MAX {
            known.clear();
        }
        known.insert(topic.as_str().to_owned(), Arc::clone(&found));
        found
    }

    fn look_up(&self, topic: &Topic) -> Vec<&Arc<Schema>> {
        let last = topic.words().last().map(str::to_owned);
        let buckets = [self.topics.get(&last), self.topics.get(&None)];
        let mut best: Option<Rank> = None;
        let mut schemas: Vec<&Arc<Schema>> = Vec::new();
        for binding in buckets.into_iter().flatten().flatten() {
            if best.is_some_and(|best| binding.rank < best) || !binding.pattern.matches(topic) {
                continue;
            }
            if best.is_none_or(|best| binding.rank > best) {
                best = Some(binding.rank);
                schemas.clear();
            }
            if !schemas.iter().any(|schema| schema.name() == binding.schema.name()) {
                schemas.push(&binding.schema);
            }
        }
        schemas.sort_by_key(|schema| (schema.is_deprecated(), schema.name().to_owned()));
        schemas
    }
}

/// Some hundred bytes each.
const TOPICS_REMEMBERED_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(name: &str, topics: &[&str], more: serde_json::Value) -> Schema {
        let mut file = json!({
            "name": name, "version": 1, "title": "t", "description": "", "owner": "o",
            "topics": topics, "body": {}, "render": {"app": "t", "summary": name},
            "examples": [{"topic": "t", "body": {}, "expect": {}}],
        });
        for (key, value) in more.as_object().unwrap() {
            file[key] = value.clone();
        }
        Schema::parse(name, &file.to_string()).unwrap()
    }

    fn index(schemas: &[(&str, &[&str])]) -> SchemaIndex {
        let mut index = SchemaIndex::default();
        for (name, topics) in schemas {
            index.add(name, schema(name, topics, json!({}))).unwrap();
        }
        index
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let index = index(&[
            ("all", &["#"]),
            ("git", &["#.git.#"]),
            ("one", &["#.git.*"]),
            ("receive", &["#.git.receive"]),
            ("ours", &["org.example.git.receive"]),
        ]);
        for (topic, expected) in [
            ("a", "all"),
            ("a.git.b.c", "git"),
            ("git.push", "one"),
            ("org.other.git.receive", "receive"),
            ("org.example.git.receive", "ours"),
        ] {
            let found = index.by_topic(&topic.parse().unwrap());
            assert_eq!(found.iter().map(|s| s.name()).collect::<Vec<_>>(), [expected], "{topic}");
        }
    }

    #[test]
    fn equally_specific_ones_are_all_given_current_ones_first() {
        let mut index = index(&[("b", &["#.x"])]);
        index.add("a", schema("a", &["#.x", "#.y"], json!({"deprecated": true}))).unwrap();
        let found = index.by_topic(&"q.x".parse().unwrap());
        assert_eq!(found.iter().map(|s| s.name()).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn what_was_found_is_forgotten_with_a_change_and_has_an_end() {
        let mut index = index(&[("a", &["#.x"])]);
        for n in 0..TOPICS_REMEMBERED_MAX * 2 {
            index.by_topic(&format!("{n}.x").parse().unwrap());
        }
        let remembered = |index: &SchemaIndex| index.found.0.read().unwrap().len();
        assert!((1..=TOPICS_REMEMBERED_MAX).contains(&remembered(&index)));
        let topic = "0.x".parse().unwrap();
        assert_eq!(index.by_topic(&topic).len(), 1);
        index.add("b", schema("b", &["0.x"], json!({}))).unwrap();
        assert_eq!(index.by_topic(&topic)[0].name(), "b");
        assert_eq!(remembered(&index.clone()), 0);
    }

    #[test]
    fn a_schema_of_the_same_name_is_replaced_and_a_taken_name_refused() {
        let mut index = index(&[("a", &["#.x"])]);
        index.add("a", schema("a", &["#.y"], json!({"names": ["a.v1"]}))).unwrap();
        assert!(index.by_topic(&"x".parse().unwrap()).is_empty());
        assert_eq!(index.by_name("a.v1").unwrap().name(), "a");
        let error = index.add("b", schema("b", &["#.z"], json!({"names": ["a.v1"]}))).unwrap_err();
        assert!(error.to_string().contains("'a.v1' is already schema a"), "{error}");
        assert_eq!(index.schemas().count(), 1);
    }
}
