//! Addresses to handlers: one table. A place, `{}`, takes any segment, an empty one too unless it
//! is the last: a queue's name may hold whatever it likes, percent-encoded.

use axum::http::Method;
use percent_encoding::percent_decode_str;

use crate::{
    answer::Outcome,
    api::{
        binding, channel, connection, consumer, definition, exchange, feature, health, message,
        node, overview, parameter, permission, policy, queue, topic_permission, user, vhost,
        vhost_limit,
    },
    call::Call,
    prometheus,
};

/// Does what is asked for. On a thread of its own: it may wait for the disk.
pub(crate) type Handler = fn(&Call) -> Outcome;

/// What an address and a method come to.
pub(crate) enum Found {
    /// This, with what stands in its places.
    Handler(Handler, Vec<String>),
    /// This, which on this machine needs no login.
    Open(Handler),
    /// The methods there are, for who asks for them.
    Options(String),
    /// Another method would do: one of these.
    Method(String),
    /// The pages are elsewhere.
    Elsewhere,
    /// Nothing.
    Nothing,
}

struct Route {
    pattern: &'static str,
    get: Option<Handler>,
    put: Option<Handler>,
    post: Option<Handler>,
    delete: Option<Handler>,
}

const fn at(pattern: &'static str) -> Route {
    Route { pattern, get: None, put: None, post: None, delete: None }
}

impl Route {
    const fn get(mut self, handler: Handler) -> Route {
        self.get = Some(handler);
        self
    }

    const fn put(mut self, handler: Handler) -> Route {
        self.put = Some(handler);
        self
    }

    const fn post(mut self, handler: Handler) -> Route {
        self.post = Some(handler);
        self
    }

    const fn delete(mut self, handler: Handler) -> Route {
        self.delete = Some(handler);
        self
    }

    fn handler(&self, method: &Method) -> Option<Handler> {
        match *method {
            Method::GET | Method::HEAD => self.get,
            Method::PUT => self.put,
            Method::POST => self.post,
            Method::DELETE => self.delete,
            _ => None,
        }
    }

    fn allowed(&self) -> String {
        let mut allowed = vec!["OPTIONS"];
        for (name, handler) in [
            ("HEAD, GET", self.get),
            ("PUT", self.put),
            ("POST", self.post),
            ("DELETE", self.delete),
        ] {
            allowed.extend(handler.map(|_| name));
        }
        allowed.join(", ")
    }
}

/// The first that fits counts.
static ROUTES: &[Route] = &[
    at("overview").get(overview::get),
    at("whoami").get(user::whoami),
    at("auth").get(feature::auth),
    at("auth/hash_password/{}").get(user::hash_password),
    at("auth/attempts/{}").get(feature::auth_attempts),
    at("auth/attempts/{}/source").get(feature::auth_attempts),
    at("cluster-name").get(overview::cluster_name).put(overview::set_cluster_name),
    at("extensions").get(feature::extensions),
    at("feature-flags").get(feature::flags),
    at("feature-flags/{}/enable").put(feature::enable_flag),
    at("deprecated-features").get(feature::none),
    at("deprecated-features/used").get(feature::none),
    at("nodes").get(node::list),
    at("nodes/{}").get(node::get),
    at("nodes/{}/memory").get(node::memory),
    at("nodes/{}/memory/ets").get(node::memory),
    at("definitions").get(definition::export).post(definition::import),
    at("definitions/{}").get(definition::export_vhost).post(definition::import_vhost),
    at("all-configuration").get(definition::export).post(definition::import),
    at("vhosts").get(vhost::list),
    at("vhosts/{}").get(vhost::get).put(vhost::put).delete(vhost::delete),
    at("vhosts/{}/permissions").get(permission::of_vhost),
    at("vhosts/{}/topic-permissions").get(topic_permission::of_vhost),
    at("vhosts/{}/connections").get(connection::of_vhost),
    at("vhosts/{}/channels").get(channel::of_vhost),
    at("vhosts/{}/start/{}").post(vhost::start),
    at("vhosts/{}/deletion/protection").post(vhost::protect).delete(vhost::unprotect),
    at("users").get(user::list),
    at("users/without-permissions").get(user::without_permissions),
    at("users/bulk-delete").post(user::bulk_delete),
    at("users/{}").get(user::get).put(user::put).delete(user::delete),
    at("users/{}/permissions").get(permission::of_user),
    at("users/{}/topic-permissions").get(topic_permission::of_user),
    at("permissions").get(permission::list),
    at("permissions/{}/{}").get(permission::get).put(permission::put).delete(permission::delete),
    at("topic-permissions").get(topic_permission::list),
    at("topic-permissions/{}/{}")
        .get(topic_permission::get)
        .put(topic_permission::put)
        .delete(topic_permission::delete),
    at("topic-permissions/{}/{}/{}").delete(topic_permission::delete),
    at("vhost-limits").get(vhost_limit::list),
    at("vhost-limits/{}").get(vhost_limit::list),
    at("vhost-limits/{}/{}").put(vhost_limit::put).delete(vhost_limit::delete),
    at("user-limits").get(user::limits),
    at("user-limits/{}").get(user::limits),
    at("user-limits/{}/{}").put(user::put_limit).delete(user::delete_limit),
    at("queues").get(queue::list),
    at("queues/detailed").get(queue::list_detailed),
    at("queues/{}").get(queue::list),
    at("queues/{}/{}").get(queue::get).put(queue::put).delete(queue::delete),
    at("queues/{}/{}/contents").delete(queue::purge),
    at("queues/{}/{}/get").post(message::get),
    at("queues/{}/{}/actions").post(queue::action),
    at("queues/{}/{}/bindings").get(binding::of_queue),
    at("rebalance/queues").post(queue::rebalance),
    at("exchanges").get(exchange::list),
    at("exchanges/{}").get(exchange::list),
    at("exchanges/{}/{}").get(exchange::get).put(exchange::put).delete(exchange::delete),
    at("exchanges/{}/{}/publish").post(message::publish),
    at("exchanges/{}/{}/bindings/source").get(binding::from_exchange),
    at("exchanges/{}/{}/bindings/destination").get(binding::to_exchange),
    at("bindings").get(binding::list),
    at("bindings/{}").get(binding::list),
    at("bindings/{}/e/{}/q/{}").get(binding::to_queue).post(binding::bind_queue),
    at("bindings/{}/e/{}/q/{}/{}").get(binding::get_queue).delete(binding::unbind_queue),
    at("bindings/{}/e/{}/e/{}").get(binding::between).post(binding::bind_exchange),
    at("bindings/{}/e/{}/e/{}/{}").get(binding::get_exchange).delete(binding::unbind_exchange),
    at("connections").get(connection::list),
    at("connections/username/{}").get(connection::of_user).delete(connection::delete_of_user),
    at("connections/{}").get(connection::get).delete(connection::delete),
    at("connections/{}/channels").get(channel::of_connection),
    at("channels").get(channel::list),
    at("channels/{}").get(channel::get),
    at("consumers").get(consumer::list),
    at("consumers/{}").get(consumer::list),
    at("policies").get(policy::list),
    at("policies/{}").get(policy::list),
    at("policies/{}/{}").get(policy::get).put(policy::put).delete(policy::delete),
    at("operator-policies").get(policy::list_operators),
    at("operator-policies/{}").get(policy::list_operators),
    at("operator-policies/{}/{}")
        .get(policy::get_operators)
        .put(policy::put_operators)
        .delete(policy::delete_operators),
    at("parameters").get(parameter::list),
    at("parameters/{}").get(parameter::list),
    at("parameters/{}/{}").get(parameter::list),
    at("parameters/{}/{}/{}").get(parameter::get).put(parameter::put).delete(parameter::delete),
    at("global-parameters").get(parameter::list_global),
    at("global-parameters/{}")
        .get(parameter::get_global)
        .put(parameter::put_global)
        .delete(parameter::delete_global),
    at("health/checks/alarms").get(health::alarms),
    at("health/checks/local-alarms").get(health::alarms),
    at("health/checks/certificate-expiration/{}/{}").get(health::certificates),
    at("health/checks/port-listener/{}").get(health::port),
    at("health/checks/protocol-listener/{}").get(health::protocol),
    at("health/checks/virtual-hosts").get(health::virtual_hosts),
    at("health/checks/node-is-mirror-sync-critical").get(health::single_node),
    at("health/checks/node-is-quorum-critical").get(health::single_node),
    at("health/checks/quorum-queues-without-elected-leaders/all-vhosts").get(health::fine),
    at("health/checks/quorum-queues-without-elected-leaders/vhost/{}").get(health::fine),
    at("health/checks/is-in-service").get(health::in_service),
    at("health/checks/ready-to-serve-clients").get(health::ready),
    at("health/checks/below-node-connection-limit").get(health::below_connection_limit),
    at("healthchecks/node").get(health::alarms),
    at("healthchecks/node/{}").get(health::alarms),
    at("aliveness-test/{}").get(health::aliveness),
    at("shovels").get(feature::none),
    at("shovels/{}").get(feature::none),
    at("federation-links").get(feature::none),
    at("federation-links/{}").get(feature::none),
    at("stream/connections").get(feature::none),
    at("stream/publishers").get(feature::none),
    at("stream/consumers").get(feature::none),
];

/// What an address and a method come to.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let Some(inner) = path.strip_prefix("/api/") else {
        return match (method, path.trim_end_matches('/')) {
            (&Method::GET | &Method::HEAD, "/metrics") => Found::Open(prometheus::aggregated),
            (&Method::GET | &Method::HEAD, "/metrics/per-object") => {
                Found::Open(prometheus::per_object)
            }
            (&Method::GET | &Method::HEAD, "/metrics/detailed") => {
                Found::Open(prometheus::detailed)
            }
            (_, "/metrics" | "/metrics/per-object" | "/metrics/detailed") => {
                Found::Method("OPTIONS, HEAD, GET".to_owned())
            }
            (&Method::GET | &Method::HEAD, "" | "/api") => Found::Elsewhere,
            _ => Found::Nothing,
        };
    };
    let segments: Vec<&str> = inner.strip_suffix('/').unwrap_or(inner).split('/').collect();
    for route in ROUTES {
        let Some(places) = fits(route.pattern, &segments) else { continue };
        if method == Method::OPTIONS {
            return Found::Options(route.allowed());
        }
        return match route.handler(method) {
            Some(handler) => Found::Handler(handler, places),
            None => Found::Method(route.allowed()),
        };
    }
    Found::Nothing
}

fn fits(pattern: &str, segments: &[&str]) -> Option<Vec<String>> {
    let pattern = pattern.trim_end_matches('/');
    let mut places = Vec::new();
    let mut wanted = pattern.split('/');
    for segment in segments {
        match wanted.next()? {
            "{}" => places.push(percent_decode_str(segment).decode_utf8().ok()?.into_owned()),
            word if word == *segment => {}
            _ => return None,
        }
    }
    wanted.next().is_none().then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(method: Method, path: &str) -> Option<Vec<String>> {
        match find(&method, path) {
            Found::Handler(_, places) => Some(places),
            _ => None,
        }
    }

    fn method(method: Method, path: &str) -> Option<String> {
        match find(&method, path) {
            Found::Method(allowed) => Some(allowed),
            _ => None,
        }
    }

    #[test]
    fn names_are_decoded_once_and_a_slash_in_one_is_no_step() {
        let get = |path: &str| places(Method::GET, path);
        assert_eq!(get("/api/queues/%2F/a%2Fb%25").unwrap(), ["/", "a/b%"]);
        assert_eq!(get("/api/queues/%2f").unwrap(), ["/"]);
        assert_eq!(get("/api/exchanges/v/").unwrap(), ["v"], "a list, as RabbitMQ has it");
        assert_eq!(get("/api/bindings/v/e//q/q").unwrap(), ["v", "", "q"]);
        assert_eq!(get("/api/queues/%ff"), None, "no text");
        assert!(matches!(find(&Method::GET, "/api/queues/a/b/c/d"), Found::Nothing));
        assert!(matches!(find(&Method::GET, "/elsewhere"), Found::Nothing));
        assert!(matches!(find(&Method::GET, "/"), Found::Elsewhere));
    }

    #[test]
    fn a_word_goes_before_a_name() {
        assert_eq!(places(Method::GET, "/api/users/without-permissions").unwrap().len(), 0);
        assert_eq!(places(Method::GET, "/api/users/ada").unwrap(), ["ada"]);
        assert_eq!(places(Method::GET, "/api/queues/detailed").unwrap().len(), 0);
    }

    #[test]
    fn another_method_is_told_which_there_are() {
        assert_eq!(method(Method::POST, "/api/overview").unwrap(), "OPTIONS, HEAD, GET");
        assert_eq!(
            method(Method::PATCH, "/api/users/a").unwrap(),
            "OPTIONS, HEAD, GET, PUT, DELETE"
        );
        assert_eq!(method(Method::DELETE, "/metrics").unwrap(), "OPTIONS, HEAD, GET");
        let Found::Options(allowed) = find(&Method::OPTIONS, "/api/queues/v/q/get") else {
            panic!("OPTIONS is answered");
        };
        assert_eq!(allowed, "OPTIONS, POST");
    }
}
