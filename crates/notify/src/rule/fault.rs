//! What is wrong with a rule, where, and the mend.

use std::fmt;

/// One thing that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Where in the rule: `what.all[1].cel`; empty when the text is no JSON.
    pub path: String,
    /// Line and column, from 1, within the text at `path`: of an expression, or of the JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<(usize, usize)>,
    /// What is wrong, and the mend.
    pub problem: String,
}

impl Fault {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Fault {
        Fault { path: path.into(), at: None, problem: problem.into() }
    }

    /// JSON that cannot be read as a rule.
    pub fn syntax(error: &serde_json::Error) -> Fault {
        let said = error.to_string();
        // serde_json puts the place behind its words; here it has a field.
        let problem = said.rsplit_once(" at line ").map_or(said.as_str(), |(words, _)| words);
        let at = (error.line() > 0).then(|| (error.line(), error.column()));
        Fault { path: String::new(), at, problem: problem.to_owned() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.as_str(), self.at) {
            ("", Some((line, column))) => write!(f, "line {line}, column {column}: ")?,
            ("", None) => {}
            (path, Some((line, column))) => write!(f, "{path}, line {line}, column {column}: ")?,
            (path, None) => write!(f, "{path}: ")?,
        }
        f.write_str(&self.problem)
    }
}
