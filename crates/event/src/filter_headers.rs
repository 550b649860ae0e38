//! fedora-messaging's filter headers: `fedora_messaging_<kind>_<name>: true` for each person and
//! thing an event concerns, so that a headers exchange can select on them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::template::Said;

/// Adds one header for each name. Names that cannot be in a header's key, and those past the
/// bound that keeps the header frame within AMQP's smallest usual frame, are left out.
pub(crate) fn add(headers: &mut Map<String, Value>, said: &Said) {
    let kinds = [
        (USER, &said.people),
        (GROUP, &said.groups),
        (RPM, &said.packages),
        (CONTAINER, &said.containers),
        (MODULE, &said.modules),
        (FLATPAK, &said.flatpaks),
    ];
    let mut bytes = 0;
    for (kind, names) in kinds {
        for name in names {
            let key = format!("{kind}{name}");
            bytes += key.len() + 3;
            if bytes > BYTES_MAX {
                return;
            }
            if key.len() <= KEY_BYTES_MAX {
                headers.insert(key, Value::Bool(true));
            }
        }
    }
}

/// The people the headers name.
pub(crate) fn people(headers: &Map<String, Value>) -> BTreeSet<&str> {
    names(headers, USER)
}

/// The packages the headers name.
pub(crate) fn packages(headers: &Map<String, Value>) -> BTreeSet<&str> {
    names(headers, RPM)
}

/// All names of headers that say whom or what the event concerns, sorted.
pub(crate) fn all(headers: &Map<String, Value>) -> BTreeSet<&str> {
    let named = headers.iter().filter(|(_, value)| **value == Value::Bool(true));
    let kinds = [USER, GROUP, RPM, CONTAINER, MODULE, FLATPAK];
    let names = named.map(|(key, _)| key.as_str());
    names.filter(|key| kinds.iter().any(|kind| key.starts_with(kind))).collect()
}

fn names<'a>(headers: &'a Map<String, Value>, kind: &str) -> BTreeSet<&'a str> {
    let named = headers.iter().filter(|(_, value)| **value == Value::Bool(true));
    named
        .filter_map(|(key, _)| key.strip_prefix(kind))
        .filter(|name| !name.is_empty())
        .take(NAMES_MAX)
        .collect()
}

const USER: &str = "fedora_messaging_user_";
const GROUP: &str = "fedora_messaging_group_";
const RPM: &str = "fedora_messaging_rpm_";
const CONTAINER: &str = "fedora_messaging_container_";
const MODULE: &str = "fedora_messaging_module_";
const FLATPAK: &str = "fedora_messaging_flatpak_";
/// AMQP 0-9-1 §4.2.5.5: a field name is a short string.
const KEY_BYTES_MAX: usize = 255;
/// Half of the usual frame-max, 128 KiB: a content header must fit one frame.
const BYTES_MAX: usize = 64 << 10;
const NAMES_MAX: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_into_headers_and_come_out_and_are_bounded() {
        let mut headers = Map::new();
        let said = Said {
            people: vec!["ada".into(), "x".repeat(240)],
            packages: (0..5000).map(|n| format!("package-with-a-name-{n}")).collect(),
            groups: vec!["g".into()],
            ..Said::default()
        };
        add(&mut headers, &said);
        assert_eq!(people(&headers), BTreeSet::from(["ada"]));
        assert_eq!(headers.get("fedora_messaging_group_g"), Some(&Value::Bool(true)));
        assert!(packages(&headers).contains("package-with-a-name-0"));
        let bytes: usize = headers.keys().map(|key| key.len() + 3).sum();
        assert!(bytes <= BYTES_MAX && bytes > BYTES_MAX / 2, "{bytes}");
        headers.insert("fedora_messaging_user_bob".into(), Value::Bool(false));
        assert!(!people(&headers).contains("bob"));
    }
}
