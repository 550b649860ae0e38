//! An address: a user, a room, or a room's alias ("Matrix Specification", Appendices, Identifier
//! Grammar).

/// What stands before an identifier says what it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sigil {
    /// `@ada:example.org`.
    User,
    /// `!opaque:example.org`, or without a domain.
    Room,
    /// `#kernel:example.org`.
    Alias,
}

/// What an address is of.
///
/// # Errors
/// What is wrong, and the mend.
pub(crate) fn check(address: &str) -> Result<Sigil, String> {
    let fault = || {
        "is no user, room or alias; write matrix:@ada:example.org, matrix:#kernel:example.org or \
         matrix:!room:example.org"
            .to_owned()
    };
    let sigil = match address.as_bytes().first() {
        Some(b'@') => Sigil::User,
        Some(b'!') => Sigil::Room,
        Some(b'#') => Sigil::Alias,
        _ => return Err(fault()),
    };
    let kept = |c: char| !(c.is_control() || c.is_whitespace());
    let rest = address.get(1..).unwrap_or_default();
    let (name, domain) = rest.split_once(':').unwrap_or((rest, ""));
    let has_domain = !domain.is_empty() || sigil == Sigil::Room;
    match !name.is_empty() && has_domain && address.len() <= ID_BYTES_MAX && rest.chars().all(kept)
    {
        true => Ok(sigil),
        false => Err(fault()),
    }
}

const ID_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_a_room_or_an_alias_and_nothing_else() {
        for (address, sigil) in [
            ("@ada:example.org", Sigil::User),
            ("@Ada/x=:[::1]:8448", Sigil::User),
            ("!abc:example.org", Sigil::Room),
            ("!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM", Sigil::Room),
            ("#kernel/dev:example.org", Sigil::Alias),
        ] {
            assert_eq!(check(address), Ok(sigil), "{address}");
        }
        for address in [
            "",
            "@",
            "ada",
            "ada:example.org",
            "@ada",
            "@:example.org",
            "#kernel",
            "#a b:x",
            "@a\n:x",
            "$event:x",
            &format!("@{}:x", "a".repeat(255)),
        ] {
            assert!(check(address).is_err(), "{address}");
        }
    }
}
