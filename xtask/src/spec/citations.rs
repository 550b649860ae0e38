//! Citations of AMQP 1.0 in code and tests: `//= amqp-1.0 §SECTION NAME, NAME`, in Python `#=`.

use std::fmt;

/// What a comment says that the code below it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Citation {
    pub(super) section: String,
    /// None: a rule of the section that is no MUST.
    pub(super) name: Option<String>,
    pub(super) place: Place,
    file: String,
    line: usize,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Code,
    Test,
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}, §{}", self.file, self.line, self.section)?;
        self.name.iter().try_for_each(|name| write!(f, " {name}"))
    }
}

/// Those of one file; none of other languages.
pub(super) fn of(path: &str, text: &str) -> Vec<Citation> {
    let mark = match path.rsplit_once('.') {
        Some((_, "rs" | "mjs" | "cpp")) => "//= amqp-1.0 ",
        Some((_, "py")) => "#= amqp-1.0 ",
        _ => return Vec::new(),
    };
    let mut in_tests = path.split('/').any(|part| part == "tests" || part == "tests.rs");
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        in_tests |= line.trim() == "#[cfg(test)]";
        let Some(cited) = line.trim_start().strip_prefix(mark) else { continue };
        let (section, names) = cited.split_once(' ').unwrap_or((cited, ""));
        let place = if in_tests { Place::Test } else { Place::Code };
        let citation = |name: Option<&str>| Citation {
            section: section.trim_start_matches('§').to_owned(),
            name: name.map(|name| name.trim().to_owned()),
            place,
            file: path.to_owned(),
            line: index + 1,
        };
        match names.trim() {
            "" => found.push(citation(None)),
            names => found.extend(names.split(',').map(|name| citation(Some(name)))),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(String, Place)> {
        let found = of(path, text).into_iter();
        found.map(|citation| (citation.to_string(), citation.place)).collect()
    }

    #[test]
    fn each_name_is_a_citation() {
        let text = "\n    //= amqp-1.0 §2.7.5 one, two\n    //= amqp-1.0 §3.2\n// amqp-1.0 §4\n";
        let expected = ["a.rs:2, §2.7.5 one", "a.rs:2, §2.7.5 two", "a.rs:3, §3.2"];
        assert_eq!(found("a.rs", text), expected.map(|it| (it.to_owned(), Place::Code)));
    }

    #[test]
    fn tests_are_told_from_code() {
        let text = "//= amqp-1.0 §1 a\n#[cfg(test)]\n//= amqp-1.0 §1 b\n";
        let places: Vec<Place> = of("src/a.rs", text).iter().map(|it| it.place).collect();
        assert_eq!(places, [Place::Code, Place::Test]);
        for (path, text) in [
            ("crates/a/tests/b.rs", "//= amqp-1.0 §1 a"),
            ("tests/python/a.py", "    #= amqp-1.0 §1 a"),
            ("tests/node/a.mjs", "//= amqp-1.0 §1 a"),
        ] {
            assert_eq!(of(path, text)[0].place, Place::Test, "{path}");
        }
    }

    #[test]
    fn pages_about_citations_have_none() {
        assert_eq!(found("docs/a.md", "//= amqp-1.0 §1 a"), []);
    }
}
