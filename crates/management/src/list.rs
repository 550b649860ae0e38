//! Lists: which items, in which order, which page, which fields (RabbitMQ: `rabbit_mgmt_util`).
//! Items are made only when they are looked at: a page of a hundred thousand queues costs a page.

use std::cmp::Ordering;

use regex::RegexBuilder;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Outcome},
    columns::{Columns, at},
    limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, PATTERN_BYTES_MAX},
    query::{Query, shortened},
    refusal::Refusal,
};

/// An item: its name, and how to make it.
pub(crate) struct Row {
    pub(crate) name: String,
    make: Box<dyn Fn() -> Value + Send>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, make: impl Fn() -> Value + Send + 'static) -> Row {
        Row { name: name.into(), make: Box::new(make) }
    }

    /// One that is made already.
    pub(crate) fn of(item: Value) -> Row {
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        Row::new(name, move || item.clone())
    }
}

/// Answers a list in the order given, or as the query has it.
///
/// # Errors
/// The query asks for what cannot be.
pub(crate) fn answer(rows: Vec<Row>, query: &Query) -> Outcome {
    let total = rows.len();
    let columns = query.get("columns").map(Columns::parse).unwrap_or_default();
    let page = Page::asked(query)?;
    // RabbitMQ filters pages only; that it does not filter bare lists is of no use to anybody.
    let mut rows = filtered(rows, query)?;
    match query.get("sort").filter(|column| !column.is_empty()) {
        Some(column) => rows = sorted(rows, column, query.is("sort_reverse")),
        None if query.is("sort_reverse") => rows.reverse(),
        None => {}
    }
    let Some(page) = page else {
        return Ok(Answer::Items(Box::new(
            rows.into_iter().map(move |row| columns.of((row.make)())),
        )));
    };
    let filtered = rows.len();
    let page_count = filtered.div_ceil(page.size).max(1);
    if page.number > page_count {
        return Err(Refusal::bad_request(format!(
            "Page out of range, page: {} page size: {}, len: {filtered}",
            page.number, page.size
        ))
        .named("page_out_of_range"));
    }
    let items = rows.iter().skip((page.number - 1) * page.size).take(page.size);
    let items: Vec<Value> = items.map(|row| columns.of((row.make)())).collect();
    Ok(Answer::Json(json!({
        "filtered_count": filtered,
        "item_count": items.len(),
        "items": items,
        "page": page.number,
        "page_count": page_count,
        "page_size": page.size,
        "total_count": total,
    })))
}

struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn asked(query: &Query) -> Result<Option<Page>, Refusal> {
        let invalid = |_| Refusal::bad_request("Pagination parameters are invalid");
        let number = query.number("page").map_err(invalid)?;
        let size = query.number("page_size").map_err(invalid)?;
        let Some(number) = number else { return Ok(None) };
        let sizes = 1..=PAGE_SIZE_MAX as u64;
        if number == 0 || size.is_some_and(|size| !sizes.contains(&size)) {
            let size = size.map_or("undefined".to_owned(), |size| size.to_string());
            return Err(Refusal::bad_request(format!(
                "Invalid pagination parameters: page number {number}, page size {size}; a page is \
                 1 or more, of 1 to {PAGE_SIZE_MAX} items"
            ))
            .named("invalid_pagination_parameters"));
        }
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Some(Page { number: whole(number), size: size.map_or(PAGE_SIZE_DEFAULT, whole) }))
    }
}

/// Without `use_regex` a name is found anywhere in the other, whatever the case.
fn filtered(mut rows: Vec<Row>, query: &Query) -> Result<Vec<Row>, Refusal> {
    let Some(name) = query.get("name").filter(|name| !name.is_empty()) else { return Ok(rows) };
    if query.is("use_regex") {
        let pattern = RegexBuilder::new(name)
            .case_insensitive(true)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|_| {
                Refusal::bad_request(format!(
                    "Pagination parameters are invalid: 'name' is no pattern: '{}'",
                    shortened(name)
                ))
            })?;
        rows.retain(|row| pattern.is_match(&row.name));
    } else {
        let name = name.to_lowercase();
        rows.retain(|row| row.name.to_lowercase().contains(&name));
    }
    Ok(rows)
}

/// Items are made for the one column and let go of: only the column is kept.
fn sorted(rows: Vec<Row>, column: &str, reverse: bool) -> Vec<Row> {
    let key = |row: &Row| match column {
        "name" => Some(Value::String(row.name.clone())),
        column => at(&(row.make)(), column).cloned(),
    };
    let mut keyed: Vec<(Option<Value>, Row)> =
        rows.into_iter().map(|row| (key(&row), row)).collect();
    keyed.sort_by(|(one, _), (other, _)| order(one.as_ref(), other.as_ref()));
    if reverse {
        keyed.reverse();
    }
    keyed.into_iter().map(|(_, row)| row).collect()
}

fn order(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None | Some(Value::Null) => 0,
        Some(Value::Bool(_)) => 1,
        Some(Value::Number(_)) => 2,
        Some(Value::String(_)) => 3,
        Some(_) => 4,
    };
    match (one, other) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => {
            let (one, other) = (one.as_f64(), other.as_f64());
            one.partial_cmp(&other).unwrap_or(Ordering::Equal)
        }
        (Some(Value::String(one)), Some(Value::String(other))) => one.cmp(other),
        (Some(Value::Bool(one)), Some(Value::Bool(other))) => one.cmp(other),
        _ => rank(one).cmp(&rank(other)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use super::*;

    fn rows(count: usize, made: &Arc<AtomicUsize>) -> Vec<Row> {
        let row = |n: usize| {
            let made = made.clone();
            Row::new(format!("q{n:03}"), move || {
                made.fetch_add(1, Relaxed);
                json!({"name": format!("q{n:03}"), "n": 1000 - n, "odd": n % 2 == 1})
            })
        };
        (0..count).map(row).collect()
    }

    fn ask(query: &str) -> Result<Value, Refusal> {
        match answer(rows(250, &Arc::default()), &Query::parse(query))? {
            Answer::Json(value) => Ok(value),
            Answer::Items(items) => Ok(items.collect()),
            _ => unreachable!("a list is one of the two"),
        }
    }

    #[test]
    fn without_a_page_it_is_a_bare_array_and_with_one_it_is_counted() {
        assert_eq!(ask("").unwrap().as_array().unwrap().len(), 250);
        let page = ask("page=3").unwrap();
        for (field, expected) in [
            ("page", 3),
            ("page_size", 100),
            ("page_count", 3),
            ("item_count", 50),
            ("filtered_count", 250),
            ("total_count", 250),
        ] {
            assert_eq!(page[field], json!(expected), "{field}");
        }
        let empty = ask("page=1&name=nothing").unwrap();
        assert_eq!((&empty["page_count"], &empty["items"]), (&json!(1), &json!([])));
    }

    #[test]
    fn a_page_makes_only_its_own_items() {
        let made = Arc::default();
        drop(answer(rows(250, &made), &Query::parse("page=2&page_size=10&name=q")).unwrap());
        assert_eq!(made.load(Relaxed), 10);
    }

    #[test]
    fn names_are_filtered_by_what_is_in_them_or_by_a_pattern() {
        let names = |query: &str| {
            let items = ask(query).unwrap();
            items.as_array().unwrap().iter().map(|it| it["name"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(names("name=Q24&columns=name").len(), 10);
        assert_eq!(names("name=%5Eq00%5B12%5D%24&use_regex=true"), ["q001", "q002"]);
        assert_eq!(names("name=%5Eq00%5B12%5D%24").len(), 0);
    }

    #[test]
    fn it_is_sorted_by_any_column_either_way() {
        let first = |query: &str| ask(query).unwrap()[0]["name"].clone();
        assert_eq!(first("sort=n"), "q249");
        assert_eq!(first("sort=n&sort_reverse=true"), "q000");
        assert_eq!(first("sort_reverse=true"), "q249");
        assert_eq!(first("sort=odd&sort_reverse=true"), "q249");
        assert_eq!(first("sort=nope"), "q000", "what nobody has changes nothing");
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_in_rabbitmqs_words() {
        for (query, error) in [
            ("page=0", "invalid_pagination_parameters"),
            ("page=1&page_size=501", "invalid_pagination_parameters"),
            ("page=1&page_size=0", "invalid_pagination_parameters"),
            ("page=x", "bad_request"),
            ("page=1&name=(&use_regex=true", "bad_request"),
            ("page=4", "page_out_of_range"),
            ("page=99999999999999999", "page_out_of_range"),
        ] {
            let refused = ask(query).unwrap_err();
            assert_eq!((refused.status.as_u16(), refused.error), (400, error), "{query}");
        }
    }
}
