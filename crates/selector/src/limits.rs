//! Every bound of this crate in one place, with where it comes from.

/// Octets of a selector's text. RabbitMQ takes 4,096 characters, JMS brokers any length; a list
/// of 1,000 UUIDs after `IN` takes 40,000.
pub const TEXT_MAX: usize = 64 * 1024;

/// Nodes of a selector: literals, names and operators. An evaluation looks at each once at most,
/// so this bounds what one message costs. RabbitMQ: 200 tokens.
pub const NODES_MAX: usize = 4096;

/// How deep operators, parentheses included, may lie in each other. `AND` and `OR` are one level
/// however many they join; each further term of a sum or a product is one more. At its deepest,
/// reading takes some hundred KiB of stack, without optimisation.
pub const DEPTH_MAX: usize = 128;

/// Characters between two `%` of a `LIKE` pattern when a `_` is among them: as many as the bits of
/// the word that keeps such a search linear.
pub const WILD_SEGMENT_MAX: usize = 64;

/// Characters of the text that an error repeats.
pub(crate) const FOUND_MAX: usize = 40;
