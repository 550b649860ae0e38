//! `tubepost schema docs`: the catalogue as files, for a static site. What the pages at `/schemas`
//! show, as Markdown; and the files that make the site a registry.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Arg, ArgMatches, Command, value_parser};
use event::{Catalogue, Description, Field, Pattern, Registry, Schema, schema_segment};
use serde_json::{Value, json};

use super::source;
use crate::{
    cli,
    config::Verb,
    failure::{Failure, remark},
    terminal::print_line,
};

pub(crate) fn command() -> Command {
    let command = Command::new("docs")
        .about("Write the documentation of schemas as Markdown, with the files of a registry")
        .arg(source::argument())
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("DIRECTORY")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Where index.md, schemas.json and the directory schemas/ go"),
        )
        .arg(source::json())
        .after_help(
            "Examples:\n  \
             tubepost schema docs --into site\n  \
             tubepost schema docs ./schemas --into site\n  \
             tubepost schema docs ./schemas --into site --json | jq .schemas\n\n\
             index.md lists all, schemas/NAME.md has the keys of the body and every example as it is said:\n\
             what tubepost serve shows at /schemas. schemas.json and schemas/NAME.json are beside them, so\n\
             the site's address is one for event.schemas. Files of the same name are replaced, others stay.",
        );
    cli::with_options(command, Verb::Schema)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let into = matches.get_one::<PathBuf>("into").map_or(Path::new("."), PathBuf::as_path);
    let (mut registry, mut faults) = (Registry::default(), Vec::new());
    for file in source::read(matches)? {
        let added = file.schema.and_then(|schema| {
            registry.add(&file.place, schema.text()).map_err(|error| error.to_string())
        });
        faults.extend(added.err().map(|reason| format!("{}: {reason}", file.place)));
    }
    if !faults.is_empty() {
        return Err(Failure::Failed(faults));
    }
    let schemas = registry.schemas();
    let (catalogue, _) = Catalogue::of(&registry);
    let list = serde_json::to_string_pretty(&catalogue)
        .map_err(|error| Failure::failed(error.to_string()))?;
    let folder = into.join("schemas");
    fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    write(&into.join("index.md"), &index(&schemas))?;
    for schema in &schemas {
        let segment = schema_segment(schema.name());
        write(&folder.join(format!("{segment}.md")), &page(&registry, schema))?;
        write(&folder.join(format!("{segment}.json")), schema.text())?;
    }
    // Last: it names the others.
    write(&into.join("schemas.json"), &format!("{list}\n"))?;
    if matches.get_flag("json") {
        return print_line(&json!({"directory": into, "schemas": schemas.len()}).to_string());
    }
    remark(&format!("{}: {} schemas; begin with index.md", into.display(), schemas.len()));
    Ok(())
}

fn index(schemas: &[Arc<Schema>]) -> String {
    let mut text = format!(
        "# Schemas\n\n{} kinds of events.\n\n| schema | what happened | topics | owner |\n\
         | --- | --- | --- | --- |\n",
        schemas.len()
    );
    for schema in schemas {
        let (name, path) = (code(schema.name()), schema_segment(schema.name()));
        let title = inline(schema.title());
        let old = if schema.is_deprecated() { " (old events only)" } else { "" };
        let (topics, owner) = (patterns(schema.topics()), inline(schema.owner()));
        line(
            &mut text,
            &format!("| [{name}](schemas/{path}.md) | {title}{old} | {topics} | {owner} |"),
        );
    }
    text
}

fn page(registry: &Registry, schema: &Schema) -> String {
    let mut text = format!("# {}\n\n", inline(schema.title()));
    if !schema.description().trim().is_empty() {
        line(&mut text, &format!("{}\n", inline(schema.description())));
    }
    let mut fact = |name: &str, value: &str| line(&mut text, &format!("- {name}: {value}"));
    let segment = schema_segment(schema.name());
    fact("Name", &format!("{} ([the schema file]({segment}.json))", code(schema.name())));
    let old =
        if schema.is_deprecated() { " (old events only: never chosen for a new one)" } else { "" };
    fact("Version", &format!("{}{old}", schema.version()));
    fact("Owner", &inline(schema.owner()));
    if schema.wire_name() != schema.name() {
        fact("On the wire", &code(schema.wire_name()));
    }
    match schema.topics() {
        [] => fact("Topics", "none: found by name"),
        topics => fact("Topics", &patterns(topics)),
    }
    line(&mut text, "\n## Body\n");
    fields(&mut text, &schema.fields());
    for (number, (topic, body, told)) in (1..).zip(registry.told_examples(schema)) {
        line(&mut text, &format!("\n## Example {number}\n"));
        example(&mut text, &topic, &body, &told);
    }
    text
}

fn fields(text: &mut String, fields: &[Field]) {
    if fields.is_empty() {
        return line(text, "Any object.");
    }
    line(text, "| key | kind | meaning |\n| --- | --- | --- |");
    for Field { path, kind, required, description } in fields {
        let needed = if *required { ", required" } else { "" };
        let (path, kind, meaning) = (code(path), inline(kind), inline(description));
        line(text, &format!("| {path} | {kind}{needed} | {meaning} |"));
    }
}

fn example(text: &mut String, topic: &str, body: &Value, told: &Description) {
    line(text, &format!("> {}\n", inline(&told.summary)));
    let mut fact = |name: &str, value: String| line(text, &format!("- {name}: {value}"));
    fact("Topic", code(topic));
    fact("Severity", told.severity.to_string());
    if let Some(link) = &told.link {
        fact("Link", code(link));
    }
    for (name, list) in
        [("People", &told.people), ("Packages", &told.packages), ("Objects", &told.objects)]
    {
        if !list.is_empty() {
            fact(name, list.iter().map(|it| code(it)).collect::<Vec<_>>().join(", "));
        }
    }
    // Indented, so that nothing in it can end it.
    let body = serde_json::to_string_pretty(body).unwrap_or_default();
    line(text, "");
    body.lines().for_each(|one| line(text, &format!("    {one}")));
}

fn patterns(patterns: &[Pattern]) -> String {
    patterns.iter().map(|pattern| code(pattern.as_str())).collect::<Vec<_>>().join(", ")
}

/// Text on one line, in which nothing is markup.
fn inline(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

/// A name as it is. In a table a bar would end the cell, also within code (GFM §4.10).
fn code(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    let fence = "`".repeat(1 + text.split(|c| c != '`').map(str::len).max().unwrap_or(0));
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{}{space}{fence}", text.replace('|', "\\|"))
}

fn line(text: &mut String, line: &str) {
    // Into memory: it cannot fail.
    _ = writeln!(text, "{line}");
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{}: cannot be written: {error}; name another --into", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_schema_says_is_markup() {
        assert_eq!(inline("a\n<b> | *c* [d](e)"), "a \\<b\\> \\| \\*c\\* \\[d\\](e)");
        assert_eq!(code("a.`b`|c"), "``a.`b`\\|c``");
        assert_eq!(code("`b"), "`` `b ``");
        assert_eq!(code("plain"), "`plain`");
    }
}
