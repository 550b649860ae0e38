//! A rule as a form: the tests that most rules have, joined by "and"; each outlet with its time.
//! What a form cannot say (nested tests, several quiet stretches) is shown and edited as JSON.

use minijinja::{Value as Shown, context};
use notify::rule::{Condition, Names, Outlet, Rule, When, Who};
use serde_json::{Map, Value, json};

use super::form::Form;

/// A test of a list of names: its key in the rule's JSON and in the form, how it is asked for, what
/// there is to choose from.
struct Asked {
    key: &'static str,
    label: &'static str,
    hint: &'static str,
    choices: Option<&'static str>,
}

const TESTS: [Asked; 8] = [
    Asked { key: "package", label: "Packages", hint: "kernel, glibc", choices: Some("packages") },
    Asked {
        key: "people",
        label: "It concerns",
        hint: "@me, ada, @group:kernel",
        choices: Some("people"),
    },
    Asked {
        key: "maintainer",
        label: "Packages maintained by",
        hint: "@me, @my-groups",
        choices: Some("people"),
    },
    Asked { key: "agent", label: "Done by", hint: "ada", choices: Some("people") },
    Asked { key: "app", label: "Applications", hint: "git, koji", choices: Some("apps") },
    Asked {
        key: "topic",
        label: "Topics",
        hint: "#.git.#, org.example.*.start",
        choices: Some("topics"),
    },
    Asked {
        key: "object",
        label: "Objects",
        hint: "git/kernel, project/infra/*",
        choices: Some("objects"),
    },
    Asked { key: "text", label: "Text", hint: "CVE-, segfault", choices: None },
];

/// What a form shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleForm {
    pub(crate) name: String,
    /// By key of a test, as typed; and `not_agent`, `severity`, `cel`.
    tests: Map<String, Value>,
    pub(crate) outlets: Vec<OutletForm>,
}

/// One outlet, as typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutletForm {
    severities: Vec<String>,
    pub(crate) to: Vec<String>,
    /// Everything of its time, by field.
    when: Map<String, Value>,
}

impl RuleForm {
    /// One that asks for nothing yet, and would tell there.
    pub(crate) fn blank(to: Vec<String>) -> RuleForm {
        RuleForm {
            outlets: vec![OutletForm { to, ..OutletForm::default() }],
            ..RuleForm::default()
        }
    }

    /// Of a rule whose destinations are named for outside; `None` when a form cannot say it.
    pub(crate) fn of(rule: &Rule) -> Option<RuleForm> {
        let mut form = RuleForm { name: rule.name.clone(), ..RuleForm::default() };
        match &rule.what {
            Condition::All(parts) => parts.iter().try_for_each(|part| form.add(part))?,
            one => form.add(one)?,
        }
        form.outlets = rule.outlets.iter().map(OutletForm::of).collect::<Option<_>>()?;
        Some(form)
    }

    fn add(&mut self, part: &Condition) -> Option<()> {
        let (key, names): (&str, Vec<String>) = match part {
            Condition::Topic(all) => ("topic", texts(all.iter().map(|it| it.as_str()))),
            Condition::App(Names(names)) => ("app", names.clone()),
            Condition::Package(Names(names)) => ("package", names.clone()),
            Condition::Object(Names(names)) => ("object", names.clone()),
            Condition::Text(Names(names)) => ("text", names.clone()),
            Condition::People(who) => ("people", whos(who)),
            Condition::Maintainer(who) => ("maintainer", whos(who)),
            Condition::Agent(who) => ("agent", whos(who)),
            Condition::Severity(all) => ("severity", texts(all.iter().map(|it| it.name()))),
            Condition::Not(part) => match &**part {
                Condition::Agent(who) => ("not_agent", whos(who)),
                _ => return None,
            },
            Condition::Cel(text) => {
                return self.tests.insert("cel".to_owned(), json!(text)).is_none().then_some(());
            }
            _ => return None,
        };
        // Names with a comma in them would be two.
        let fits = names.iter().all(|name| !name.contains(','));
        let is_first = !self.tests.contains_key(key);
        self.tests.insert(key.to_owned(), json!(names));
        (fits && is_first).then_some(())
    }

    /// As it was sent.
    pub(crate) fn read(form: &Form) -> RuleForm {
        let mut tests = Map::new();
        let keys = TESTS.iter().map(|test| test.key).chain(["not_agent"]);
        for key in keys {
            let names: Vec<&str> = form
                .all(key)
                .flat_map(|text| text.split([',', '\n']))
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .collect();
            if !names.is_empty() {
                tests.insert(key.to_owned(), json!(names));
            }
        }
        let severities: Vec<&str> = form.all("severity").collect();
        if !severities.is_empty() {
            tests.insert("severity".to_owned(), json!(severities));
        }
        if !form.text("cel").is_empty() {
            tests.insert("cel".to_owned(), json!(form.text("cel")));
        }
        let count = form.text("outlets").parse().unwrap_or(1).clamp(1, OUTLETS_MAX);
        let outlets = (0..count).map(|number| OutletForm::read(form, number));
        RuleForm { name: form.text("name").to_owned(), tests, outlets: outlets.collect() }
    }

    /// The rule's JSON, as the API takes it. Outlets that say nothing are left out.
    pub(crate) fn to_json(&self, enabled: bool) -> Value {
        let mut all: Vec<Value> = Vec::new();
        for (key, names) in &self.tests {
            all.push(match key.as_str() {
                "not_agent" => json!({"not": {"agent": names}}),
                key => json!({key: names}),
            });
        }
        let outlets = self.outlets.iter().filter(|outlet| !outlet.to.is_empty());
        json!({
            "name": self.name,
            "enabled": enabled,
            "what": {"all": all},
            "outlets": outlets.map(OutletForm::to_json).collect::<Vec<_>>(),
        })
    }

    /// For the template; `places` are the owner's destinations, name and what is shown of it.
    pub(crate) fn shown(&self, places: &[(String, String)]) -> Shown {
        let names = |key: &str| {
            let names = self.tests.get(key).and_then(Value::as_array).into_iter().flatten();
            names.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        };
        let severities = |chosen: &dyn Fn(&str) -> bool| {
            let one = |name: &&str| context! { name => *name, chosen => chosen(name) };
            SEVERITIES.iter().map(one).collect::<Vec<_>>()
        };
        let tests: Vec<Shown> = TESTS
            .iter()
            .map(|test| {
                context! {
                    key => test.key, label => test.label, hint => test.hint,
                    choices => test.choices, value => names(test.key),
                }
            })
            .collect();
        let outlets: Vec<Shown> = self
            .outlets
            .iter()
            .map(|outlet| {
                let to = |name: &str| outlet.to.iter().any(|one| one == name);
                let of = |name: &str| outlet.severities.iter().any(|one| one == name);
                let mut all: Vec<Shown> = places
                    .iter()
                    .map(|(name, shown)| {
                        context! { name => name, shown => shown, chosen => to(name) }
                    })
                    .collect();
                // What the rule names and is gone stays to be seen, and taken out.
                let gone = outlet.to.iter().filter(|id| places.iter().all(|(name, _)| name != *id));
                all.extend(gone.map(|id| {
                    let shown = format!("{} (gone)", crate::shown::line(id, 100));
                    context! { name => id, shown, chosen => true }
                }));
                context! {
                    to => all,
                    severities => severities(&of),
                    when => outlet.shown_when(),
                }
            })
            .collect();
        let is_of = |name: &str| {
            let all = self.tests.get("severity").and_then(Value::as_array);
            all.is_some_and(|all| all.iter().any(|one| one == name))
        };
        context! {
            name => self.name.clone(),
            tests, outlets,
            not_agent => names("not_agent"),
            severities => severities(&is_of),
            cel => self.tests.get("cel").and_then(Value::as_str).unwrap_or_default(),
            weekdays => WEEKDAYS.to_vec(),
        }
    }
}

impl OutletForm {
    fn of(outlet: &Outlet) -> Option<OutletForm> {
        let When { digest, quiet, zone, rate, fallback } = &outlet.when;
        let mut when = Map::new();
        let mut put = |key: &str, value: Value| drop(when.insert(key.to_owned(), value));
        if let Some(digest) = digest {
            let how = match (&digest.every_minutes, &digest.daily, &digest.weekly) {
                (Some(_), ..) => "minutes",
                (_, Some(_), _) => "daily",
                (.., Some(_)) => "weekly",
                _ => "count",
            };
            put("digest", json!(how));
            put("minutes", json!(digest.every_minutes));
            put("count", json!(digest.count));
            let at = digest.daily.or(digest.weekly.map(|weekly| weekly.at));
            put("at", json!(at.map(|at| at.to_string())));
            put("day", json!(digest.weekly.map(|weekly| weekly.day)));
        }
        match quiet.as_slice() {
            [] => {}
            [one] if one.days.is_empty() => {
                put("quiet_from", json!(one.from.to_string()));
                put("quiet_to", json!(one.to.to_string()));
            }
            _ => return None,
        }
        put("zone", json!(zone));
        put("rate_max", json!(rate.map(|rate| rate.max)));
        put("rate_minutes", json!(rate.map(|rate| rate.per_minutes)));
        put("fallback", json!(fallback));
        let severities = texts(outlet.severities.iter().map(|it| it.name()));
        Some(OutletForm { severities, to: outlet.to.clone(), when })
    }

    fn read(form: &Form, number: usize) -> OutletForm {
        let field = |name: &str| format!("o{number}_{name}");
        let many = |name: &str| texts(form.all(&field(name)));
        let mut when = Map::new();
        for name in WHEN {
            let text = form.text(&field(name));
            if !text.is_empty() {
                when.insert(name.to_owned(), json!(text));
            }
        }
        OutletForm { severities: many("severity"), to: many("to"), when }
    }

    /// Each field of its time, for the template.
    fn shown_when(&self) -> Shown {
        let text = |key: &str| match self.when.get(key) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        Shown::from_pairs(WHEN.iter().map(|key| (*key, text(key))))
    }

    fn to_json(&self) -> Value {
        let text = |key: &str| self.when.get(key).filter(|value| !value.is_null());
        // A number as it was typed: what is none is said by who reads the rule.
        let number = |key: &str| {
            text(key).map(|value| match value.as_str().map(str::parse::<u32>) {
                Some(Ok(number)) => json!(number),
                _ => value.clone(),
            })
        };
        let mut when = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                when.insert(key.to_owned(), value);
            }
        };
        let how = text("digest").and_then(Value::as_str).unwrap_or_default();
        let mut digest = Map::new();
        match how {
            "minutes" => drop(digest.insert("every_minutes".to_owned(), json!(number("minutes")))),
            "daily" => drop(digest.insert("daily".to_owned(), json!(text("at")))),
            "weekly" => {
                let weekly = json!({"day": text("day"), "at": text("at")});
                digest.insert("weekly".to_owned(), weekly);
            }
            _ => {}
        }
        if !how.is_empty() {
            if let Some(count) = number("count") {
                digest.insert("count".to_owned(), count);
            }
            put("digest", Some(Value::Object(digest)));
        }
        if let (Some(from), Some(to)) = (text("quiet_from"), text("quiet_to")) {
            put("quiet", Some(json!([{"from": from, "to": to}])));
        }
        if let (Some(max), Some(minutes)) = (number("rate_max"), number("rate_minutes")) {
            put("rate", Some(json!({"max": max, "per_minutes": minutes})));
        }
        put("zone", text("zone").cloned());
        put("fallback", text("fallback").cloned());
        json!({"severities": self.severities, "to": self.to, "when": when})
    }
}

fn texts<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
    all.map(str::to_owned).collect()
}

fn whos(who: &[Who]) -> Vec<String> {
    who.iter().map(ToString::to_string).collect()
}

const SEVERITIES: [&str; 4] = ["debug", "info", "warning", "error"];
const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const WHEN: [&str; 11] = [
    "digest",
    "minutes",
    "count",
    "at",
    "day",
    "quiet_from",
    "quiet_to",
    "zone",
    "rate_max",
    "rate_minutes",
    "fallback",
];
const OUTLETS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        Rule::from_json(json).unwrap()
    }

    #[test]
    fn what_a_form_can_say_comes_back_as_it_was() {
        let kept = rule(
            r##"{"owner": {"person": "ada"}, "name": "mine",
                "what": {"all": [{"package": ["kernel"]}, {"topic": ["#.git.#"]},
                    {"people": ["@me", "grace"]}, {"severity": ["warning", "error"]},
                    {"not": {"agent": ["@me"]}}, {"cel": "app == 'git'"}]},
                "outlets": [
                    {"severities": ["error"], "to": ["mail:ada@example.org"]},
                    {"to": ["@mail"], "when": {"digest": {"weekly": {"day": "monday", "at": "08:00"},
                        "count": 20}, "quiet": [{"from": "22:00", "to": "07:00"}],
                        "zone": "Europe/Berlin", "rate": {"max": 5, "per_minutes": 60},
                        "fallback": "mail:ada@example.org"}},
                    {"to": ["@mail"], "when": {"digest": {"every_minutes": 30}}}]}"##,
        );
        let form = RuleForm::of(&kept).unwrap();
        let mut again = form.to_json(true);
        again["owner"] = json!({"person": "ada"});
        let mut again = rule(&again.to_string());
        // The order of tests that all must hold means nothing.
        let (Condition::All(kept_parts), Condition::All(parts)) = (&kept.what, &mut again.what)
        else {
            panic!("{again:?}")
        };
        assert!(parts.len() == kept_parts.len() && parts.iter().all(|it| kept_parts.contains(it)));
        assert_eq!(again.outlets, kept.outlets);
    }

    #[test]
    fn what_a_form_cannot_say_is_not_said_wrongly() {
        for what in [
            r#"{"any": [{"app": "git"}]}"#,
            r#"{"all": [{"app": "git"}, {"app": "koji"}]}"#,
            r#"{"not": {"app": "git"}}"#,
            r#"{"text": "a, b"}"#,
        ] {
            let json = format!(
                r#"{{"owner": {{"person": "ada"}}, "name": "x", "what": {what},
                   "outlets": [{{"to": ["@mail"]}}]}}"#
            );
            assert!(RuleForm::of(&rule(&json)).is_none(), "{what}");
        }
    }

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        let sent = Form::read(
            b"name=x&package=kernel%2C+glibc%2C&topic=&o0_to=%40mail&o0_digest=count&o0_count=5\
              &outlets=2&o1_severity=error",
        );
        let json = RuleForm::read(&sent).to_json(true);
        assert_eq!(json["what"], json!({"all": [{"package": ["kernel", "glibc"]}]}));
        let outlet = json!([{"severities": [], "to": ["@mail"], "when": {"digest": {"count": 5}}}]);
        assert_eq!(json["outlets"], outlet, "the second tells nobody");
    }
}
