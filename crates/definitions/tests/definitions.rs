//! Documents as RabbitMQ exports them, in and out.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use auth::{Peer, Secret, Users};
use broker::{
    Arguments, Broker, Options, Value, VirtualHostLimits,
    authorize::{Action, Identity, Resource, Tags},
    policy::{PolicyKind, QueueType},
};
use definitions::{Definitions, Error};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// As `rabbitmqctl export_definitions` of RabbitMQ 4.1 writes it; the password of `ada` is
/// `test12`, the one that RabbitMQ's documentation computes.
const EXPORTED: &str = include_str!("exported.json");

struct Site {
    broker: Broker,
    users: Users,
    _directory: TempDir,
}

fn site() -> Site {
    let directory = tempfile::tempdir().unwrap();
    let users = Users::open(directory.path().join("users.json")).unwrap();
    Site { broker: Broker::in_memory(&Options::default()), users, _directory: directory }
}

fn import(site: &Site, text: &str) -> Result<definitions::Imported, Error> {
    Definitions::parse(text)?.import(&site.broker, &site.users)
}

#[test]
fn what_rabbitmq_exported_is_there_afterwards() {
    let site = site();
    let imported = import(&site, EXPORTED).unwrap();
    let counts = [
        imported.vhosts,
        imported.users.created,
        imported.permissions,
        imported.topic_permissions,
        imported.policies,
        imported.exchanges,
        imported.queues,
        imported.bindings,
    ];
    assert_eq!(counts, [2, 2, 3, 1, 3, 2, 3, 3]);
    let notes = imported.notes.join("\n");
    for passed_over in ["user 'guest'", "'up' of 'federation-upstream'"] {
        assert!(notes.contains(passed_over), "{passed_over} in {notes}");
    }
    assert!(!notes.contains("cluster"), "nobody misses that: {notes}");
    let kept: Vec<String> = site.broker.global_parameters().keys().cloned().collect();
    assert!(kept.len() == 1 && kept[0].starts_with("mqtt_port_to_vhost"), "{kept:?}");

    let ci = site.broker.vhost("ci").unwrap();
    assert_eq!(ci.metadata().description, "Builds");
    assert_eq!(ci.metadata().default_queue_type, Some(QueueType::Quorum));
    assert_eq!(ci.limits(), VirtualHostLimits { max_connections: None, max_queues: Some(100) });
    let me = site.broker.new_connection();
    let jobs = ci.queue("jobs", me).unwrap();
    let arguments: Arguments = [
        ("x-message-ttl".to_owned(), Value::Long(60_000)),
        ("x-queue-type".to_owned(), Value::Longstr("classic".to_owned())),
    ]
    .into_iter()
    .collect();
    assert!(jobs.declaration().arguments.is_equivalent(&arguments));
    assert_eq!(ci.effective_of(&jobs).message_ttl, Some(30_000), "the policy's, which is less");
    assert_eq!(ci.effective_of(&jobs).max_length, Some(1000), "the operator policy's");
    let bindings: Vec<String> = site
        .broker
        .vhosts()
        .iter()
        .flat_map(|it| it.bindings())
        .map(|(source, binding)| format!("{source} {} {:?}", binding.key, binding.destination))
        .collect();
    assert_eq!(bindings.len(), 3, "{bindings:?}");

    let ada = site.users.verify("ada", &Secret::new("test12"), Peer::Remote).unwrap();
    let who = Identity {
        name: ada.name.as_str().into(),
        tags: Tags::of(ada.tags.iter()),
        default_access: ada.default_access,
    };
    let permissions = site.broker.permissions();
    let may = |action, resource| permissions.authorize(&who, action, &resource).is_ok();
    assert!(may(Action::Read, Resource::Queue { vhost: "ci", name: "jobs" }));
    assert!(!may(Action::Configure, Resource::Queue { vhost: "ci", name: "jobs" }));
    let topic = |key| Resource::Topic { vhost: "ci", exchange: "events", key, client_id: None };
    assert!(may(Action::WriteTopic, topic("ada.x")) && !may(Action::WriteTopic, topic("bob.x")));
    assert!(site.users.vouched("builder").is_ok(), "a user without a password");
    let guest = site.users.verify("guest", &Secret::new("guest"), Peer::Remote);
    assert!(guest.is_err(), "the guest of every RabbitMQ does not come in from everywhere");
}

#[test]
fn an_export_is_a_document_that_makes_the_same() {
    let (from, to) = (site(), site());
    import(&from, EXPORTED).unwrap();
    let exported = Definitions::export(&from.broker, &from.users);
    let text = serde_json::to_string_pretty(&exported).unwrap();
    let again = import(&to, &text).unwrap();
    assert_eq!(again.notes, [""; 0]);
    assert_eq!(Definitions::export(&to.broker, &to.users), exported);
    // Once more changes nothing.
    let (users, permissions) = (to.users.generation(), to.broker.authority().generation());
    import(&to, &text).unwrap();
    assert_eq!((to.users.generation(), to.broker.authority().generation()), (users, permissions));
    assert_eq!(Definitions::export(&to.broker, &to.users), exported);
}

#[test]
fn it_is_written_in_rabbitmqs_shape() {
    let site = site();
    import(&site, EXPORTED).unwrap();
    let written = serde_json::to_value(Definitions::export(&site.broker, &site.users)).unwrap();
    let original: Json = serde_json::from_str(EXPORTED).unwrap();
    for key in ["permissions", "topic_permissions", "policies", "exchanges", "bindings"] {
        let sorted = |document: &Json| {
            let mut items = document[key].as_array().unwrap().clone();
            items.sort_by_key(|it| {
                it["name"].to_string()
                    + &it["user"].to_string()
                    + &it["vhost"].to_string()
                    + &it["destination"].to_string()
            });
            items
        };
        assert_eq!(sorted(&written), sorted(&original), "{key}");
    }
    let of = |list: &Json, name: &str| {
        let items = list.as_array().unwrap();
        items.iter().find(|it| it["name"] == name).unwrap().clone()
    };
    for name in ["jobs", "builds"] {
        assert_eq!(of(&written["queues"], name), of(&original["queues"], name), "{name}");
    }
    let ada = of(&written["users"], "ada");
    assert_eq!(ada["password_hash"], of(&original["users"], "ada")["password_hash"]);
    assert_eq!(of(&written["vhosts"], "ci")["metadata"], of(&original["vhosts"], "ci")["metadata"]);
    let parameters = written["parameters"].as_array().unwrap();
    let limits = json!({"component": "vhost-limits", "vhost": "ci", "name": "limits",
                        "value": {"max-queues": 100}});
    assert!(parameters.contains(&limits), "{parameters:?}");
    assert!(parameters.contains(&of(&original["parameters"], "lid")), "{parameters:?}");
}

#[test]
fn one_virtual_host_goes_into_another() {
    let site = site();
    import(&site, EXPORTED).unwrap();
    let ci = site.broker.vhost("ci").unwrap();
    let text = serde_json::to_string(&Definitions::export_vhost(&site.broker, &ci)).unwrap();
    assert!(!text.contains("\"vhost\":") && !text.contains("password_hash"), "{text}");
    site.broker.create_vhost("copy", Default::default()).unwrap();
    let definitions = Definitions::parse(&text).unwrap();
    let Error::Invalid(faults) = definitions.import(&site.broker, &site.users).unwrap_err() else {
        panic!("things of no virtual host were taken");
    };
    assert!(faults[0].reason.contains("names no virtual host"), "{faults:?}");
    definitions.of_vhost("copy").import(&site.broker, &site.users).unwrap();
    let copy = site.broker.vhost("copy").unwrap();
    assert!(copy.has_queue("jobs"));
    assert_eq!(copy.limits(), ci.limits());
    assert!(site.broker.policies().get(PolicyKind::Operator, "copy", "lid").is_some());
}

#[test]
fn nothing_is_done_when_anything_cannot_be_and_all_of_it_is_said() {
    let site = site();
    let before = Definitions::export(&site.broker, &site.users);
    let wrong = json!({
        "vhosts": [{"name": "v"}, {"name": ""}, {"name": "w", "metadata": {"default_queue_type": "x"}}],
        "users": [{"name": "ada", "password_hash": "", "tags": []}],
        "permissions": [
            {"user": "ada", "vhost": "nowhere", "configure": "", "write": "", "read": ""},
            {"user": "nobody", "vhost": "v", "configure": "", "write": "", "read": ""},
            {"user": "ada", "vhost": "v", "configure": "(", "write": "", "read": ""}
        ],
        "policies": [{"name": "p", "vhost": "v", "pattern": "", "definition": {"max-length": -1}}],
        "parameters": [{"component": "vhost-limits", "vhost": "v", "name": "limits", "value": {"max-queues": "many"}}],
        "exchanges": [{"name": "x", "vhost": "v", "type": "triangle"},
                      {"name": "amq.new", "vhost": "v", "type": "direct"}],
        "queues": [{"name": "q", "vhost": "v", "durable": true, "arguments": {"x-max-length": -1}},
                   {"name": "", "vhost": "v"}],
        "bindings": [{"source": "amq.topic", "vhost": "v", "destination": "gone", "destination_type": "queue"},
                     {"source": "gone", "vhost": "v", "destination": "q", "destination_type": "queue"},
                     {"source": "amq.headers", "vhost": "v", "destination": "amq.topic",
                      "destination_type": "exchange", "arguments": {"x-match": "some"}}]
    });
    let error = import(&site, &wrong.to_string()).unwrap_err();
    let Error::Invalid(faults) = &error else { panic!("{error}") };
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    for (at, expected) in [
        "vhosts[1] '': virtual host name '' is empty",
        "vhosts[2] 'w': unsupported queue type 'x'",
        "permissions[0] of user 'ada': there is no virtual host 'nowhere', here or in the document",
        "permissions[1] of user 'nobody': there is no user 'nobody', here or in the document",
        "permissions[2] of user 'ada': ",
        "parameters[0] 'limits' of vhost-limits: max-queues should be a number",
        "policies[0] 'p': Validation failed\n\n-1 is not a valid maximum length",
        "exchanges[0] 'x': unknown exchange type 'triangle'",
        "exchanges[1] 'amq.new': exchange name 'amq.new' contains reserved prefix",
        "queues[0] 'q': invalid arg 'x-max-length' for queue 'q' in vhost 'v': {value_negative,-1}",
        "queues[1] '': a queue without a name",
        "bindings[0] from 'amq.topic' to 'gone': no queue 'gone' in vhost 'v'",
        "bindings[1] from 'gone' to 'q': no exchange 'gone' in vhost 'v'",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(said[at].starts_with(expected), "{at}: {} and not {expected}", said[at]);
    }
    assert!(
        said[13].starts_with("bindings[2] from 'amq.headers' to 'amq.topic': "),
        "{}",
        said[13]
    );
    assert_eq!(said.len(), 14);
    assert_eq!(Definitions::export(&site.broker, &site.users), before);
    // A user that cannot be is found by the users, before anything else is done.
    let wrong = json!({"vhosts": [{"name": "v"}], "users": [
        {"name": "ada", "password_hash": "AAAA", "hashing_algorithm": "rabbit_password_hashing_md5"}
    ]});
    assert!(matches!(import(&site, &wrong.to_string()), Err(Error::Users(_))));
    assert_eq!(Definitions::export(&site.broker, &site.users), before);
}

#[test]
fn what_is_there_stays_as_it_is_with_a_note() {
    let site = site();
    let document = |durable: bool| {
        json!({"queues": [{"name": "q", "vhost": "/", "durable": durable}],
               "exchanges": [{"name": "x", "vhost": "/", "type": "direct", "durable": durable},
                             {"name": "amq.topic", "vhost": "/", "type": "topic", "durable": true}]})
        .to_string()
    };
    assert_eq!(import(&site, &document(true)).unwrap().notes, [""; 0]);
    let notes = import(&site, &document(false)).unwrap().notes;
    assert_eq!(
        notes,
        [
            "exchange 'x' in vhost '/' stays as it is: inequivalent arg 'durable' for exchange 'x' \
             in vhost '/': received 'false' but current is 'true'",
            "queue 'q' in vhost '/' stays as it is: inequivalent arg 'durable' for queue 'q' in \
             vhost '/': received 'false' but current is 'true'",
        ]
    );
}

#[test]
fn what_is_no_document_is_said_with_the_place() {
    for (text, expected) in [
        ("{", "the document"),
        (r#"{"queues": [{"name": "q"}, {"name": 5}]}"#, "queues[1].name"),
        (
            r#"{"bindings": [{"source": "x", "destination": "q", "destination_type": "tube"}]}"#,
            "bindings[0].destination_type",
        ),
        ("{} {}", "its end"),
    ] {
        let said = Definitions::parse(text).unwrap_err().to_string();
        assert!(said.contains(&format!("at {expected}: ")), "{said}");
        assert!(said.ends_with("nothing was imported"), "{said}");
    }
}

#[test]
fn global_parameters_come_back_but_for_those_that_name_a_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let users = auth::Users::open(directory.path().join("users.json")).unwrap();
    let broker = broker::Broker::in_memory(&broker::Options::default());
    let text = r#"{"global_parameters": [{"name": "a", "value": {"b": 1}},
        {"name": "cluster_name", "value": "other"}]}"#;
    Definitions::parse(text).unwrap().import(&broker, &users).unwrap();
    let exported = Definitions::export(&broker, &users).global_parameters;
    assert_eq!((exported.len(), &*exported[0].name), (1, "a"));
    assert_eq!(exported[0].value, serde_json::json!({"b": 1}));
}
