//! The filters and tests a schema's templates have beyond the engine's own: what packages,
//! accounts and comments look like. All are pure and linear.

use minijinja::{Environment, Error, ErrorKind, Value};

use crate::template;

/// Puts the filters into an environment.
pub(crate) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("account", account);
    environment.add_filter("each", each);
    environment.add_filter("mentions", mentions);
    environment.add_filter("nvr", nvr);
    environment.add_filter("series", series);
    environment.add_filter("shorten", shorten);
    environment.add_filter("until", until);
    environment.add_filter("after", after);
    environment.add_filter("words", words);
    environment.add_test("containing", containing);
}

/// The account name in an OpenID URL or before the `@` of an address; what is neither stays.
fn account(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let host = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let name = match host {
        Some(host) => host.split(['.', '/']).next()?,
        None => text.split_once('@').map_or(text, |(name, _)| name),
    };
    Some(name.to_owned())
}

/// Whether a text has a part.
fn containing(value: &Value, part: &str) -> bool {
    value.as_str().is_some_and(|text| text.contains(part))
}

/// Each of a list's texts and numbers, lists in it included, put in place of the form's `{}`.
fn each(value: &Value, form: &str) -> Vec<String> {
    let mut names = Vec::new();
    template::gather(value, &mut names, 0);
    names.iter().map(|name| form.replacen("{}", name, 1)).collect()
}

/// The names after each `@` of a comment.
fn mentions(value: &Value) -> Vec<String> {
    let text = value.as_str().unwrap_or_default();
    let mut names = Vec::new();
    for (at, _) in text.match_indices('@').take(MENTIONS_MAX) {
        let rest = text.get(at + 1..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if let Some(name) = rest.get(..end).filter(|name| !name.is_empty()) {
            names.push(name.to_owned());
        }
    }
    names
}

/// `python-josepy-1.1.0-1.fc28` as `name`, `version`, `release`.
fn nvr(value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    let mut parts = text.rsplitn(3, '-');
    let (last, middle, first) = (parts.next(), parts.next(), parts.next());
    let (name, version, release) = match (first, middle, last) {
        (Some(name), version, release) => (name, version, release),
        (None, Some(name), version) => (name, version, None),
        (None, None, name) => (name?, None, None),
    };
    Some(minijinja::context! { name => name, version => version, release => release })
}

/// A list as a person would say it, sorted: `a`, `a and b`, `a, b, and 2 others`.
fn series(value: &Value, most: Option<usize>) -> Result<String, Error> {
    let most = most.unwrap_or(3).max(1);
    let mut items: Vec<String> = match value.is_undefined() || value.is_none() {
        true => Vec::new(),
        false => value.try_iter()?.map(|item| item.to_string()).collect(),
    };
    items.sort_unstable();
    items.dedup();
    if items.len() > most {
        let others = items.len() - most + 1;
        items.truncate(most - 1);
        items.push(format!("{others} others"));
    }
    Ok(match items.split_last() {
        None => "(nothing)".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, [first])) => format!("{first} and {last}"),
        Some((last, others)) => format!("{}, and {last}", others.join(", ")),
    })
}

/// A text of `chars` characters or more, cut there and ended with `...`.
fn shorten(value: &Value, chars: usize) -> Option<String> {
    let text = value.as_str()?;
    Some(match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}...", text.get(..end)?),
        None if text.chars().count() == chars => format!("{text}..."),
        None => text.to_owned(),
    })
}

/// What stands before the first `mark`; all of it when there is none.
fn until(value: &Value, mark: &str) -> Option<String> {
    let text = value.as_str()?;
    Some(text.split_once(not_empty(mark)?).map_or(text, |(before, _)| before).to_owned())
}

/// What stands after the first `mark`; all of it when there is none.
fn after(value: &Value, mark: &str) -> Option<String> {
    let text = value.as_str()?;
    Some(text.split_once(not_empty(mark)?).map_or(text, |(_, after)| after).to_owned())
}

/// The parts between any of the characters of `marks`, without the empty ones.
fn words(value: &Value, marks: Option<&str>) -> Result<Vec<String>, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(Vec::new());
    }
    let fault = || Error::new(ErrorKind::InvalidOperation, "words: the value is not a string");
    let marks = marks.unwrap_or(" ,");
    let parts = value.as_str().ok_or_else(fault)?.split(|c| marks.contains(c));
    Ok(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

fn not_empty(mark: &str) -> Option<&str> {
    (!mark.is_empty()).then_some(mark)
}

const MENTIONS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(expression: &str) -> String {
        let mut environment = Environment::new();
        add_to(&mut environment);
        environment.compile_expression(expression).unwrap().eval(()).unwrap().to_string()
    }

    #[test]
    fn filters_say_what_packagers_mean() {
        for (expression, expected) in [
            ("'http://pingou.id.example.org/'|account", "pingou"),
            ("'ralph@example.org'|account", "ralph"),
            ("'ralph'|account", "ralph"),
            ("['b', ['a', none]]|each('packages/{}')|join(' ')", "packages/b packages/a"),
            ("'bash'|each('{}/__git__')|first", "bash/__git__"),
            ("['a@b', 'c']|reject('containing', '@')|join", "c"),
            ("missing|each('{}')|length", "0"),
            ("'hi @ada, @bob_2! a@ @'|mentions|join(' ')", "ada bob_2"),
            ("('python-josepy-1.1.0-1.fc28'|nvr).name", "python-josepy"),
            ("('python-josepy-1.1.0-1.fc28'|nvr).release", "1.fc28"),
            ("('foo'|nvr).name", "foo"),
            ("('foo-1'|nvr).name", "foo"),
            ("[]|series", "(nothing)"),
            ("['b', 'a']|series", "a and b"),
            ("['b', 'a', 'b', 'c']|series", "a, b, and c"),
            ("['d', 'b', 'a', 'c']|series", "a, b, and 2 others"),
            ("'12345'|shorten(5)", "12345..."),
            ("'ääääää'|shorten(5)", "äääää..."),
            ("'1234'|shorten(5)", "1234"),
            ("'refs/heads/main'|after('refs/heads/')", "main"),
            ("'main'|after('refs/heads/')", "main"),
            ("'a b'|until(' ')", "a"),
            ("'a-1-1 b-1-1, c'|words|join('+')", "a-1-1+b-1-1+c"),
        ] {
            assert_eq!(eval(expression), expected, "{expression}");
        }
    }
}
