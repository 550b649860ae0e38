//! Keys in files: how those are named that `tubepost key` makes. [`client::trusted_keys`] reads
//! them.

/// What the names of files with a secret end in.
pub(crate) const SECRET: &str = "key";
/// What the names of files with a raw public key end in.
pub(crate) const PUBLIC: &str = "pub";
