//! `tubepost config`: the settings in force and where each came from.

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};

use crate::{
    cli,
    config::{self, Config, Fallback, Origin, Settings, Verb, table::GROUPS},
    failure::{Failure, remark},
    serve,
    terminal::{print_line, shown},
};

pub(crate) fn command() -> Command {
    let command = Command::new("config")
        .about("Show the settings in force and where each came from")
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("One JSON object with all options"),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Only check them: exit 0 when serve could start with them, else 2"),
        )
        .after_help(
            "Examples:\n  \
             tubepost config\n  \
             tubepost config --check --config ./new.toml\n  \
             TUBEPOST_AMQP=0.0.0.0:5672 tubepost config --json\n\n\
             A flag goes before a variable, a variable before the file, the file before the default.\n\
             Passwords are not shown.",
        );
    cli::with_options(command, Verb::Config)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = cli::settings(matches)?;
    if matches.get_flag("check") {
        let config = Config::check(&settings)?;
        serve::load_tls(&config)?;
        let notifier = config::notifier(&settings)?;
        let from = settings.file().map_or("no file".to_owned(), |file| file.display().to_string());
        let subscriptions = notifier.map_or(0, |notifier| notifier.subscriptions.len());
        remark(&format!(
            "the configuration is right ({from}, mail subscriptions: {subscriptions})"
        ));
        return Ok(());
    }
    match matches.get_flag("json") {
        true => print_line(&as_json(&settings)),
        false => as_table(&settings).iter().try_for_each(|line| print_line(line)),
    }
}

fn as_json(settings: &Settings) -> String {
    let mut all = serde_json::Map::new();
    for option in GROUPS.iter().flat_map(|group| group.options) {
        let declaration = option.declaration();
        let in_force = settings.in_force(*option);
        let default = match declaration.default {
            Fallback::Text(text) => Value::from(text),
            Fallback::Unset(_) | Fallback::Derived(..) => Value::Null,
        };
        let value = json!({
            "value": in_force.as_ref().map(|setting| declaration.mask.apply(&setting.text)),
            "origin": in_force.as_ref().map_or("default".to_owned(), |setting| setting.origin.to_string()),
            "default": default,
            "flag": declaration.flag.map(|flag| format!("--{flag}")),
            "variable": declaration.variable,
            "help": declaration.help,
        });
        all.insert(declaration.key.to_owned(), value);
    }
    let names: Vec<Value> = settings
        .subscriptions()
        .iter()
        .map(|subscription| json!({"name": subscription.name, "to": subscription.to.to_string()}))
        .collect();
    all.insert("notify.subscription".to_owned(), json!({"value": names}));
    let names: Vec<Value> = settings
        .tls_names()
        .iter()
        .map(
            |named| json!({"name": named.name, "certificate": named.certificate, "key": named.key}),
        )
        .collect();
    all.insert("amqp.tls.name".to_owned(), json!({"value": names}));
    Value::Object(all).to_string()
}

fn as_table(settings: &Settings) -> Vec<String> {
    let mut rows = Vec::new();
    for option in GROUPS.iter().flat_map(|group| group.options) {
        let declaration = option.declaration();
        let (value, origin) = match (settings.in_force(*option), &declaration.default) {
            (Some(setting), _) => {
                let value = declaration.mask.apply(&setting.text);
                let value = if value.is_empty() { "(none)".to_owned() } else { value };
                (value, origin(&setting.origin))
            }
            (None, Fallback::Unset(meaning)) => (format!("({meaning})"), "default".to_owned()),
            (None, _) => ("(unknown)".to_owned(), "default".to_owned()),
        };
        rows.push((declaration.key, shown(&value).into_owned(), origin));
    }
    let widest = |length: fn(&(&str, String, String)) -> usize| {
        rows.iter().map(length).max().unwrap_or(0).min(60)
    };
    let key_width = widest(|row| row.0.chars().count());
    let value_width = widest(|row| row.1.chars().count());
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(key, value, origin)| format!("{key:key_width$}  {value:value_width$}  {origin}"))
        .collect();
    for subscription in settings.subscriptions() {
        let name = subscription.name.as_deref().unwrap_or("(no name)");
        let line = format!("notify.subscription: {name} to {}", subscription.to);
        lines.push(shown(&line).into_owned());
    }
    for named in settings.tls_names() {
        let line = format!("amqp.tls.name: {} has {}", named.name, named.certificate.display());
        lines.push(shown(&line).into_owned());
    }
    lines
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::File { path, line, .. } => format!("{}:{line}", path.display()),
        origin => origin.to_string(),
    }
}
