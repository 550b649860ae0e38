//! A schema's `render`, compiled: one template that yields every field at once. Sandboxed (no
//! loading, no I/O) and bounded: the fuel pays for instructions, items and bytes alike.

use minijinja::{
    Environment, UndefinedBehavior, Value,
    value::{Serde, ValueKind},
};

use crate::{Event, plain_text, schema_file::SchemaFile, template_body, template_filters};

/// What a template is made of: named texts and named lists, in the order they are asked for.
pub(crate) struct Renderer {
    environment: Environment<'static>,
    /// Texts in which nothing is to be evaluated: they need no engine.
    constants: Vec<(&'static str, String)>,
    /// What it asks for of an event besides the body.
    uses: Uses,
}

/// Names that stand in a template: what nobody asks for is not made.
#[derive(Debug, Clone, Copy)]
struct Uses {
    words: bool,
    headers: bool,
    event: bool,
}

/// What the template said, not yet fit for a person.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) app: String,
    pub(crate) summary: String,
    pub(crate) link: String,
    pub(crate) icon: String,
    pub(crate) agent: String,
    pub(crate) object: String,
    pub(crate) text: String,
    pub(crate) patch: String,
    pub(crate) severity: String,
    pub(crate) objects: Vec<String>,
    pub(crate) people: Vec<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) containers: Vec<String>,
    pub(crate) modules: Vec<String>,
    pub(crate) flatpaks: Vec<String>,
}

impl Renderer {
    /// Compiles each piece by itself, so that a fault has its path, then all as one.
    pub(crate) fn compile(file: &SchemaFile) -> Result<Renderer, String> {
        let mut environment = environment();
        let (mut source, mut constants) = (String::new(), Vec::new());
        for (name, expression) in file.bindings()? {
            check_expression(&environment, &format!("$.render.let.{name}"), expression)?;
            source.push_str(&format!("{{% set {name} = ({expression}) %}}"));
        }
        let render = &file.render;
        let texts = [
            ("app", Some(&render.app)),
            ("summary", Some(&render.summary)),
            ("link", render.link.as_ref()),
            ("icon", render.icon.as_ref()),
            ("agent", render.agent.as_ref()),
            ("object", render.object.as_ref()),
            ("text", render.text.as_ref()),
            ("patch", render.patch.as_ref()),
            ("severity", render.severity.as_ref()),
        ];
        for (name, text) in texts {
            let Some(text) = text else { continue };
            check_template(&environment, &format!("$.render.{name}"), text)?;
            if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
                constants.push((name, text.clone()));
                continue;
            }
            source.push_str(&format!("{{% set _{name} %}}{text}{{% endset %}}"));
        }
        let lists = [
            ("objects", &render.objects),
            ("people", &render.people),
            ("packages", &render.packages),
            ("groups", &render.groups),
            ("containers", &render.containers),
            ("modules", &render.modules),
            ("flatpaks", &render.flatpaks),
        ];
        for (name, expressions) in lists {
            if expressions.is_empty() {
                continue;
            }
            source.push_str(&format!("{{% set _{name} = ["));
            for (index, expression) in expressions.iter().enumerate() {
                check_expression(&environment, &format!("$.render.{name}[{index}]"), expression)?;
                source.push_str(&format!("({expression}),"));
            }
            source.push_str("] %}");
        }
        // A name that stands nowhere is not asked for: nothing makes names while it runs. The
        // engine's own list of names misses some (`words[1:]`).
        let uses = Uses {
            words: source.contains("words"),
            headers: source.contains("headers"),
            event: source.contains("event"),
        };
        environment
            .add_template_owned(TEMPLATE, source)
            .map_err(|error| format!("$.render: {error}"))?;
        Ok(Renderer { environment, constants, uses })
    }

    /// Says one event. Errors are the engine's, in one line.
    pub(crate) fn say(&self, event: &Event) -> Result<Said, String> {
        let fault = |error: minijinja::Error| plain_text::one_line(&error.to_string(), 500);
        let template = self.environment.get_template(TEMPLATE).map_err(fault)?;
        let captured = template.render_captured(context(event, self.uses)).map_err(fault)?;
        let state = captured.state();
        let text = |name: &str| match state.lookup(name) {
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
            None => {
                let constant =
                    self.constants.iter().find(|(of, _)| name.strip_prefix('_') == Some(of));
                constant.map_or_else(String::new, |(_, text)| text.clone())
            }
        };
        let list = |name: &str| {
            let mut names = Vec::new();
            if let Some(value) = state.lookup(name) {
                gather(&value, &mut names, 0);
            }
            names.sort_unstable();
            names.dedup();
            names
        };
        Ok(Said {
            app: text("_app"),
            summary: text("_summary"),
            link: text("_link"),
            icon: text("_icon"),
            agent: text("_agent"),
            object: text("_object"),
            text: text("_text"),
            patch: text("_patch"),
            severity: text("_severity"),
            objects: list("_objects"),
            people: list("_people"),
            packages: list("_packages"),
            groups: list("_groups"),
            containers: list("_containers"),
            modules: list("_modules"),
            flatpaks: list("_flatpaks"),
        })
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.set_debug(false);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // A null says nothing, like what is not there.
    environment.set_formatter(|out, state, value| {
        if let Some(text) = value.as_str() {
            // Nothing is escaped here, so that is all of it.
            return out.write_str(text).map_err(minijinja::Error::from);
        }
        let value = if value.is_none() { &Value::UNDEFINED } else { value };
        minijinja::escape_formatter(out, state, value)
    });
    template_filters::add_to(&mut environment);
    environment
}

fn context(event: &Event, uses: Uses) -> Value {
    let when = |is_used: bool, make: &dyn Fn() -> Value| match is_used {
        true => make(),
        false => Value::UNDEFINED,
    };
    let words = || Value::from(event.topic.words().map(Value::from).collect::<Vec<_>>());
    let headers = || Value::from(Serde(&event.headers));
    let about = || {
        minijinja::context! {
            id => event.id.as_str(),
            schema => event.schema.as_deref(),
            severity => event.severity.name(),
            sent_at => event.sent_at.map(|sent_at| sent_at.to_string()),
        }
    };
    minijinja::context! {
        body => template_body::object(event.body.object()),
        topic => event.topic.as_str(),
        words => when(uses.words, &words),
        headers => when(uses.headers, &headers),
        event => when(uses.event, &about),
    }
}

/// A string, a number, or a list of them to any reasonable depth. Nothing else is a name.
pub(crate) fn gather(value: &Value, names: &mut Vec<String>, depth: usize) {
    if names.len() >= NAMES_MAX || depth > NAMES_DEPTH_MAX {
        return;
    }
    match value.kind() {
        ValueKind::String | ValueKind::Number => {
            let name = match value.as_str() {
                Some(text) => plain_text::one_line(text, NAME_CHARS_MAX),
                None => plain_text::one_line(&value.to_string(), NAME_CHARS_MAX),
            };
            if !name.is_empty() {
                names.push(name);
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter().into_iter().flatten() {
                gather(&item, names, depth + 1);
            }
        }
        _ => {}
    }
}

fn check_expression(on: &Environment<'_>, path: &str, expression: &str) -> Result<(), String> {
    check_length(path, expression)?;
    // The parentheses are those it will stand in: `a) + (b` is no expression.
    on.compile_expression(expression).map(drop).map_err(|error| format!("{path}: {error}"))
}

fn check_template(on: &Environment<'_>, path: &str, text: &str) -> Result<(), String> {
    check_length(path, text)?;
    on.template_from_str(text).map(drop).map_err(|error| format!("{path}: {error}"))
}

fn check_length(path: &str, text: &str) -> Result<(), String> {
    match text.len() {
        0..=TEMPLATE_BYTES_MAX => Ok(()),
        bytes => Err(format!("{path}: has {bytes} bytes, more than {TEMPLATE_BYTES_MAX}")),
    }
}

const TEMPLATE: &str = "render";
/// Instructions, items and 64-byte units of text that saying one event may cost: some ten
/// milliseconds, at most 64 MB. A usual event costs a few hundred.
const FUEL: u64 = 1_000_000;
const RECURSION_MAX: usize = 64;
const TEMPLATE_BYTES_MAX: usize = 16 << 10;
const NAMES_MAX: usize = 2000;
const NAMES_DEPTH_MAX: usize = 8;
const NAME_CHARS_MAX: usize = 200;
