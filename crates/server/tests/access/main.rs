//! Rights over the wire: who is refused is told in RabbitMQ's words, and a right that is taken back
//! while somebody is connected is gone within a second.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod client;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use amqp091::{
    ChannelId, Method,
    method::{basic, exchange, queue},
};
use auth::{Credential, NewUser, Secret, Tags, Users};
use broker::{Broker, Options, VirtualHostLimits, VirtualHostMetadata, authorize::Permission};
use client::{Client, Closed, short};
use server::{Config, Limits, Listener, Server};
use tempfile::TempDir;

/// What the issue promises.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A server with the users `ada` and `bob`, who may do nothing yet.
struct Site {
    runtime: tokio::runtime::Runtime,
    server: Option<Server>,
    broker: Arc<Broker>,
    users: Arc<Users>,
    address: SocketAddr,
    directory: TempDir,
}

impl Site {
    fn new() -> Site {
        let directory = tempfile::tempdir().unwrap();
        let users = Arc::new(Users::open(directory.path().join("users.json")).unwrap());
        let broker = Arc::new(Broker::in_memory(&Options::default()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = {
            let _entered = runtime.enter();
            let config = Config { limits: Limits::default(), cluster_name: "test".to_owned() };
            let listeners = vec![Listener::Plain(listener)];
            Server::start(config, broker.clone(), users.clone(), listeners).unwrap()
        };
        let site = Site { runtime, server: Some(server), broker, users, address, directory };
        site.create("ada", "");
        site.create("bob", "");
        site
    }

    fn create(&self, name: &str, tags: &str) {
        let new = NewUser {
            credential: Credential::Password(Secret::new("secret")),
            tags: Tags::parse(tags).unwrap(),
            default_access: false,
        };
        self.users.create(name, &new).unwrap();
    }

    fn allow(&self, user: &str, configure: &str, write: &str, read: &str) {
        let permission = Permission::new(configure, write, read).unwrap();
        self.broker.set_permission(user, "/", permission).unwrap();
    }

    fn open(&self, user: &str, vhost: &str) -> Result<Client, Closed> {
        Client::open(self.address, user, "secret", vhost)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop(Duration::from_secs(5)));
        }
    }
}

fn refused(text: &str) -> Closed {
    (403, format!("ACCESS_REFUSED - {text}"))
}

#[test]
fn a_virtual_host_is_open_to_those_with_a_permission_there() {
    let site = Site::new();
    let closed = |vhost: &str| site.open("ada", vhost).err().unwrap();
    let text = "NOT_ALLOWED - access to vhost '/' refused for user 'ada'";
    assert_eq!(closed("/"), (530, text.to_owned()));
    assert_eq!(closed("v"), (530, "NOT_ALLOWED - vhost v not found".to_owned()));
    site.broker.create_vhost("v", VirtualHostMetadata::default()).unwrap();
    let text = "NOT_ALLOWED - access to vhost 'v' refused for user 'ada'";
    assert_eq!(closed("v"), (530, text.to_owned()));
    site.broker.set_permission("ada", "v", Permission::full().clone()).unwrap();
    let limits = VirtualHostLimits { max_connections: Some(1), max_queues: Some(1) };
    site.broker.set_vhost_limits("v", limits).unwrap();
    let mut ada = site.open("ada", "v").ok().unwrap();
    let text = "NOT_ALLOWED - access to vhost 'v' refused for user 'ada': connection limit (1) is \
                reached";
    assert_eq!(closed("v"), (530, text.to_owned()));
    ada.declare("one").unwrap();
    let text = "PRECONDITION_FAILED - cannot declare queue 'two': queue limit in vhost 'v' (1) is \
                reached";
    assert_eq!(ada.declare("two"), Err((406, text.to_owned())));
    ada.send(ChannelId::CONNECTION, &amqp091::method::connection::Close::default());
    assert!(matches!(ada.method(), Method::ConnectionCloseOk(_)));
    let opened = until(|| site.open("ada", "v").ok());
    drop(opened);
}

#[test]
fn who_may_do_nothing_is_refused_everything_in_rabbitmqs_words() {
    let site = Site::new();
    let vhost = site.broker.vhost("/").unwrap();
    site.allow("bob", ".*", ".*", ".*");
    site.open("bob", "/").ok().unwrap().declare("q").unwrap();
    site.allow("ada", "^$", "^$", "^$");
    let mut ada = site.open("ada", "/").ok().unwrap();
    let of_queue = |right: &str| {
        Err(refused(&format!("{right} access to queue 'q' in vhost '/' refused for user 'ada'")))
    };
    let of_exchange = |right: &str, name: &str| {
        Err(refused(&format!(
            "{right} access to exchange '{name}' in vhost '/' refused for user 'ada'"
        )))
    };
    let (q, x) = (short("q"), short("x"));
    assert_eq!(ada.declare("q"), of_queue("configure"));
    let delete = queue::Delete { queue: q.clone(), ..Default::default() };
    assert_eq!(ada.ask(&delete), of_queue("configure"));
    let purge = queue::Purge { queue: q.clone(), ..Default::default() };
    assert_eq!(ada.ask(&purge), of_queue("read"));
    let get = basic::Get { queue: q.clone(), ..Default::default() };
    assert_eq!(ada.ask(&get), of_queue("read"));
    assert_eq!(
        ada.consume("q").map(|_| Method::BasicRecover(Default::default())),
        of_queue("read")
    );
    let exchange = short("amq.topic");
    let bind = queue::Bind { queue: q.clone(), exchange: exchange.clone(), ..Default::default() };
    assert_eq!(ada.ask(&bind), of_queue("write"));
    let unbind = queue::Unbind { queue: q.clone(), exchange, ..Default::default() };
    assert_eq!(ada.ask(&unbind), of_queue("write"));
    let kind = short("direct");
    let declare = exchange::Declare { exchange: x.clone(), kind, ..Default::default() };
    assert_eq!(ada.ask(&declare), of_exchange("configure", "x"));
    let delete = exchange::Delete { exchange: x, ..Default::default() };
    assert_eq!(ada.ask(&delete), of_exchange("configure", "x"));
    ada.publish("", "q", None);
    assert_eq!(
        ada.taken().map(|()| Method::BasicRecover(Default::default())),
        of_exchange("write", "amq.default")
    );
    // RabbitMQ before 4.3: to look whether something is there, it is enough to be in.
    let passive = queue::Declare { queue: q, passive: true, ..Default::default() };
    assert!(matches!(ada.ask(&passive), Ok(Method::QueueDeclareOk(it)) if it.message_count == 0));
    assert!(vhost.has_queue("q"), "nothing happened");
}

#[test]
fn another_users_name_is_for_impersonators() {
    let site = Site::new();
    site.allow("ada", "", ".*", "");
    let mut ada = site.open("ada", "/").ok().unwrap();
    ada.publish("", "q", Some("ada"));
    ada.taken().unwrap();
    ada.publish("", "q", Some("bob"));
    let text = "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was \
                'ada'";
    assert_eq!(ada.taken(), Err((406, text.to_owned())));
    site.users.set_tags("ada", Tags::parse("impersonator").unwrap()).unwrap();
    until(|| {
        ada.publish("", "q", Some("bob"));
        ada.taken().ok()
    });
}

#[test]
fn a_right_that_is_taken_back_is_refused_at_the_next_operation() {
    let site = Site::new();
    site.allow("ada", ".*", ".*", ".*");
    let mut ada = site.open("ada", "/").ok().unwrap();
    ada.declare("q").unwrap();
    ada.publish("amq.topic", "a", None);
    ada.taken().unwrap();
    site.broker.set_topic_permission("ada", "/", "amq.topic", "^b", "").unwrap();
    ada.publish("amq.topic", "a", None);
    let text = "write access to topic 'a' in exchange 'amq.topic' in vhost '/' refused for user \
                'ada'";
    assert_eq!(ada.taken(), Err(refused(text)));
    ada.publish("amq.topic", "b", None);
    ada.taken().unwrap();
    site.allow("ada", "", "", "^q$");
    ada.publish("amq.topic", "b", None);
    let text = "write access to exchange 'amq.topic' in vhost '/' refused for user 'ada'";
    assert_eq!(ada.taken(), Err(refused(text)));
}

#[test]
fn consumers_of_queues_that_may_not_be_read_any_more_are_cancelled_within_a_second() {
    let site = Site::new();
    site.allow("ada", ".*", ".*", ".*");
    let mut ada = site.open("ada", "/").ok().unwrap();
    ada.declare("kept").unwrap();
    ada.declare("lost").unwrap();
    let kept = ada.consume("kept").unwrap();
    let lost = ada.consume("lost").unwrap();
    let vhost = site.broker.vhost("/").unwrap();
    let consumers = |name: &str| {
        let queues = vhost.queues();
        queues.iter().find(|queue| queue.name() == name).unwrap().counts().consumers
    };
    let begun = Instant::now();
    site.allow("ada", ".*", ".*", "^kept$");
    let Method::BasicCancel(cancel) = ada.method() else { panic!("no cancel") };
    assert!(begun.elapsed() < AT_ONCE, "it took {:?}", begun.elapsed());
    assert_eq!(*cancel.consumer_tag, *lost);
    assert_eq!((consumers("kept"), consumers("lost")), (1, 0));
    ada.publish("", "lost", None);
    ada.publish("", "kept", None);
    let Method::BasicDeliver(delivery) = ada.method() else { panic!("no delivery") };
    assert_eq!(*delivery.consumer_tag, *kept);
    // It may be cancelled by the client all the same, and consumed again with the right.
    let cancel = basic::Cancel { consumer_tag: short(&lost), nowait: false };
    assert!(matches!(ada.ask(&cancel), Ok(Method::BasicCancelOk(_))));
    site.allow("ada", ".*", ".*", ".*");
    ada.consume("lost").unwrap();
    assert!(matches!(ada.method(), Method::BasicDeliver(_)));
}

/// Whoever is connected as `ada` while this is done: how they are closed.
fn closed_by(change: impl FnOnce(&Site)) -> Closed {
    let site = Site::new();
    site.broker.create_vhost("v", VirtualHostMetadata::default()).unwrap();
    site.broker.set_permission("ada", "v", Permission::full().clone()).unwrap();
    site.allow("bob", ".*", ".*", ".*");
    let mut bob = site.open("bob", "/").ok().unwrap();
    let mut ada = site.open("ada", "v").ok().unwrap();
    ada.declare("q").unwrap();
    ada.consume("q").unwrap();
    let begun = Instant::now();
    change(&site);
    let closed = loop {
        // A deleted queue's consumer is told, too.
        match ada.method() {
            Method::BasicCancel(_) => {}
            Method::ConnectionClose(close) => {
                break (close.reply_code, close.reply_text.to_string());
            }
            other => panic!("{} instead of connection.close", other.name()),
        }
    };
    assert!(begun.elapsed() < AT_ONCE, "it took {:?}", begun.elapsed());
    bob.declare("q").expect("another's connection is left alone");
    closed
}

#[test]
fn connections_of_a_deleted_user_are_closed_within_a_second() {
    let expected = (320, "CONNECTION_FORCED - user 'ada' is deleted".to_owned());
    assert_eq!(closed_by(|site| site.users.delete("ada").unwrap()), expected);
    // By another process, and made anew at once.
    let anew = |site: &Site| {
        let users = Users::open(site.directory.path().join("users.json")).unwrap();
        users.delete("ada").unwrap();
        users.add("ada", &Secret::new("secret")).unwrap();
    };
    assert_eq!(closed_by(anew), expected);
}

#[test]
fn connections_with_an_old_password_are_closed_within_a_second() {
    let changed = |site: &Site| site.users.set_password("ada", &Secret::new("another")).unwrap();
    let expected = (320, "CONNECTION_FORCED - password of user 'ada' was changed".to_owned());
    assert_eq!(closed_by(changed), expected);
}

#[test]
fn connections_to_a_deleted_virtual_host_are_closed_within_a_second() {
    let expected = (320, "CONNECTION_FORCED - vhost 'v' is deleted".to_owned());
    assert_eq!(closed_by(|site| site.broker.delete_vhost("v").unwrap()), expected);
}

#[test]
fn what_was_allowed_to_a_deleted_user_is_not_allowed_to_the_next_of_the_name() {
    let site = Site::new();
    site.allow("ada", ".*", ".*", ".*");
    site.users.delete("ada").unwrap();
    site.create("ada", "");
    let text = "NOT_ALLOWED - access to vhost '/' refused for user 'ada'";
    assert_eq!(site.open("ada", "/").err(), Some((530, text.to_owned())));
    assert!(site.broker.permissions().get("ada", "/").is_none());
    until(|| site.users.departed().is_empty().then_some(()));
    site.allow("ada", ".*", "", "");
    site.open("ada", "/").ok().unwrap().declare("q").unwrap();
}

#[test]
fn a_peer_that_never_stops_sending_loses_its_rights_as_well() {
    let site = Site::new();
    site.allow("ada", ".*", ".*", ".*");
    let mut ada = site.open("ada", "/").ok().unwrap();
    let begun = Instant::now();
    site.users.delete("ada").unwrap();
    let close = until(|| {
        (0..100).for_each(|_| ada.publish("amq.topic", "a", None));
        match ada.poll()? {
            Method::ConnectionClose(close) => Some(close),
            // What was allowed to the user may be gone a moment before the user is.
            Method::ChannelClose(_) => None,
            other => panic!("{}", other.name()),
        }
    });
    assert!(begun.elapsed() < AT_ONCE, "it took {:?}", begun.elapsed());
    assert_eq!(&*close.reply_text, "CONNECTION_FORCED - user 'ada' is deleted");
}

/// Tries until it comes to something.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::yield_now();
    }
}
