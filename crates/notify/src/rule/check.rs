//! What can be wrong with a rule that reads well: every fault with its path and the mend.

use super::{
    Condition, Expression, Fault, Names, Outlet, Rule, VERSION, When, Who,
    who::{self, NAME_BYTES_MAX},
};

impl Rule {
    /// Whether it can be kept and asked.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut check = Check::default();
        if self.version != VERSION {
            let problem = format!("is {}; this release reads version {VERSION}", self.version);
            check.wrong("version", problem);
        }
        let of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.id.len() > ID_BYTES_MAX || !self.id.chars().all(of_id) {
            let problem = format!(
                "'{}' is not an id of up to {ID_BYTES_MAX} letters, digits, '-', '_' and '.'; \
                 leave it out for a new one",
                self.id
            );
            check.wrong("id", problem);
        }
        if !who::is_name(self.owner.name()) {
            check.wrong("owner", format!("'{}' is nobody's name", self.owner.name()));
        }
        let named = (1..=100).contains(&self.name.chars().count());
        if !named || self.name.trim().is_empty() || self.name.contains(char::is_control) {
            check.wrong("name", format!("{:?} is not a line of 1 to 100 characters", self.name));
        }
        check.condition(&self.what, "what", 1);
        if self.outlets.is_empty() {
            let problem = "is empty, so nothing would be told; add {\"to\": [\"mail:…\"]}";
            check.wrong("outlets", problem.to_owned());
        }
        if self.outlets.len() > OUTLETS_MAX {
            let problem = format!("has {}, more than {OUTLETS_MAX}", self.outlets.len());
            check.wrong("outlets", problem);
        }
        for (index, outlet) in self.outlets.iter().enumerate() {
            check.outlet(outlet, &format!("outlets[{index}]"));
        }
        check.end()
    }
}

impl Condition {
    /// Whether it can be asked; paths begin with `what`.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut check = Check::default();
        check.condition(self, "what", 1);
        check.end()
    }
}

#[derive(Default)]
struct Check {
    faults: Vec<Fault>,
    tests: usize,
    names: usize,
    expressions: usize,
}

impl Check {
    fn wrong(&mut self, path: &str, problem: String) {
        self.faults.push(Fault::new(path, problem));
    }

    fn end(self) -> Result<(), Vec<Fault>> {
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(self.faults),
        }
    }

    fn condition(&mut self, what: &Condition, path: &str, depth: usize) {
        self.tests += 1;
        if depth > DEPTH_MAX {
            let problem = format!("is nested deeper than {DEPTH_MAX}; write it flatter");
            return self.wrong(path, problem);
        }
        if self.tests == TESTS_MAX + 1 {
            let problem = format!("has more than {TESTS_MAX} tests; make two rules of it");
            return self.wrong("what", problem);
        }
        match what {
            Condition::All(parts) => self.parts(parts, &format!("{path}.all"), depth),
            Condition::Any(parts) => {
                let path = format!("{path}.any");
                if parts.is_empty() {
                    self.wrong(&path, "is empty, which no event fulfils; remove it".to_owned());
                }
                self.parts(parts, &path, depth);
            }
            Condition::Not(part) => self.condition(part, &format!("{path}.not"), depth + 1),
            Condition::Topic(patterns) => self.some(patterns.len(), &format!("{path}.topic")),
            Condition::TopicGlob(globs) => self.some(globs.len(), &format!("{path}.topic_glob")),
            Condition::Severity(all) => self.some(all.len(), &format!("{path}.severity")),
            Condition::App(names) => self.names(names, &format!("{path}.app")),
            Condition::Package(names) => self.names(names, &format!("{path}.package")),
            Condition::Schema(names) => self.names(names, &format!("{path}.schema")),
            Condition::Text(names) => self.names(names, &format!("{path}.text")),
            Condition::Object(names) => self.objects(names, &format!("{path}.object")),
            Condition::People(who) => self.who(who, &format!("{path}.people")),
            Condition::Agent(who) => self.who(who, &format!("{path}.agent")),
            Condition::Maintainer(who) => self.who(who, &format!("{path}.maintainer")),
            Condition::Cel(text) => self.expression(text, &format!("{path}.cel")),
        }
    }

    fn parts(&mut self, parts: &[Condition], path: &str, depth: usize) {
        for (index, part) in parts.iter().enumerate() {
            self.condition(part, &format!("{path}[{index}]"), depth + 1);
        }
    }

    fn some(&mut self, count: usize, path: &str) {
        if count == 0 {
            self.wrong(path, "is empty, which no event fulfils; remove it".to_owned());
        }
        let before = self.names;
        self.names += count;
        if before <= NAMES_MAX && self.names > NAMES_MAX {
            let problem = format!("the rule has more than {NAMES_MAX} names; make two of it");
            self.wrong(path, problem);
        }
    }

    fn who(&mut self, who: &[Who], path: &str) {
        self.some(who.len(), path);
    }

    fn names(&mut self, names: &Names, path: &str) {
        self.some(names.0.len(), path);
        for (index, name) in names.0.iter().enumerate() {
            if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
                let problem = format!("{name:?} is not a name of 1 to {NAME_BYTES_MAX} bytes");
                self.wrong(&format!("{path}[{index}]"), problem);
            }
        }
    }

    fn objects(&mut self, names: &Names, path: &str) {
        self.names(names, path);
        for (index, name) in names.0.iter().enumerate() {
            let body = name.strip_suffix("/*").unwrap_or(name);
            if body.contains('*') || name == "*" {
                let problem = format!(
                    "'{name}': '*' stands only at the end, behind '/': project/infra/*; for more \
                     use cel"
                );
                self.wrong(&format!("{path}[{index}]"), problem);
            } else if body.ends_with('/') {
                let problem = format!("'{name}' ends with '/'; write '{name}*' for all below it");
                self.wrong(&format!("{path}[{index}]"), problem);
            }
        }
    }

    fn expression(&mut self, text: &str, path: &str) {
        self.expressions += 1;
        if self.expressions == EXPRESSIONS_MAX + 1 {
            let problem = format!("is one of more than {EXPRESSIONS_MAX}; join them with && or ||");
            return self.wrong(path, problem);
        }
        if let Err(fault) = Expression::parse(text) {
            self.faults.push(Fault { path: path.to_owned(), ..fault });
        }
    }

    fn outlet(&mut self, outlet: &Outlet, path: &str) {
        if outlet.to.is_empty() || outlet.to.len() > DESTINATIONS_MAX {
            let problem =
                format!("has {} destinations; name 1 to {DESTINATIONS_MAX}", outlet.to.len());
            self.wrong(&format!("{path}.to"), problem);
        }
        for (index, to) in outlet.to.iter().enumerate() {
            if !who::is_name(to) {
                let problem = format!("{to:?} is no destination; write mail:ada@example.org");
                self.wrong(&format!("{path}.to[{index}]"), problem);
            }
        }
        self.when(&outlet.when, outlet, &format!("{path}.when"));
    }

    fn when(&mut self, when: &When, outlet: &Outlet, path: &str) {
        for (key, problem) in when.problems() {
            self.wrong(&format!("{path}.{key}"), problem);
        }
        if let Some(fallback) = &when.fallback
            && outlet.to.contains(fallback)
        {
            let problem = format!("'{fallback}' is where it goes already; name another, or none");
            self.wrong(&format!("{path}.fallback"), problem);
        }
    }
}

const ID_BYTES_MAX: usize = 64;
const DEPTH_MAX: usize = 16;
const TESTS_MAX: usize = 256;
const NAMES_MAX: usize = 2000;
const EXPRESSIONS_MAX: usize = 4;
const OUTLETS_MAX: usize = 16;
const DESTINATIONS_MAX: usize = 16;
