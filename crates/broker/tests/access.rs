//! Who may do what with what is in a virtual host: each operation needs the rights that RabbitMQ
//! wants for it, and no others.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use std::sync::Arc;

use broker::{
    Access, Arguments, BindingEnd, Broker, ConnectionId, Consumer, ConsumerRequest, Error,
    ExchangeDeclaration, ExchangeKind, Mailbox, Options, QueueDeclaration, Value,
    VirtualHostLimits, VirtualHostMetadata, Wake,
    authorize::{Identity, Permission, Tags},
    error::Kind,
    policy::{Policy, PolicyKind, QueueType},
};
use serde_json::json;

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

fn identity(name: &'static str) -> Identity {
    Identity { name: name.into(), tags: Tags::default(), default_access: false }
}

fn queue(name: &str, arguments: Arguments) -> QueueDeclaration {
    QueueDeclaration {
        name: name.into(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments,
    }
}

fn exchange(name: &str, kind: ExchangeKind, arguments: Arguments) -> ExchangeDeclaration {
    ExchangeDeclaration {
        name: name.into(),
        kind,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments,
    }
}

fn argument(name: &str, value: &str) -> Arguments {
    [(name.to_owned(), Value::Longstr(value.to_owned()))].into_iter().collect()
}

/// A broker with a queue `q`, topic exchanges `x` and `y`, and a user `u`.
struct Site {
    broker: Broker,
    me: ConnectionId,
    mailbox: Arc<Mailbox>,
}

impl Site {
    fn new() -> Site {
        let broker = Broker::in_memory(&Options::default());
        let me = broker.new_connection();
        let vhost = broker.vhost("/").unwrap();
        vhost.declare_queue(queue("q", Arguments::default()), me, false).unwrap();
        for name in ["x", "y"] {
            let declaration = exchange(name, ExchangeKind::Topic, Arguments::default());
            vhost.declare_exchange(declaration).unwrap();
        }
        Site { broker, me, mailbox: Mailbox::new(Nobody) }
    }

    fn allow(&self, configure: &str, write: &str, read: &str) -> Access {
        let permission = Permission::new(configure, write, read).unwrap();
        self.broker.set_permission("u", "/", permission).unwrap();
        self.broker.connect("/", identity("u")).unwrap()
    }

    fn consume(&self, access: &mut Access) -> Result<Arc<Consumer>, Error> {
        let request = ConsumerRequest {
            reading: Default::default(),
            priority: 0,
            channel: 1,
            tag: "t".into(),
            no_ack: false,
            exclusive: false,
            prefetch: 0,
            supply: broker::Supply::Prefetch,
            shared_limit: Default::default(),
            mailbox: self.mailbox.clone(),
        };
        access.consume("q", self.me, request)
    }
}

fn refused<T: std::fmt::Debug>(done: Result<T, Error>) -> String {
    let error = done.unwrap_err();
    assert_eq!(error.kind, Kind::AccessRefused, "{error}");
    error.text
}

#[test]
fn each_operation_needs_the_right_that_rabbitmq_wants_and_no_other() {
    type Operation = fn(&Site, &mut Access) -> Result<(), Error>;
    let operations: [(&str, [&str; 3], &str, Operation); 12] = [
        ("declare", ["^q$", "", ""], "configure access to queue 'q'", |site, access| {
            access.declare_queue(queue("q", Arguments::default()), site.me, false).map(drop)
        }),
        ("delete", ["^gone$", "", ""], "configure access to queue 'gone'", |site, access| {
            access.delete_queue("gone", site.me, false, false).map(drop)
        }),
        ("declare x", ["^x$", "", ""], "configure access to exchange 'x'", |_, access| {
            access.declare_exchange(exchange("x", ExchangeKind::Topic, Arguments::default()))
        }),
        ("delete x", ["^gone$", "", ""], "configure access to exchange 'gone'", |_, access| {
            access.delete_exchange(&"gone".into(), false)
        }),
        ("bind", ["", "^q$", "^x$"], "write access to queue 'q'", |site, access| {
            let to = BindingEnd::Queue("q");
            access.bind(&"x".into(), to, "k".into(), Arguments::default(), site.me)
        }),
        ("unbind", ["", "^q$", "^x$"], "write access to queue 'q'", |site, access| {
            let to = BindingEnd::Queue("q");
            access.unbind(&"x".into(), to, "k".into(), Arguments::default(), site.me)
        }),
        ("bind x to y", ["", "^y$", "^x$"], "write access to exchange 'y'", |site, access| {
            let to = BindingEnd::Exchange("y");
            access.bind(&"x".into(), to, "k".into(), Arguments::default(), site.me)
        }),
        ("unbind x from y", ["", "^y$", "^x$"], "write access to exchange 'y'", |site, access| {
            let to = BindingEnd::Exchange("y");
            access.unbind(&"x".into(), to, "k".into(), Arguments::default(), site.me)
        }),
        ("publish", ["", "^x$", ""], "write access to exchange 'x'", |_, access| {
            access.publish_to("x").and_then(|()| access.publish_with("x", "k"))
        }),
        (
            "publish to a queue",
            ["", r"^amq\.default$", ""],
            "write access to exchange 'amq.default'",
            |_, access| access.publish_to("").and_then(|()| access.publish_with("", "q")),
        ),
        ("get or purge", ["", "", "^q$"], "read access to queue 'q'", |site, access| {
            access.readable("q", site.me).map(drop)
        }),
        ("consume", ["", "", "^q$"], "read access to queue 'q'", |site, access| {
            site.consume(access).map(drop)
        }),
    ];
    for (name, [configure, write, read], first, operation) in operations {
        let site = Site::new();
        operation(&site, &mut site.allow(configure, write, read)).unwrap_or_else(|error| {
            panic!("{name} with the rights for it: {error}");
        });
        let others = |given: &str| if given.is_empty() { ".*" } else { "^another$" };
        let mut access = site.allow(others(configure), others(write), others(read));
        let said = refused(operation(&site, &mut access));
        assert_eq!(said, format!("{first} in vhost '/' refused for user 'u'"), "{name}");
        // One of two is not enough.
        if !write.is_empty() && !read.is_empty() {
            let said = refused(operation(&site, &mut site.allow(".*", write, "^another$")));
            assert_eq!(said, "read access to exchange 'x' in vhost '/' refused for user 'u'");
        }
    }
}

#[test]
fn where_letters_go_needs_more_rights_and_only_when_it_is_new() {
    let site = Site::new();
    let dead = || queue("new", argument("x-dead-letter-exchange", "x"));
    let other = || exchange("new", ExchangeKind::Fanout, argument("alternate-exchange", "x"));
    for (write, read, first) in
        [("^x$", "^other$", "read access to"), ("^other$", "^new$", "write access to exchange 'x'")]
    {
        let mut access = site.allow("^new$", write, read);
        assert!(refused(access.declare_queue(dead(), site.me, false)).starts_with(first));
        assert!(refused(access.declare_exchange(other())).starts_with(first));
    }
    let mut access = site.allow("^new$", "^x$", "^new$");
    access.declare_queue(dead(), site.me, false).unwrap();
    access.declare_exchange(other()).unwrap();
    let mut access = site.allow("^new$", "", "");
    access.declare_queue(dead(), site.me, false).unwrap();
    access.declare_exchange(other()).unwrap();
}

#[test]
fn the_default_and_the_system_exchanges_are_nobodys_to_declare_or_delete() {
    let site = Site::new();
    let mut access = site.allow("", "", "");
    let default = exchange("", ExchangeKind::Direct, Arguments::default());
    let said = "operation not permitted on the default exchange";
    assert_eq!(refused(access.declare_exchange(default)), said);
    assert_eq!(refused(access.delete_exchange(&"".into(), false)), said);
    let said = refused(access.delete_exchange(&"amq.topic".into(), false));
    assert_eq!(said, "deletion of system exchange 'amq.topic' in vhost '/' not allowed");
}

#[test]
fn a_limit_of_topics_is_for_topic_exchanges_and_their_keys() {
    let site = Site::new();
    let broker = &site.broker;
    broker.set_topic_permission("u", "/", "x", "^{username}\\.", "^news\\.").unwrap();
    broker.set_topic_permission("u", "/", "amq.fanout", "^never$", "^never$").unwrap();
    let mut access = site.allow(".*", ".*", ".*");
    assert!(access.publish_with("x", "u.a").is_ok());
    let said = refused(access.publish_with("x", "v.a"));
    assert_eq!(
        said,
        "write access to topic 'v.a' in exchange 'x' in vhost '/' refused for user 'u'"
    );
    assert!(access.publish_with("y", "v.a").is_ok(), "another exchange");
    assert!(access.publish_with("amq.fanout", "v.a").is_ok(), "one that has no topics");
    let mut bind = |key: &str| {
        let to = BindingEnd::Queue("q");
        access.bind(&"x".into(), to, key.into(), Arguments::default(), site.me)
    };
    assert!(bind("news.a").is_ok());
    let said = refused(bind("u.a"));
    assert_eq!(
        said,
        "read access to topic 'u.a' in exchange 'x' in vhost '/' refused for user 'u'"
    );
    // It ends for who is connected, too.
    assert!(broker.clear_topic_permission("u", "/", Some("x")).unwrap());
    assert!(access.publish_with("x", "v.a").is_ok());
    broker.set_topic_permission("u", "/", "x", "^$", "").unwrap();
    assert!(access.publish_with("x", "u.a").is_err());
    let wrong = broker.set_topic_permission("u", "/", "x", "(", "").unwrap_err();
    assert_eq!(wrong.kind, Kind::PreconditionFailed);
}

#[test]
fn who_may_come_in_and_how_many() {
    let site = Site::new();
    let broker = &site.broker;
    let come = |vhost: &str| broker.connect(vhost, identity("u")).map_err(|error| error.text);
    assert_eq!(come("/").unwrap_err(), "access to vhost '/' refused for user 'u'");
    assert_eq!(come("v").unwrap_err(), "vhost v not found");
    broker.create_vhost("v", VirtualHostMetadata::default()).unwrap();
    assert_eq!(come("v").unwrap_err(), "access to vhost 'v' refused for user 'u'");
    broker.set_permission("u", "v", Permission::full().clone()).unwrap();
    let limits = VirtualHostLimits { max_connections: Some(2), max_queues: None };
    broker.set_vhost_limits("v", limits).unwrap();
    let (one, two) = (come("v").unwrap(), come("v").unwrap());
    let full = "access to vhost 'v' refused for user 'u': connection limit (2) is reached";
    assert_eq!(come("v").unwrap_err(), full);
    assert_eq!(broker.vhost("v").unwrap().connections(), 2);
    assert!(broker.access("v", identity("u")).is_ok(), "a request is no connection");
    drop(one);
    drop(come("v").unwrap());
    let left = broker.vhost("v").unwrap().connections();
    drop(two);
    assert_eq!((left, broker.vhost("v").unwrap().connections()), (1, 0));
    let nobody = identity("nobody");
    assert!(broker.connect("v", nobody).is_err());
    assert_eq!(broker.vhost("v").unwrap().connections(), 0, "who is refused takes no place");
}

#[test]
fn queues_are_limited_by_their_virtual_host_and_have_its_type() {
    let site = Site::new();
    let (broker, me) = (&site.broker, site.me);
    let metadata = VirtualHostMetadata {
        default_queue_type: Some(QueueType::Quorum),
        ..VirtualHostMetadata::default()
    };
    broker.create_vhost("v", metadata).unwrap();
    let vhost = broker.vhost("v").unwrap();
    let limits = VirtualHostLimits { max_connections: None, max_queues: Some(2) };
    broker.set_vhost_limits("v", limits).unwrap();
    let declare = |declaration| vhost.declare_queue(declaration, me, false);
    declare(queue("durable", Arguments::default())).unwrap();
    let passing = QueueDeclaration { durable: false, ..queue("passing", Arguments::default()) };
    declare(passing.clone()).unwrap();
    let full = declare(queue("third", Arguments::default())).unwrap_err();
    assert_eq!(full.text, "cannot declare queue 'third': queue limit in vhost 'v' (2) is reached");
    declare(queue("durable", Arguments::default())).unwrap();
    let types: Vec<Option<Value>> = ["durable", "passing"]
        .into_iter()
        .map(|name| {
            let queue = vhost.queue(name, me).unwrap();
            queue.declaration().arguments.get("x-queue-type").cloned()
        })
        .collect();
    assert_eq!(types, [Some(Value::Longstr("quorum".to_owned())), None]);
    vhost.delete_queue("passing", me, false, false).unwrap();
    declare(queue("third", argument("x-queue-type", "classic"))).unwrap();
    declare(queue("third", argument("x-queue-type", "quorum"))).unwrap_err();
}

#[test]
fn no_type_is_the_classic_one_and_what_cannot_be_is_refused() {
    let site = Site::new();
    let vhost = site.broker.vhost("/").unwrap();
    let declare = |declaration| vhost.declare_queue(declaration, site.me, false).map(drop);
    declare(queue("q", argument("x-queue-type", "classic"))).unwrap();
    let said = declare(queue("q", argument("x-queue-type", "quorum"))).unwrap_err().text;
    assert_eq!(
        said,
        "inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received the value 'quorum' \
         of type 'longstr' but current is none"
    );
    let said = declare(queue("n", argument("x-overflow", "explode"))).unwrap_err().text;
    assert_eq!(said, "invalid arg 'x-overflow' for queue 'n' in vhost '/': invalid_overflow");
    let exclusive =
        QueueDeclaration { exclusive: true, ..queue("n", argument("x-queue-type", "quorum")) };
    let said = declare(exclusive).unwrap_err().text;
    assert_eq!(said, "invalid property 'exclusive-owner' for queue 'n' in vhost '/'");
    let named = queue("amq.gen-1", argument("x-queue-type", "quorum"));
    let said = vhost.declare_queue(named, site.me, true).unwrap_err().text;
    assert_eq!(said, "Cannot declare a server-named queue for type rabbit_quorum_queue");
    assert!(!vhost.has_queue("n") && !vhost.has_queue("amq.gen-1"));
}

#[test]
fn what_was_in_a_deleted_virtual_host_is_gone_for_who_still_has_it() {
    let site = Site::new();
    let (broker, me) = (&site.broker, site.me);
    broker.create_vhost("v", VirtualHostMetadata::default()).unwrap();
    broker.set_permission("u", "v", Permission::full().clone()).unwrap();
    let body = json!({"pattern": "", "definition": {"max-length-bytes": 5}});
    broker.set_policy(Policy::parse(PolicyKind::User, "v", "p", &body).unwrap()).unwrap();
    let mut access = broker.connect("v", identity("u")).unwrap();
    access.declare_queue(queue("q", Arguments::default()), me, false).unwrap();
    let _consumer = site.consume(&mut access).unwrap();
    let generation = broker.authority().generation();
    broker.delete_vhost("v").unwrap();
    assert_ne!(broker.authority().generation(), generation, "connections are told");
    let mut letters = Vec::new();
    site.mailbox.drain(&mut letters);
    assert!(matches!(&letters[..], [broker::Letter::Cancelled { .. }]), "{letters:?}");
    let late = access.vhost().declare_queue(queue("q", Arguments::default()), me, false);
    assert_eq!(late.unwrap_err().text, "vhost v not found");
    assert!(access.declare_queue(queue("q", Arguments::default()), me, false).is_err());
    // Its name begins anew.
    broker.create_vhost("v", VirtualHostMetadata::default()).unwrap();
    assert!(broker.connect("v", identity("u")).is_err());
    assert_eq!(broker.policies().iter().count(), 0);
    assert!(!broker.vhost("v").unwrap().has_queue("q"));
}

#[test]
fn a_policy_counts_for_what_is_there_and_for_what_comes() {
    let site = Site::new();
    let (broker, me) = (&site.broker, site.me);
    let vhost = broker.vhost("/").unwrap();
    let limit = |name: &str| vhost.effective_of(&vhost.queue(name, me).unwrap()).max_length_bytes;
    let set = |kind, name: &str, body: serde_json::Value| {
        broker.set_policy(Policy::parse(kind, "/", name, &body).unwrap()).unwrap()
    };
    let body = json!({"pattern": "^q", "definition": {"max-length-bytes": 50}});
    assert!(!set(PolicyKind::User, "p", body.clone()));
    assert!(set(PolicyKind::User, "p", body), "it is there already");
    vhost.declare_queue(queue("q2", Arguments::default()), me, false).unwrap();
    assert_eq!((limit("q"), limit("q2")), (Some(50), Some(50)));
    let body = json!({"pattern": "2$", "definition": {"max-length-bytes": 9}});
    set(PolicyKind::Operator, "o", body);
    assert_eq!((limit("q"), limit("q2")), (Some(50), Some(9)));
    assert!(broker.clear_policy(PolicyKind::User, "/", "p").unwrap());
    assert!(!broker.clear_policy(PolicyKind::User, "/", "p").unwrap());
    assert_eq!((limit("q"), limit("q2")), (None, Some(9)));
    let body = json!({"pattern": "^x$", "apply-to": "exchanges",
                      "definition": {"alternate-exchange": "y"}});
    set(PolicyKind::User, "ae", body);
    let alternate = |name: &str| vhost.effective_of_exchange(name).unwrap().alternate_exchange;
    assert_eq!((alternate("x").as_deref(), alternate("y")), (Some("y"), None));
    let nowhere = Policy::parse(
        PolicyKind::User,
        "nowhere",
        "p",
        &json!({"pattern": "", "definition": {"expires": 1}}),
    );
    assert_eq!(broker.set_policy(nowhere.unwrap()).unwrap_err().kind, Kind::NotFound);
}

#[test]
fn what_is_said_of_a_user_in_a_virtual_host_that_is_not_there_is_refused() {
    let site = Site::new();
    let full = Permission::full().clone();
    let broker = &site.broker;
    for refused in [
        broker.set_permission("u", "v", full).unwrap_err(),
        broker.clear_permission("u", "v").unwrap_err(),
        broker.set_topic_permission("u", "v", "x", "", "").unwrap_err(),
        broker.clear_topic_permission("u", "v", None).unwrap_err(),
        broker.clear_policy(PolicyKind::User, "v", "p").unwrap_err(),
        broker.set_vhost_limits("v", VirtualHostLimits::default()).unwrap_err(),
    ] {
        assert_eq!(refused.kind, Kind::NotFound);
        assert!(refused.text.contains("virtual host 'v'"), "{refused}");
    }
}
