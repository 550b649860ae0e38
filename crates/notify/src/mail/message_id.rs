//! The ids that hold mails together: one for each (event, address), one for each thread.
//!
//! All are computed from what they name, so a mail that is sent again (a lost answer, a
//! re-delivery, another process) has the id it had, and mail programs show it once.

use uuid::Uuid;

/// `<EVENT.HASH@DOMAIN>`, the hash being of the address: several people in one list archive must
/// not have the same id for different mails. RFC 5322 §3.6.4.
pub(crate) fn message(event: &str, address: &str, domain: &str) -> String {
    let hash = Uuid::new_v5(&NAMESPACE, format!("to:{address}").as_bytes()).simple().to_string();
    let hash = hash.get(..16).unwrap_or(&hash);
    format!("<{}.{hash}@{domain}>", id_left(event))
}

/// `<object.HASH@DOMAIN>`: the root all mails about one object refer to. No mail has this id;
/// mail programs gather under it all the same (as JWZ's threading does), whichever came first.
pub(crate) fn thread(object: &str, domain: &str) -> String {
    let hash = Uuid::new_v5(&NAMESPACE, format!("object:{object}").as_bytes()).simple();
    format!("<object.{hash}@{domain}>")
}

/// The event's id where it can stand in a Message-ID as it is (all of Tubepost's and
/// fedora-messaging's can), its hash where it cannot.
fn id_left(event: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match event {
        _ if !event.is_empty() && event.len() <= 64 && event.bytes().all(plain) => event.to_owned(),
        _ => Uuid::new_v5(&NAMESPACE, format!("event:{event}").as_bytes()).to_string(),
    }
}

/// UUIDv5 of `tubepost.invalid` in the DNS namespace (RFC 9562 §6.6). Never changes: it would
/// break every thread that exists.
const NAMESPACE: Uuid = Uuid::from_u128(0x18f1_509e_54d4_57ef_b7cb_0e3d_de23_26cd);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_what_it_says() {
        assert_eq!(NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"tubepost.invalid"));
    }

    #[test]
    fn the_same_event_to_the_same_address_has_the_same_id_for_ever() {
        // Literal on purpose: a change of these breaks threads and de-duplication of mails sent.
        let id = message("0199d0c4-7b1e-7000-8000-00000000002a", "ada@example.org", "example.org");
        assert_eq!(id, "<0199d0c4-7b1e-7000-8000-00000000002a.9fc8dad5472b5f12@example.org>");
        assert_eq!(
            thread("git/kernel", "example.org"),
            "<object.70c887297b4e59ddbd79279097ad0c03@example.org>"
        );
    }

    #[test]
    fn different_things_have_different_ids() {
        let base = message("1", "a@b.org", "b.org");
        assert_ne!(base, message("2", "a@b.org", "b.org"));
        assert_ne!(base, message("1", "b@b.org", "b.org"));
        assert_ne!(thread("a", "b.org"), thread("b", "b.org"));
    }

    #[test]
    fn an_id_that_cannot_stand_in_a_header_is_hashed() {
        for hostile in ["", "a>\r\nBcc: x", "a b", "ä", &"x".repeat(65), "a@b", "a..b"] {
            let id = message(hostile, "a@b.org", "b.org");
            let allowed = |c: char| c.is_ascii_alphanumeric() || "<>@.-".contains(c);
            assert!(id.chars().all(allowed) && id.matches('@').count() == 1, "{id}");
        }
    }
}
