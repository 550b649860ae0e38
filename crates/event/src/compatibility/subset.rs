//! Whether all values of one schema are values of another. Bounded in depth and steps; what it
//! does not understand is never taken for compatible.

use std::{collections::HashSet, sync::LazyLock};

use serde_json::Value;

use super::keywords::{
    ARRAY, NUMBER, OBJECT, Object, STRING, bound, count, is_annotation, items, kind, kind_names,
    kinds, properties, required, values,
};

/// One of the two schemas: what it is called in reasons, and the document its `$ref`s mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) label: &'static str,
    pub(super) root: &'a Value,
}

#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) reason: String,
    /// It breaks the relation; otherwise it only hides whether it holds.
    pub(super) breaks: bool,
}

/// The comparison under way: is `sub` within `sup`?
pub(super) struct Subset<'a> {
    sub: Side<'a>,
    sup: Side<'a>,
    findings: Vec<Finding>,
    /// Pairs that are being compared or were: a schema may contain itself.
    seen: HashSet<(*const Value, *const Value)>,
    steps: usize,
}

impl<'a> Subset<'a> {
    pub(super) fn new(sub: Side<'a>, sup: Side<'a>) -> Subset<'a> {
        Subset { sub, sup, findings: Vec::new(), seen: HashSet::new(), steps: 0 }
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Compares the two from `$` on.
    pub(super) fn compare(&mut self, sub: &'a Value, sup: &'a Value) {
        self.value(sub, sup, "$", 0);
    }

    /// A key that `old` names and `new` does not: no schema would mind, but who reads it does.
    pub(super) fn removed_keys(&mut self, old: &'a Value, new: &'a Value) {
        self.removed(old, new, "$", 0);
    }

    fn removed(&mut self, old: &'a Value, new: &'a Value, path: &str, depth: usize) {
        let (old, new) = (self.sup.resolve(old), self.sub.resolve(new));
        let (Some(Value::Object(old)), Some(Value::Object(new))) = (old, new) else { return };
        if depth > DEPTH_MAX || self.findings.len() > FINDINGS_MAX {
            return;
        }
        for (key, before) in properties(old).into_iter().flatten() {
            let path = format!("{path}.{key}");
            match properties(new).and_then(|properties| properties.get(key)) {
                Some(after) => self.removed(before, after, &path, depth + 1),
                None if new.contains_key("properties") => {
                    self.breaks(&path, "old names it and new does not; keep it".to_owned());
                }
                None => {}
            }
        }
        if let ((_, Some(before)), (_, Some(after))) = (items(old), items(new)) {
            self.removed(before, after, &format!("{path}[*]"), depth + 1);
        }
    }

    fn value(&mut self, sub: &'a Value, sup: &'a Value, path: &str, depth: usize) {
        self.steps += 1;
        if depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return self.open(path, "the schemas nest too deeply to be compared".to_owned());
        }
        if sub == sup && !holds_references(sub) {
            return;
        }
        if !self.seen.insert((std::ptr::from_ref(sub), std::ptr::from_ref(sup))) {
            return;
        }
        let (Some(sub), Some(sup)) = (self.sub.resolve(sub), self.sup.resolve(sup)) else {
            return self.open(path, "a $ref leads nowhere or beside other rules".to_owned());
        };
        match (sub, sup) {
            (Value::Bool(false), _) | (_, Value::Bool(true)) => {}
            (_, Value::Bool(false)) => {
                self.breaks(path, format!("{} does not allow it", self.sup.label));
            }
            (Value::Bool(true), Value::Object(sup)) => self.object(&EMPTY, sup, path, depth),
            (Value::Object(sub), Value::Object(sup)) => self.object(sub, sup, path, depth),
            _ => self.open(path, "not a JSON Schema".to_owned()),
        }
    }

    fn object(&mut self, sub: &'a Object, sup: &'a Object, path: &str, depth: usize) {
        // A choice in `sub` is several schemas; each has to be within.
        for choice in ["anyOf", "oneOf"] {
            let Some(Value::Array(branches)) = sub.get(choice) else { continue };
            let alone = sub.keys().all(|key| key == choice || is_annotation(key));
            if sup.get(choice) != sub.get(choice) && alone {
                for branch in branches {
                    let mut trial = self.trial();
                    match branch {
                        Value::Object(branch) => trial.object(branch, sup, path, depth + 1),
                        Value::Bool(true) => trial.object(&EMPTY, sup, path, depth + 1),
                        _ => {}
                    }
                    self.findings.extend(trial.findings);
                    self.steps = trial.steps;
                }
                return;
            }
        }
        let before = self.findings.len();
        self.kinds_and_values(sub, sup, path);
        self.numbers(sub, sup, path);
        self.strings(sub, sup, path);
        self.arrays(sub, sup, path, depth);
        self.keys(sub, sup, path, depth);
        self.combinations(sub, sup, path, depth);
        if before < self.findings.len() && NARROWING.iter().any(|key| sub.contains_key(*key)) {
            // `sub` also says something that was not looked into and may well exclude the rest.
            for finding in self.findings.iter_mut().skip(before) {
                finding.breaks = false;
            }
        }
    }

    fn kinds_and_values(&mut self, sub: &'a Object, sup: &'a Object, path: &str) {
        let more = kinds(sub) & !kinds(sup);
        if more != 0 && kinds(sub) != 0 {
            let (names, allowed) = (kind_names(more), kind_names(kinds(sup)));
            let (sub, sup) = (self.sub.label, self.sup.label);
            let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed };
            return self.breaks(path, format!("in {sub} it may be {names}, in {sup} {allowed}"));
        }
        match (values(sub), values(sup)) {
            (Some(some), Some(all)) => {
                for value in some.into_iter().filter(|value| !all.contains(value)) {
                    self.breaks(path, format!("{} does not list {}", self.sup.label, shown(value)));
                }
            }
            (None, Some(all)) if kinds(sub) & !3 != 0 || !few_listed(kinds(sub), &all) => {
                let (sub, sup) = (self.sub.label, self.sup.label);
                self.breaks(path, format!("{sub} lets it be anything, {sup} lists the values"));
            }
            (Some(some), None) if has_rules(sup) => {
                let fits = validator(sup);
                for value in some {
                    match &fits {
                        Some(fits) if fits.is_valid(value) => {}
                        Some(_) => {
                            let value = shown(value);
                            self.breaks(path, format!("{} does not allow {value}", self.sup.label));
                        }
                        None => self.open(path, format!("{} may not fit", shown(value))),
                    }
                }
            }
            _ => {}
        }
    }

    fn numbers(&mut self, sub: &'a Object, sup: &'a Object, path: &str) {
        if kinds(sub) & NUMBER == 0 || values(sub).is_some() {
            return;
        }
        for (sign, word) in [(1.0, "less"), (-1.0, "more")] {
            let Some((limit, closed)) = bound(sup, sign) else { continue };
            let within = bound(sub, sign).is_some_and(|(own, own_closed)| {
                own > limit || (own == limit && (closed || !own_closed))
            });
            if !within {
                let (limit, label) = (limit * sign, self.sup.label);
                self.breaks(path, format!("it may be {word} than {limit}, which {label} forbids"));
            }
        }
        self.same_or(sub, sup, "multipleOf", path);
    }

    fn strings(&mut self, sub: &'a Object, sup: &'a Object, path: &str) {
        if kinds(sub) & STRING == 0 || values(sub).is_some() {
            return;
        }
        self.counts(sub, sup, "minLength", "maxLength", "characters", path);
        for key in ["pattern", "format"] {
            self.same_or(sub, sup, key, path);
        }
    }

    fn arrays(&mut self, sub: &'a Object, sup: &'a Object, path: &str, depth: usize) {
        if kinds(sub) & ARRAY == 0 || values(sub).is_some() {
            return;
        }
        self.counts(sub, sup, "minItems", "maxItems", "items", path);
        self.same_or(sub, sup, "uniqueItems", path);
        let ((first_sub, rest_sub), (first_sup, rest_sup)) = (items(sub), items(sup));
        for index in 0..first_sub.len().max(first_sup.len()) {
            let own = first_sub.get(index).or(rest_sub).unwrap_or(&ANYTHING);
            let Some(theirs) = first_sup.get(index).or(rest_sup) else { continue };
            self.value(own, theirs, &format!("{path}[{index}]"), depth + 1);
        }
        if let Some(theirs) = rest_sup {
            let full = count(sub, "maxItems").is_some_and(|most| most <= first_sup.len() as u64);
            if !full {
                let own = rest_sub.unwrap_or(&ANYTHING);
                self.value(own, theirs, &format!("{path}[*]"), depth + 1);
            }
        }
    }

    fn keys(&mut self, sub: &'a Object, sup: &'a Object, path: &str, depth: usize) {
        if kinds(sub) & OBJECT == 0 || values(sub).is_some() {
            return;
        }
        self.counts(sub, sup, "minProperties", "maxProperties", "keys", path);
        let (from, to) = (self.sub.label, self.sup.label);
        for key in required(sup) {
            if !required(sub).any(|own| own == key) {
                self.breaks(
                    &format!("{path}.{key}"),
                    format!("in {from} it may be missing, {to} requires it"),
                );
            }
        }
        let (own, theirs) = (properties(sub), properties(sup));
        let patterns = sup.get("patternProperties").is_some_and(|it| it != &ANYTHING);
        let rest = sup.get("additionalProperties");
        for (key, value) in own.into_iter().flatten() {
            let path = format!("{path}.{key}");
            match (theirs.and_then(|theirs| theirs.get(key)), rest) {
                (Some(other), _) => self.value(value, other, &path, depth + 1),
                (None, _) if patterns => {
                    self.open(&path, "patternProperties may say something of it".to_owned());
                }
                (None, Some(rest)) => self.value(value, rest, &path, depth + 1),
                (None, None) => {}
            }
        }
        let own_rest = sub.get("additionalProperties");
        if let Some(own_rest @ Value::Object(_)) = own_rest {
            for (key, other) in theirs.into_iter().flatten() {
                if own.is_none_or(|own| !own.contains_key(key)) {
                    self.value(own_rest, other, &format!("{path}.{key}"), depth + 1);
                }
            }
        }
        match rest {
            None | Some(Value::Bool(true)) => {}
            Some(rest) => {
                self.value(own_rest.unwrap_or(&ANYTHING), rest, &format!("{path}.*"), depth + 1);
            }
        }
        for key in ["patternProperties", "propertyNames", "unevaluatedProperties"] {
            self.same_or(sub, sup, key, path);
        }
        for key in ["dependentRequired", "dependentSchemas", "dependencies"] {
            self.same_or(sub, sup, key, path);
        }
    }

    /// What `sup` is put together of.
    fn combinations(&mut self, sub: &'a Object, sup: &'a Object, path: &str, depth: usize) {
        for branch in sup.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if sub.get("allOf").and_then(Value::as_array).is_none_or(|own| !own.contains(branch)) {
                self.branch(sub, branch, path, depth);
            }
        }
        if let Some(branches) =
            sup.get("anyOf").filter(|branches| sub.get("anyOf") != Some(*branches))
        {
            let branches = branches.as_array().map(Vec::as_slice).unwrap_or_default();
            let fits = branches.iter().any(|branch| {
                let mut trial = self.trial();
                trial.branch(sub, branch, path, depth);
                self.steps = trial.steps;
                trial.findings.is_empty()
            });
            if !fits {
                self.open(path, format!("no one branch of {}'s anyOf takes all", self.sup.label));
            }
        }
        for key in ["oneOf", "not", "if", "then", "else", "contains", "unevaluatedItems"] {
            self.same_or(sub, sup, key, path);
        }
        let known = |key: &String| KNOWN.contains(&key.as_str()) || is_annotation(key);
        for key in sup.keys().filter(|key| !known(key) && sub.get(*key) != sup.get(*key)) {
            self.open(path, format!("what {key} means is not known here"));
        }
    }

    fn branch(&mut self, sub: &'a Object, branch: &'a Value, path: &str, depth: usize) {
        match self.sup.resolve(branch) {
            Some(Value::Object(branch)) if depth < DEPTH_MAX && self.steps < STEPS_MAX => {
                self.steps += 1;
                self.object(sub, branch, path, depth + 1);
            }
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => {
                self.breaks(path, format!("{} does not allow it", self.sup.label));
            }
            _ => self.open(path, "a branch cannot be followed".to_owned()),
        }
    }

    /// Rules whose inside is not looked into: the same, or missing in `sup`, or nobody knows.
    fn same_or(&mut self, sub: &'a Object, sup: &'a Object, key: &str, path: &str) {
        match (sub.get(key), sup.get(key)) {
            (_, None | Some(Value::Bool(false))) if key == "uniqueItems" => {}
            (_, None) => {}
            (own, theirs) if own == theirs => {}
            (None, Some(theirs)) if matches!(key, "pattern" | "multipleOf" | "uniqueItems") => {
                let (from, to, theirs) = (self.sub.label, self.sup.label, shown(theirs));
                self.breaks(path, format!("{to} asks for {key} {theirs}, {from} does not"));
            }
            _ => self.open(path, format!("{key} differs, and what it means for a value is open")),
        }
    }

    fn counts(
        &mut self,
        sub: &'a Object,
        sup: &'a Object,
        least: &str,
        most: &str,
        what: &str,
        path: &str,
    ) {
        let label = self.sup.label;
        if let Some(limit) =
            count(sup, least).filter(|limit| count(sub, least).unwrap_or(0) < *limit)
        {
            self.breaks(
                path,
                format!("it may have fewer than {limit} {what}, too few for {label}"),
            );
        }
        let over = |limit: &u64| count(sub, most).is_none_or(|own| own > *limit);
        if let Some(limit) = count(sup, most).filter(over) {
            self.breaks(
                path,
                format!("it may have more than {limit} {what}, too many for {label}"),
            );
        }
    }

    fn trial(&self) -> Subset<'a> {
        Subset { findings: Vec::new(), seen: self.seen.clone(), ..*self }
    }

    fn breaks(&mut self, path: &str, reason: String) {
        self.find(path, reason, true);
    }

    fn open(&mut self, path: &str, reason: String) {
        self.find(path, reason, false);
    }

    fn find(&mut self, path: &str, reason: String, breaks: bool) {
        if self.findings.len() <= FINDINGS_MAX {
            self.findings.push(Finding { path: path.to_owned(), reason, breaks });
        }
    }
}

impl<'a> Side<'a> {
    /// What a schema says, its `$ref` followed within the document. `None` when it leads
    /// nowhere, or has rules beside it.
    fn resolve(self, schema: &'a Value) -> Option<&'a Value> {
        let mut schema = schema;
        for _ in 0..REFERENCES_MAX {
            let Some(object) = schema.as_object() else { return Some(schema) };
            let Some(Value::String(reference)) = object.get("$ref") else { return Some(schema) };
            if object.keys().any(|key| key != "$ref" && !is_annotation(key)) {
                return None;
            }
            let pointer = reference.strip_prefix('#')?;
            schema = self.root.pointer(&percent_decoded(pointer)?)?;
        }
        None
    }
}

/// A `$ref`'s fragment; one that needs decoding is rare enough not to be followed.
fn percent_decoded(pointer: &str) -> Option<String> {
    (!pointer.contains('%')).then(|| pointer.to_owned())
}

fn holds_references(schema: &Value) -> bool {
    match schema {
        Value::Object(object) => {
            object.contains_key("$ref") || object.values().any(holds_references)
        }
        Value::Array(items) => items.iter().any(holds_references),
        _ => false,
    }
}

/// Whether the listed values are all that null and booleans can be.
fn few_listed(kinds: u8, listed: &[&Value]) -> bool {
    let all = [Value::Null, Value::Bool(true), Value::Bool(false)];
    all.iter().filter(|value| kind(value) & kinds != 0).all(|value| listed.contains(&value))
}

fn has_rules(schema: &Object) -> bool {
    schema.keys().any(|key| key != "type" && !is_annotation(key))
}

fn validator(schema: &Object) -> Option<jsonschema::Validator> {
    let schema = Value::Object(schema.clone());
    if holds_references(&schema) {
        return None;
    }
    jsonschema::options().offline().build(&schema).ok()
}

fn shown(value: &Value) -> String {
    crate::plain_text::one_line(&value.to_string(), 60)
}

/// Keywords of `sub` that can only leave fewer values.
const NARROWING: [&str; 6] = ["allOf", "not", "if", "oneOf", "anyOf", "$ref"];
/// What is understood, or said to be open where it differs.
const KNOWN: [&str; 40] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "items",
    "prefixItems",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "unevaluatedItems",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];
static ANYTHING: Value = Value::Bool(true);
static EMPTY: LazyLock<Object> = LazyLock::new(Object::new);
const DEPTH_MAX: usize = 64;
const STEPS_MAX: usize = 50_000;
const FINDINGS_MAX: usize = 200;
const REFERENCES_MAX: usize = 16;
