//! A section that cannot be read.

use amqp10::SectionKind;

/// A section of an AMQP 1.0 message that is not what its descriptor says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{section}: {fault}")]
pub struct Error {
    /// Which section.
    pub section: SectionKind,
    /// What is wrong with it.
    pub fault: amqp10::Error,
}

impl Error {
    pub(crate) fn of(section: SectionKind) -> impl FnOnce(amqp10::Error) -> Self {
        move |fault| Self { section, fault }
    }
}
