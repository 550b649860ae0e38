//! A form as a browser sends it.

/// Its fields, in their order; a name may come more than once.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// `application/x-www-form-urlencoded`; of another kind nothing is understood.
    pub(crate) fn read(body: &[u8]) -> Form {
        Form(url::form_urlencoded::parse(body).into_owned().take(FIELDS_MAX).collect())
    }

    /// A field's first value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The same, trimmed; empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }

    /// All its values.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        self.0.iter().filter(move |(this, _)| *this == name).map(|(_, value)| value.as_str())
    }
}

/// A rule's form with all its outlets has some hundred.
const FIELDS_MAX: usize = 5000;
