//! The paths of the API that the commands use, and what each is about. Nowhere else is a path put
//! together, so no name is ever taken for two.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A path below `/api/`, and what a message calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    path: String,
    subject: String,
    mend: Option<String>,
    patience: Duration,
}

/// What can be bound to an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

/// Whose policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policies {
    /// Those of who uses a virtual host.
    Users,
    /// Those that limit them.
    Operators,
}

impl Endpoint {
    /// The path, percent-encoded, with its query, and without a slash before it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What it is about.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// What to do when it is not found.
    pub(super) fn mend(&self) -> Option<&str> {
        self.mend.as_deref()
    }

    /// How long it may take until the answer begins, and between two pieces of it.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    fn new(segments: &[&str], subject: impl Into<String>) -> Endpoint {
        let segments: Vec<String> = segments.iter().map(|segment| encoded(segment)).collect();
        Endpoint {
            path: segments.join("/"),
            subject: subject.into(),
            mend: None,
            patience: PATIENCE,
        }
    }

    fn see(mut self, command: &str) -> Endpoint {
        self.mend = Some(format!("see tubepost {command}"));
        self
    }

    /// One of a virtual host's lists, or that of all virtual hosts.
    fn listed(kind: &str, vhost: Option<&str>, subject: &str) -> Endpoint {
        match vhost {
            None => Endpoint::new(&[kind], format!("{subject} of all virtual hosts")),
            Some(vhost) => {
                let subject = format!("{subject} of virtual host '{vhost}'");
                Endpoint::new(&[kind, vhost], subject).see("vhost list")
            }
        }
    }

    /// As [`Endpoint::listed`], where the virtual host stands before the list.
    fn of_vhost(kind: &str, vhost: Option<&str>, subject: &str) -> Endpoint {
        match vhost {
            None => Endpoint::new(&[kind], format!("{subject} of all virtual hosts")),
            Some(vhost) => {
                let subject = format!("{subject} of virtual host '{vhost}'");
                Endpoint::new(&["vhosts", vhost, kind], subject).see("vhost list")
            }
        }
    }

    /// `GET`: what it is, and how it does.
    pub(crate) fn overview() -> Endpoint {
        Endpoint::new(&["overview"], "overview")
    }

    /// `GET`.
    pub(crate) fn nodes() -> Endpoint {
        Endpoint::new(&["nodes"], "nodes")
    }

    /// `GET`: 200 or 503.
    pub(crate) fn health_check(check: &str) -> Endpoint {
        Endpoint::new(&["health", "checks", check], format!("health check '{check}'"))
    }

    /// `GET`.
    pub(crate) fn vhosts() -> Endpoint {
        Endpoint::new(&["vhosts"], "virtual hosts")
    }

    /// `GET`, `PUT`, `DELETE`.
    pub(crate) fn vhost(name: &str) -> Endpoint {
        Endpoint::new(&["vhosts", name], format!("virtual host '{name}'")).see("vhost list")
    }

    /// `GET`.
    pub(crate) fn vhost_limits(vhost: Option<&str>) -> Endpoint {
        Endpoint::listed("vhost-limits", vhost, "limits")
    }

    /// `PUT`, `DELETE`.
    pub(crate) fn vhost_limit(vhost: &str, limit: &str) -> Endpoint {
        let subject = format!("limit '{limit}' of virtual host '{vhost}'");
        Endpoint::new(&["vhost-limits", vhost, limit], subject).see("vhost limit list")
    }

    /// `GET`.
    pub(crate) fn permissions(vhost: Option<&str>) -> Endpoint {
        Endpoint::of_vhost("permissions", vhost, "permissions")
    }

    /// `PUT`, `DELETE`.
    pub(crate) fn permission(vhost: &str, user: &str) -> Endpoint {
        let subject = format!("permission of user '{user}' in virtual host '{vhost}'");
        Endpoint::new(&["permissions", vhost, user], subject)
            .see("user list and tubepost vhost list")
    }

    /// `GET`.
    pub(crate) fn topic_permissions(vhost: Option<&str>) -> Endpoint {
        Endpoint::of_vhost("topic-permissions", vhost, "topic permissions")
    }

    /// `PUT`, `DELETE` (all of that user there).
    pub(crate) fn topic_permission(vhost: &str, user: &str) -> Endpoint {
        let subject = format!("topic permissions of user '{user}' in virtual host '{vhost}'");
        Endpoint::new(&["topic-permissions", vhost, user], subject).see("permission topic list")
    }

    /// `GET`.
    pub(crate) fn policies(whose: Policies, vhost: Option<&str>) -> Endpoint {
        Endpoint::listed(whose.segment(), vhost, whose.plural())
    }

    /// `GET`, `PUT`, `DELETE`.
    pub(crate) fn policy(whose: Policies, vhost: &str, name: &str) -> Endpoint {
        let subject = format!("{} '{name}' in virtual host '{vhost}'", whose.singular());
        Endpoint::new(&[whose.segment(), vhost, name], subject).see("policy list")
    }

    /// `GET`.
    pub(crate) fn queues(vhost: Option<&str>) -> Endpoint {
        Endpoint::listed("queues", vhost, "queues")
    }

    /// `GET`, `PUT`, `DELETE`.
    pub(crate) fn queue(vhost: &str, name: &str) -> Endpoint {
        Endpoint::new(&["queues", vhost, name], queue_named(vhost, name)).see("queue list")
    }

    /// `DELETE`: its messages.
    pub(crate) fn queue_contents(vhost: &str, name: &str) -> Endpoint {
        let segments = ["queues", vhost, name, "contents"];
        Endpoint::new(&segments, queue_named(vhost, name)).see("queue list")
    }

    /// `POST`: messages from its head.
    pub(crate) fn queue_get(vhost: &str, name: &str) -> Endpoint {
        let segments = ["queues", vhost, name, "get"];
        Endpoint::new(&segments, queue_named(vhost, name)).see("queue list")
    }

    /// `GET`: what leads to it.
    pub(crate) fn queue_bindings(vhost: &str, name: &str) -> Endpoint {
        let subject = format!("bindings of {}", queue_named(vhost, name));
        Endpoint::new(&["queues", vhost, name, "bindings"], subject).see("queue list")
    }

    /// `GET`.
    pub(crate) fn exchanges(vhost: Option<&str>) -> Endpoint {
        Endpoint::listed("exchanges", vhost, "exchanges")
    }

    /// `GET`, `PUT`, `DELETE`.
    pub(crate) fn exchange(vhost: &str, name: &str) -> Endpoint {
        let segments = ["exchanges", vhost, exchange_segment(name)];
        Endpoint::new(&segments, exchange_named(vhost, name)).see("exchange list")
    }

    /// `GET`: what leads from it, or to it.
    pub(crate) fn exchange_bindings(vhost: &str, name: &str, end: &str) -> Endpoint {
        let segments = ["exchanges", vhost, exchange_segment(name), "bindings", end];
        let subject = format!("bindings of {}", exchange_named(vhost, name));
        Endpoint::new(&segments, subject).see("exchange list")
    }

    /// `GET`.
    pub(crate) fn bindings(vhost: Option<&str>) -> Endpoint {
        Endpoint::listed("bindings", vhost, "bindings")
    }

    /// `GET`: those between two; `POST`: one more.
    pub(crate) fn bindings_between(
        vhost: &str,
        source: &str,
        kind: Destination,
        destination: &str,
    ) -> Endpoint {
        let segments = between(vhost, source, kind, destination);
        Endpoint::new(&segments, binding_named(vhost, source, kind, destination))
            .see("exchange list and tubepost queue list")
    }

    /// `DELETE`: the one of this `properties_key`.
    pub(crate) fn binding(
        vhost: &str,
        source: &str,
        kind: Destination,
        destination: &str,
        properties_key: &str,
    ) -> Endpoint {
        let segments = [&between(vhost, source, kind, destination)[..], &[properties_key]].concat();
        Endpoint::new(&segments, binding_named(vhost, source, kind, destination))
            .see("binding list")
    }

    /// `GET`.
    pub(crate) fn connections(vhost: Option<&str>) -> Endpoint {
        Endpoint::of_vhost("connections", vhost, "connections")
    }

    /// `GET`, `DELETE` (closes it).
    pub(crate) fn connection(name: &str) -> Endpoint {
        Endpoint::new(&["connections", name], format!("connection '{name}'")).see("connection list")
    }

    /// `GET`.
    pub(crate) fn channels(vhost: Option<&str>) -> Endpoint {
        Endpoint::of_vhost("channels", vhost, "channels")
    }

    /// `GET`.
    pub(crate) fn channel(name: &str) -> Endpoint {
        Endpoint::new(&["channels", name], format!("channel '{name}'")).see("channel list")
    }

    /// `GET`.
    pub(crate) fn consumers(vhost: Option<&str>) -> Endpoint {
        Endpoint::listed("consumers", vhost, "consumers")
    }

    /// `GET`, `POST`.
    pub(crate) fn definitions(vhost: Option<&str>) -> Endpoint {
        let endpoint = match vhost {
            None => Endpoint::new(&["definitions"], "definitions"),
            Some(_) => Endpoint::listed("definitions", vhost, "definitions"),
        };
        Endpoint { patience: DEFINITIONS_PATIENCE, ..endpoint }
    }

    /// Asks for it only if the conditions hold, such as `if-empty`.
    pub(crate) fn only(mut self, conditions: &[&str]) -> Endpoint {
        for (index, condition) in conditions.iter().enumerate() {
            self.path.push(if index == 0 { '?' } else { '&' });
            self.path.push_str(condition);
            self.path.push_str("=true");
        }
        self
    }
}

impl Destination {
    /// As the API's objects have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Destination::Queue => "queue",
            Destination::Exchange => "exchange",
        }
    }

    fn segment(self) -> &'static str {
        match self {
            Destination::Queue => "q",
            Destination::Exchange => "e",
        }
    }
}

impl Policies {
    /// One of them.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Policies::Users => "policy",
            Policies::Operators => "operator policy",
        }
    }

    /// All of them.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Policies::Users => "policies",
            Policies::Operators => "operator policies",
        }
    }

    fn segment(self) -> &'static str {
        match self {
            Policies::Users => "policies",
            Policies::Operators => "operator-policies",
        }
    }
}

fn between<'a>(
    vhost: &'a str,
    source: &'a str,
    kind: Destination,
    destination: &'a str,
) -> [&'a str; 6] {
    let destination = match kind {
        Destination::Queue => destination,
        Destination::Exchange => exchange_segment(destination),
    };
    ["bindings", vhost, "e", exchange_segment(source), kind.segment(), destination]
}

/// The default exchange has no name, and a path has no empty segment.
fn exchange_segment(name: &str) -> &str {
    if name.is_empty() { "amq.default" } else { name }
}

fn queue_named(vhost: &str, name: &str) -> String {
    format!("queue '{name}' in virtual host '{vhost}'")
}

fn exchange_named(vhost: &str, name: &str) -> String {
    format!("exchange '{name}' in virtual host '{vhost}'")
}

fn binding_named(vhost: &str, source: &str, kind: Destination, destination: &str) -> String {
    let kind = kind.word();
    format!("binding of {kind} '{destination}' to exchange '{source}' in virtual host '{vhost}'")
}

// RFC 3986 §3.3. A segment of dots only would be taken for a way up.
fn encoded(segment: &str) -> String {
    match segment {
        "." | ".." => segment.replace('.', "%2E"),
        segment => utf8_percent_encode(segment, RESERVED).to_string(),
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
/// 100,000 queues take RabbitMQ minutes.
const DEFINITIONS_PATIENCE: Duration = Duration::from_secs(900);
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_whatever_is_in_it() {
        for (name, segment) in [
            ("jobs", "jobs"),
            ("a/b c", "a%2Fb%20c"),
            ("grüße", "gr%C3%BC%C3%9Fe"),
            ("a%2Fb", "a%252Fb"),
            ("?x=1&y#z", "%3Fx%3D1%26y%23z"),
            ("..", "%2E%2E"),
            ("a.b-c_d~e", "a.b-c_d~e"),
            ("\u{1f4ee}+;:@", "%F0%9F%93%AE%2B%3B%3A%40"),
        ] {
            assert_eq!(Endpoint::queue("/", name).path(), format!("queues/%2F/{segment}"));
        }
    }

    #[test]
    fn a_key_of_a_binding_is_encoded_once_more() {
        let endpoint = Endpoint::binding("/", "", Destination::Queue, "q", "a%2Fb~h");
        assert_eq!(endpoint.path(), "bindings/%2F/e/amq.default/q/q/a%252Fb~h");
        let endpoint = Endpoint::bindings_between("v", "x", Destination::Exchange, "y");
        assert_eq!(endpoint.path(), "bindings/v/e/x/e/y");
    }

    #[test]
    fn lists_are_of_all_virtual_hosts_or_of_one() {
        assert_eq!(Endpoint::queues(None).path(), "queues");
        assert_eq!(Endpoint::queues(Some("a/b")).path(), "queues/a%2Fb");
        assert_eq!(Endpoint::connections(Some("/")).path(), "vhosts/%2F/connections");
        assert_eq!(Endpoint::definitions(None).subject(), "definitions");
    }

    #[test]
    fn conditions_stand_in_the_query() {
        let endpoint = Endpoint::queue("/", "q?").only(&["if-empty", "if-unused"]);
        assert_eq!(endpoint.path(), "queues/%2F/q%3F?if-empty=true&if-unused=true");
        assert_eq!(Endpoint::queue("/", "q").only(&[]).path(), "queues/%2F/q");
    }
}
