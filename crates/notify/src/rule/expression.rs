//! A CEL expression over an event: read once, bounded in size, depth and cost, and run by an
//! interpreter that people's text cannot bring down.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock, Mutex, OnceLock},
};

use cel::{
    Context, Env, ExecutionError, Program, Value,
    common::{
        ast::{Expr, IdedExpr, LiteralValue},
        types::{CelBool, CelNull, CelString},
        value::{CowVal, Val},
    },
    context::VariableResolver,
    objects::{Key as MapKey, Map},
};
use event::{Description, Event};
use regex::Regex;

use super::{
    Facts, Fault, Kind,
    cost::{Extent, price},
};

mod scope;

/// An expression that was read.
pub struct Expression {
    program: Program,
    /// An event this large can be looked at without working the cost out.
    affordable: Extent,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expression").field(&self.program.source_info().source).finish()
    }
}

impl Expression {
    /// Reads one. It may speak of `topic`, `app`, `severity`, `agent`, `people`, `packages`,
    /// `object`, `objects`, `summary`, `text`, `link`, `schema`, `source`, `id`, `body`, `headers`.
    ///
    /// # Errors
    /// A [`Fault`] with line and column and no path: wrong syntax, a name that is not known,
    /// too large, nested too deep, or too expensive.
    pub fn parse(text: &str) -> Result<Expression, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::new("", "is empty; write an expression, app == 'koji'"));
        }
        if text.len() > BYTES_MAX {
            let problem =
                format!("has {} bytes, more than {BYTES_MAX}; make two rules", text.len());
            return Err(Fault::new("", problem));
        }
        scope::check_nesting(text)?;
        let program = catch_unwind(AssertUnwindSafe(|| ENVIRONMENT.compile(text)))
            .map_err(|_| Fault::new("", "cannot be read; write it in another way"))?
            .map_err(|errors| syntax(&errors))?;
        scope::check(&program)?;
        let ordinary = price(program.expression(), ORDINARY);
        if ordinary > STEPS_MAX {
            let problem = format!(
                "is too expensive: up to {ordinary} steps, more than {STEPS_MAX}, for an event \
                 with lists of {} and {} bytes of text; nest fewer of all, exists, map and filter",
                ORDINARY.items, ORDINARY.bytes
            );
            return Err(Fault { path: String::new(), at: Some((1, 1)), problem });
        }
        let mut affordable = ORDINARY;
        for doublings in 1..=8 {
            let larger =
                Extent { items: ORDINARY.items << doublings, bytes: ORDINARY.bytes << doublings };
            match price(program.expression(), larger) <= STEPS_MAX {
                true => affordable = larger,
                false => break,
            }
        }
        Ok(Expression { program, affordable })
    }

    /// Whether it is true of an event.
    ///
    /// # Errors
    /// Why it cannot be told: a field that is not there, a value that is not true or false, an
    /// event so large that it would cost too much.
    pub(crate) fn run(&self, facts: &Facts<'_>) -> Result<bool, String> {
        let extent = facts.extent();
        if extent.bytes > EVENT_BYTES_MAX {
            return Err(format!(
                "the event has {} bytes of text, more than {EVENT_BYTES_MAX}",
                extent.bytes
            ));
        }
        if extent.items > self.affordable.items || extent.bytes > self.affordable.bytes {
            let steps = price(self.program.expression(), extent);
            if steps > STEPS_MAX {
                return Err(format!(
                    "too expensive for this event: up to {steps} steps, more than {STEPS_MAX}"
                ));
            }
        }
        let run = || {
            let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
            context.set_variable_resolver(facts.variables());
            let value = Value::resolve_val(self.program.expression(), &context)
                .map_err(|error| one_line(&said(&error)))?;
            match value.downcast_ref::<CelBool>() {
                Some(holds) => Ok(*holds.inner()),
                None => Err(format!("is {}, not true or false", value.get_type().name())),
            }
        };
        catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err("the interpreter failed".to_owned()))
    }

    /// Names of which an event has at least one if the expression is true of it: of `A && B` the
    /// rarer's, of `A || B` both's, of `agent == 'ada'` the agent.
    pub(crate) fn keys(&self) -> Option<Vec<(Kind, &str)>> {
        keys(self.program.expression())
    }
}

fn keys(expression: &IdedExpr) -> Option<Vec<(Kind, &str)>> {
    let Expr::Call(call) = &expression.expr else { return None };
    let [left, right] = call.args.as_slice() else { return None };
    match call.func_name.as_str() {
        "_&&_" => {
            let often =
                |keys: &Vec<(Kind, &str)>| keys.iter().map(|(kind, _)| kind.often()).sum::<u64>();
            [keys(left), keys(right)].into_iter().flatten().min_by_key(often)
        }
        "_||_" => {
            let mut both = keys(left)?;
            both.extend(keys(right)?);
            Some(both)
        }
        "_==_" => {
            let (name, text) = match (literal(left), literal(right)) {
                (Some(text), None) => (name(right)?, text),
                (None, Some(text)) => (name(left)?, text),
                _ => return None,
            };
            let is_lower = text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase());
            match name {
                "agent" if !text.is_empty() => Some(vec![(Kind::Agent, text)]),
                "schema" if !text.is_empty() => Some(vec![(Kind::Schema, text)]),
                "app" if is_lower => Some(vec![(Kind::App, text)]),
                _ => None,
            }
        }
        "@in" => {
            let text = literal(left)?;
            let kind = match name(right)? {
                "people" => Kind::Person,
                "packages" => Kind::Package,
                "objects" => Kind::Object,
                "headers" => Kind::Header,
                _ => return None,
            };
            Some(vec![(kind, text)])
        }
        _ => None,
    }
}

fn name(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Ident(name) => Some(name),
        _ => None,
    }
}

fn literal(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// What an expression may speak of, as the interpreter has it: made when one does.
pub(crate) struct Variables<'a> {
    event: &'a Event,
    told: &'a Description,
    made: [OnceLock<Box<dyn Val>>; VARIABLES.len()],
}

impl<'a> Variables<'a> {
    pub(crate) fn of(event: &'a Event, told: &'a Description) -> Variables<'a> {
        Variables { event, told, made: [const { OnceLock::new() }; VARIABLES.len()] }
    }

    fn make(&self, name: &str) -> Box<dyn Val> {
        let text = |text: &str| Value::String(Arc::new(text.to_owned()));
        let maybe = |name: &Option<String>| text(name.as_deref().unwrap_or_default());
        let list =
            |names: &[String]| Value::List(Arc::new(names.iter().map(|name| text(name)).collect()));
        let (event, told) = (self.event, self.told);
        let value = match name {
            "topic" => text(event.topic.as_str()),
            "app" => text(&told.app),
            "severity" => text(told.severity.name()),
            "agent" => maybe(&told.agent),
            "people" => list(&told.people),
            "packages" => list(&told.packages),
            "object" => maybe(&told.object),
            "objects" => list(&told.objects),
            "summary" => text(&told.summary),
            "text" => maybe(&told.text),
            "link" => maybe(&told.link),
            "schema" => maybe(&event.schema),
            "source" => maybe(&event.source),
            "id" => text(&event.id),
            "body" => map_of(event.body.object()),
            "headers" => map_of(&event.headers),
            _ => Value::Null,
        };
        // Each of these kinds has a form within the interpreter.
        let made: Result<Box<dyn Val>, _> = value.try_into();
        made.unwrap_or_else(|_| Box::new(CelNull))
    }
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let place = VARIABLES.iter().position(|name| *name == variable)?;
        let value = self.made.get(place)?.get_or_init(|| self.make(variable));
        Some(CowVal::Borrowed(&**value))
    }
}

/// What an expression may speak of.
const VARIABLES: [&str; 16] = [
    "topic", "app", "severity", "agent", "people", "packages", "object", "objects", "summary",
    "text", "link", "schema", "source", "id", "body", "headers",
];

fn value_of(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        // One kind of whole numbers, so that `body.n + 1` has an answer.
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(number)) => Value::Float(number),
            (None, None) => Value::Null,
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value_of).collect())),
        Json::Object(entries) => map_of(entries),
    }
}

fn map_of(entries: &serde_json::Map<String, serde_json::Value>) -> Value {
    let key = |name: &String| MapKey::String(Arc::new(name.clone()));
    let entries = entries.iter().map(|(name, value)| (key(name), value_of(value)));
    Value::Map(Map { map: Arc::new(entries.collect()) })
}

/// CEL without time and optional values, and with `matches` of our own: patterns are compiled once
/// and bounded.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(false);
    let added = cel::add_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>,
        id = "matches")
    .and_then(
        |()| cel::add_member_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>),
    );
    debug_assert!(added.is_ok(), "the library has a matches of its own: {added:?}");
    Arc::new(env)
});

fn matches(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    let pattern = regex(pattern.inner()).map_err(|error| ExecutionError::FunctionError {
        function: "matches".to_owned(),
        message: error,
    })?;
    Ok(CelBool::from(pattern.is_match(text.inner())))
}

/// Compiles a pattern, or finds it compiled: they stand in rules, so there are as many.
fn regex(pattern: &str) -> Result<Arc<Regex>, String> {
    // Shared, as a copy of one would begin with cold caches.
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(regex) = compiled.get(pattern) {
        return Ok(Arc::clone(regex));
    }
    let regex = regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .nest_limit(32)
        .build()
        .map_err(|error| one_line(&error.to_string()))?;
    let regex = Arc::new(regex);
    if compiled.len() >= REGEXES_MAX {
        compiled.clear();
    }
    compiled.insert(pattern.to_owned(), Arc::clone(&regex));
    Ok(regex)
}

fn syntax(errors: &cel::ParseErrors) -> Fault {
    let Some(first) = errors.errors.first() else { return Fault::new("", "cannot be read") };
    let at = (usize::try_from(first.pos.0).ok()).zip(usize::try_from(first.pos.1).ok());
    let problem = format!("{}; an expression is such as app == 'koji'", one_line(&first.msg));
    Fault {
        path: String::new(),
        at: at.map(|(line, column)| (line.max(1), column.max(1))),
        problem,
    }
}

/// The interpreter's words, and the mend where a field is not there.
fn said(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => {
            format!("there is no '{key}' in this event; ask has(…) first")
        }
        error => error.to_string(),
    }
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((cut, _)) => format!("{}…", line.split_at(cut).0),
        None => line,
    }
}

const BYTES_MAX: usize = 2000;
/// Some milliseconds; an ordinary expression takes ten steps.
const STEPS_MAX: u64 = 50_000;
/// What every expression must be able to look at.
const ORDINARY: Extent = Extent { items: 32, bytes: 4096 };
/// Larger events are not handed to expressions.
const EVENT_BYTES_MAX: u64 = 1 << 20;
const REGEX_BYTES_MAX: usize = 256 << 10;
const REGEXES_MAX: usize = 4096;

#[cfg(test)]
mod tests;
