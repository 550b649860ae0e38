//! An event as tests look at it. What only few tests need is made when one asks, once an event.

use std::cell::OnceCell;

use event::{Description, Event};

use super::{cost::Extent, expression::Variables};

/// An event with its description.
pub struct Facts<'a> {
    /// What happened.
    pub event: &'a Event,
    /// What is said of it.
    pub description: &'a Description,
    text: OnceCell<String>,
    extent: OnceCell<Extent>,
    variables: OnceCell<Variables<'a>>,
}

impl<'a> Facts<'a> {
    /// The facts of one event.
    pub fn new(event: &'a Event, description: &'a Description) -> Facts<'a> {
        Facts {
            event,
            description,
            text: OnceCell::new(),
            extent: OnceCell::new(),
            variables: OnceCell::new(),
        }
    }

    /// Summary and text in lower case, cut at [`TEXT_BYTES_MAX`].
    pub(crate) fn text(&self) -> &str {
        self.text.get_or_init(|| {
            let mut text = self.description.summary.to_lowercase();
            if let Some(more) = &self.description.text {
                text.push('\n');
                let cut = more.floor_char_boundary(TEXT_BYTES_MAX);
                text.push_str(&more.split_at(cut).0.to_lowercase());
            }
            text
        })
    }

    /// What it is about, and all it touches.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &'a str> {
        let Description { object, objects, .. } = self.description;
        let about = object.as_ref().filter(|object| !objects.contains(object));
        objects.iter().chain(about).map(String::as_str)
    }

    /// How large it is to an expression.
    pub(crate) fn extent(&self) -> Extent {
        *self.extent.get_or_init(|| Extent::of(self.event, self.description))
    }

    /// What an expression may speak of.
    pub(crate) fn variables(&self) -> &Variables<'a> {
        self.variables.get_or_init(|| Variables::of(self.event, self.description))
    }
}

/// Bytes of a description's text that are searched.
const TEXT_BYTES_MAX: usize = 64 * 1024;
