//! Objects of the management API, for people as a table and for programs as they are.

mod column;
mod table;

use std::io::{IsTerminal, stdout};

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};

use crate::{
    failure::{Failure, remark},
    listing::column::Column,
    terminal::{print_line, shown},
};

/// How the caller wants to see things.
#[derive(Debug)]
pub(crate) struct Listing {
    json: bool,
    columns: Option<Vec<Column>>,
    header: bool,
    /// Columns of a terminal; `None` when standard output is none.
    width: Option<usize>,
}

/// The options of a command that lists.
pub(crate) fn with_options(command: Command) -> Command {
    with_json(command, "One JSON object a line, as the API has it")
        .arg(columns("The columns, in this order; 'a.b' is the field b in a"))
        .arg(
            Arg::new("no-header")
                .long("no-header")
                .action(ArgAction::SetTrue)
                .help("Rows only, without the line that names the columns"),
        )
}

/// The options of a command that shows one thing.
pub(crate) fn with_options_of_one(command: Command) -> Command {
    with_json(command, "One JSON object, as the API has it")
        .arg(columns("These fields only, in this order; 'a.b' is the field b in a"))
}

/// `--json`.
pub(crate) fn with_json(command: Command, help: &'static str) -> Command {
    command.arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help(help))
}

fn columns(help: &'static str) -> Arg {
    Arg::new("columns")
        .long("columns")
        .value_name("NAMES")
        .value_delimiter(',')
        .action(ArgAction::Append)
        .value_parser(clap::builder::NonEmptyStringValueParser::new())
        .help(help)
}

impl Listing {
    /// As the options say.
    pub(crate) fn of(matches: &ArgMatches) -> Listing {
        let columns = matches.try_get_many::<String>("columns").ok().flatten();
        let flag = |name| matches.try_get_one::<bool>(name).ok().flatten().copied();
        Listing {
            json: flag("json").unwrap_or(false),
            columns: columns.map(|names| names.map(|name| Column::new(name)).collect()),
            header: !flag("no-header").unwrap_or(false),
            width: width(),
        }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a list. `usual` are the columns when nobody named any; `NAME=WORD` among them has a
    /// word for an empty text. `nothing` is said when the list is empty.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn print(
        &self,
        objects: &[Value],
        usual: &[&str],
        nothing: &str,
    ) -> Result<(), Failure> {
        if self.json {
            self.mention_absent(objects, self.columns.as_deref().unwrap_or_default());
            return objects.iter().try_for_each(|object| self.print_json(object));
        }
        if objects.is_empty() {
            remark(&shown(nothing));
            return Ok(());
        }
        let usual: Vec<Column> = usual.iter().map(|name| Column::usual(name)).collect();
        let columns = match &self.columns {
            // What a column is called when it is empty holds also where it was named.
            Some(named) => named.iter().map(|column| column.as_among(&usual)).collect(),
            None => usual,
        };
        self.mention_absent(objects, &columns);
        let mut table = Table::new();
        if self.header {
            table.header(columns.iter().map(|column| column.name().to_owned()));
        }
        for object in objects {
            table.row(columns.iter().map(|column| column.cell(object)));
        }
        table.lines(self.width).iter().try_for_each(|line| print_line(line))
    }

    /// Prints all fields of one object, those of objects in it by their dotted names.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn print_one(&self, object: &Value) -> Result<(), Failure> {
        if self.json {
            return self.print_json(object);
        }
        let columns = match &self.columns {
            Some(named) => named.clone(),
            None => column::all_of(object),
        };
        self.mention_absent(std::slice::from_ref(object), &columns);
        let rows = columns.iter().map(|column| (column.name(), column.cell(object)));
        self.print_facts(rows.collect::<Vec<_>>())
    }

    /// Prints names and what there is to say of each.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn print_facts<'a>(
        &self,
        facts: impl IntoIterator<Item = (&'a str, table::Cell)>,
    ) -> Result<(), Failure> {
        let mut table = Table::new();
        for (name, cell) in facts {
            table.row([table::Cell::text(&format!("{name}:")), cell.into_text()]);
        }
        // One that is cut cannot be read anywhere else.
        table.lines(None).iter().try_for_each(|line| print_line(line))
    }

    fn print_json(&self, object: &Value) -> Result<(), Failure> {
        let chosen = self.columns.as_ref().map(|columns| {
            let fields = columns.iter().filter_map(|column| {
                Some((column.name().to_owned(), column.value(object)?.clone()))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        });
        print_line(&chosen.as_ref().unwrap_or(object).to_string())
    }

    // A field may be absent because nothing happened yet, so this is no failure.
    fn mention_absent(&self, objects: &[Value], columns: &[Column]) {
        if self.columns.is_none() || objects.is_empty() {
            return;
        }
        for column in columns {
            if objects.iter().all(|object| column.value(object).is_none()) {
                let fields = objects.first().and_then(Value::as_object);
                let fields = fields.map(|fields| fields.keys().map(String::as_str).collect());
                let there: Vec<&str> = fields.unwrap_or_default();
                let name = column.name();
                remark(&shown(&format!(
                    "no object has a field '{name}'; there are: {}",
                    there.join(", ")
                )));
            }
        }
    }
}

pub(crate) use table::{Cell, Table};

fn width() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    let named = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let size = rustix::termios::tcgetwinsize(stdout()).ok();
    named.or_else(|| size.map(|size| usize::from(size.ws_col))).filter(|width| *width > 0)
}
