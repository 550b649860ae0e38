//! An address: a nick or a channel. What else a server would take for one (lists, masks, prefixes
//! of a channel's operators, services that obey) is none.

/// Whether messages go to a channel there.
pub(crate) fn is_channel(address: &str) -> bool {
    address.starts_with(['#', '&'])
}

/// RFC 2812 §1.3 and §2.3.1.
///
/// # Errors
/// What is wrong, and the mend.
pub(crate) fn check(address: &str) -> Result<(), String> {
    if address.len() > NAME_BYTES_MAX {
        return Err(format!("has {} bytes, more than {NAME_BYTES_MAX}", address.len()));
    }
    if is_channel(address) {
        let kept = |c: char| !(c.is_control() || c.is_whitespace() || ",:".contains(c));
        return match address.len() > 1 && address.chars().all(kept) {
            true => Ok(()),
            false => Err("is no channel; write irc:#channel, without a key".to_owned()),
        };
    }
    let special = |b: u8| b"[]\\`_^{|}".contains(&b);
    let first = address.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || special(b));
    let all = address.bytes().all(|b| b.is_ascii_alphanumeric() || special(b) || b == b'-');
    if !first || !all {
        return Err("is no nick; write irc:ada or irc:#channel".to_owned());
    }
    // They would take what an event says for commands.
    match address.to_ascii_lowercase().ends_with("serv") {
        true => Err("is a service of the network; write a person's nick, irc:ada".to_owned()),
        false => Ok(()),
    }
}

const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nick_or_a_channel_and_nothing_else() {
        for address in ["ada", "Ada|away", "[ada]", "a-1", "#kernel", "##c++", "#ünï", "&local"] {
            assert!(check(address).is_ok(), "{address}");
        }
        for address in [
            "",
            "1ada",
            "-ada",
            "ada,grace",
            "ada grace",
            "$*.example.org",
            "ada@example.org",
            "ada!u@h",
            "@#kernel",
            "#",
            "#a,#b",
            "#a b",
            "#a:b",
            "#a\u{7}",
            "ädä",
            "NickServ",
            "operserv",
            &"a".repeat(65),
        ] {
            assert!(check(address).is_err(), "{address}");
        }
    }
}
