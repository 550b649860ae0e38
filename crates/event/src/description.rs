//! What a person is told of an event.

use crate::Severity;

/// An event, said to a person. Made by [`crate::Registry::describe`] from the event's schema;
/// without one, from the topic and the headers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Description {
    /// One line, never empty, no line break.
    pub summary: String,
    /// Where to read more.
    pub link: Option<String>,
    /// An image of the application that said it.
    pub icon: Option<String>,
    /// The application that said it: `git`, `koji`.
    pub app: String,
    /// Who did it.
    pub agent: Option<String>,
    /// Whom it concerns, the agent included; sorted, no name twice.
    pub people: Vec<String>,
    /// The packages it concerns; sorted, no name twice.
    pub packages: Vec<String>,
    /// What it is about; events with the same object belong to one thread.
    pub object: Option<String>,
    /// All things it touches, as paths: `packages/bash`, `project/infra/ansible`; sorted, none
    /// twice. Where the schema lists none, its `object`.
    pub objects: Vec<String>,
    /// Some lines more than the summary.
    pub text: Option<String>,
    /// A unified diff.
    pub patch: Option<String>,
    /// How much it matters.
    #[serde(serialize_with = "severity_name")]
    pub severity: Severity,
    /// The schema that was used, `None` when there was none and the description is generic.
    pub schema: Option<String>,
}

impl Description {
    /// One of which nothing is known but this.
    pub fn bare(app: &str, summary: &str) -> Description {
        Description {
            summary: summary.to_owned(),
            link: None,
            icon: None,
            app: app.to_owned(),
            agent: None,
            people: Vec::new(),
            packages: Vec::new(),
            object: None,
            objects: Vec::new(),
            text: None,
            patch: None,
            severity: Severity::Info,
            schema: None,
        }
    }
}

fn severity_name<S: serde::Serializer>(severity: &Severity, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(severity.name())
}
