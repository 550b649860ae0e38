//! The reply codes that say an error.

use super::{super::spec::Spec, HEAD, camel, screaming};

pub(super) fn reply_codes(spec: &Spec) -> String {
    let codes: Vec<_> = spec
        .constants
        .iter()
        .filter_map(|constant| {
            let variant = camel(&constant.name.to_lowercase());
            constant.reach.map(|reach| (variant, screaming(&constant.name), constant.value, reach))
        })
        .collect();
    let (mut variants, mut all) = (String::new(), String::new());
    let (mut numbers, mut names, mut reaches) = (String::new(), String::new(), String::new());
    let mut from = String::new();
    for (variant, name, number, reach) in &codes {
        let closes = reach.to_lowercase();
        variants += &format!("/// {number}: `{name}`, closes the {closes}.\n{variant},\n");
        all += &format!("Self::{variant},");
        numbers += &format!("Self::{variant} => {number},");
        names += &format!("Self::{variant} => \"{name}\",");
        reaches += &format!("Self::{variant} => Reach::{reach},");
        from += &format!("{number} => Some(Self::{variant}),");
    }
    format!(
        "{HEAD}//! The reply codes that say an error, and how far each reaches (AMQP 0-9-1 §1.3).

use crate::error::Reach;

/// An error's reply code. (200, the normal end, is [`crate::REPLY_SUCCESS`].)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyCode {{ {variants} }}

impl ReplyCode {{
    /// Every code, in the order of the definition.
    pub const ALL: [Self; {count}] = [{all}];

    /// The number on the wire.
    pub const fn number(self) -> u16 {{ match self {{ {numbers} }} }}

    /// The name as reply texts have it: `NOT_FOUND`.
    pub const fn name(self) -> &'static str {{ match self {{ {names} }} }}

    /// What the error closes: a soft one its channel, a hard one the connection.
    pub const fn reach(self) -> Reach {{ match self {{ {reaches} }} }}

    /// The code with this number; none when it is not an error's.
    pub const fn from_number(number: u16) -> Option<Self> {{ match number {{ {from} _ => None }} }}
}}
",
        count = codes.len(),
    )
}
