//! Virtual hosts, permissions and policies, changed at random beside queues and messages in several
//! virtual hosts, against a naive model of them. Power is lost at every moment: what is found is
//! what was said to be done, and of what was under way all or nothing.

use std::collections::BTreeMap;

use broker::{
    BindingEnd, Broker, Destination, Disks, Error, Label, Message, Options, Publish, Publisher,
    QueueDeclaration, VirtualHostLimits, VirtualHostMetadata,
    authorize::{Identity, Permission, Tags},
    policy::{Policy, PolicyKind},
};
use serde_json::json;
use sim::{Losses, Programme, Random, SimDisk};

use crate::bus::options;

const VHOSTS: [&str; 4] = ["/", "v", "w", "x/y"];
const USERS: [&str; 3] = ["ada", "bob", "eve"];
const QUEUES: [&str; 3] = ["q0", "q1", "r"];
const PATTERNS: [&str; 3] = ["", "^q", "r$"];
const COMMANDS: usize = 60;

/// What there is, the naive way.
#[derive(Debug, Clone, PartialEq, Default)]
struct Site {
    /// Description and limit of queues.
    vhosts: BTreeMap<String, (String, Option<u64>)>,
    /// What a user with default access may read, by user and virtual host.
    permissions: BTreeMap<(String, String), String>,
    topics: BTreeMap<(String, String), String>,
    /// Pattern and limit, by virtual host, kind and name.
    policies: BTreeMap<(String, PolicyKind, String), (String, u64)>,
    /// Messages, the limit that counts, and whether it is bound; by virtual host and name.
    queues: BTreeMap<(String, String), (usize, Option<u64>, bool)>,
}

impl Site {
    fn new() -> Site {
        let mut site = Site::default();
        site.vhosts.insert("/".to_owned(), (String::new(), None));
        USERS.iter().for_each(|user| site.forget(user));
        site
    }

    /// Nothing is written down of the user any more.
    fn forget(&mut self, user: &str) {
        self.permissions.retain(|(name, _), _| name != user);
        self.topics.retain(|(name, _), _| name != user);
        self.permissions.insert((user.to_owned(), "/".to_owned()), ".*".to_owned());
    }

    fn delete(&mut self, vhost: &str) {
        self.vhosts.remove(vhost);
        self.permissions.retain(|(_, it), _| it != vhost);
        self.topics.retain(|(_, it), _| it != vhost);
        self.policies.retain(|(it, ..), _| it != vhost);
        self.queues.retain(|(it, _), _| it != vhost);
    }

    /// The first by name counts of each kind, and the smaller limit of both.
    fn limit(&self, vhost: &str, queue: &str) -> Option<u64> {
        let first = |kind: PolicyKind| {
            let of_kind =
                self.policies.iter().filter(|((it, of, _), _)| it == vhost && *of == kind);
            let mut fitting = of_kind.filter(|(_, (pattern, _))| match &**pattern {
                "^q" => queue.starts_with('q'),
                "r$" => queue.ends_with('r'),
                _ => true,
            });
            fitting.next().map(|(_, (_, limit))| *limit)
        };
        [first(PolicyKind::User), first(PolicyKind::Operator)].into_iter().flatten().min()
    }

    fn refresh(&mut self) {
        let limits: Vec<Option<u64>> =
            self.queues.keys().map(|(vhost, name)| self.limit(vhost, name)).collect();
        for (queue, limit) in self.queues.values_mut().zip(limits) {
            queue.1 = limit;
        }
    }

    /// What a broker has.
    fn of(broker: &Broker) -> Site {
        let mut site = Site::default();
        let permissions = broker.permissions();
        for vhost in broker.vhosts() {
            let name = vhost.name().to_string();
            let settings = (vhost.metadata().description, vhost.limits().max_queues);
            site.vhosts.insert(name.clone(), settings);
            for user in USERS {
                let who =
                    Identity { name: user.into(), tags: Tags::default(), default_access: true };
                if let Some(permission) = permissions.effective(&who, &name) {
                    let read = permission.read.as_str().to_owned();
                    site.permissions.insert((user.to_owned(), name.clone()), read);
                }
            }
            let bindings = vhost.bindings();
            for queue in vhost.queues() {
                let is_bound = bindings.iter().any(|(_, it)| match &it.destination {
                    Destination::Queue(bound) => bound.name() == queue.name(),
                    Destination::Exchange(_) => false,
                });
                let key = (name.clone(), queue.name().to_string());
                let limit = vhost.effective_of(&queue).max_length_bytes;
                site.queues.insert(key, (queue.counts().ready, limit, is_bound));
            }
        }
        for (user, vhost, _, topic) in permissions.topics() {
            let key = (user.to_string(), vhost.to_string());
            site.topics.insert(key, topic.read().to_owned());
        }
        for policy in broker.policies().iter() {
            let key = (policy.vhost.to_string(), policy.kind, policy.name.to_string());
            let limit =
                policy.definition.get("max-length-bytes").and_then(|it| it.as_u64()).unwrap();
            site.policies.insert(key, (policy.pattern.as_str().to_owned(), limit));
        }
        site
    }
}

struct Run {
    broker: Broker,
    site: Site,
    random: Random,
}

impl Run {
    fn pick(&mut self, from: &[&str]) -> String {
        (*self.random.pick(from)).to_owned()
    }

    /// Does one random thing to both. What the model says cannot be done has to be refused.
    fn step(&mut self) -> Result<(), Error> {
        let (vhost, user) = (self.pick(&VHOSTS), self.pick(&USERS));
        let (queue, pattern) = (self.pick(&QUEUES), self.pick(&PATTERNS));
        let is_there = self.site.vhosts.contains_key(&vhost);
        let number = self.random.below(5);
        let (before, what) = (self.site.clone(), self.random.below(14));
        let key = (user.clone(), vhost.clone());
        let kind = if number < 3 { PolicyKind::User } else { PolicyKind::Operator };
        let policy = (vhost.clone(), kind, format!("p{}", number % 3));
        let site = &mut self.site;
        let done = match what {
            0 | 1 => {
                let description = number.to_string();
                site.vhosts.entry(vhost.clone()).or_default().0.clone_from(&description);
                let metadata = VirtualHostMetadata { description, ..Default::default() };
                // The only one that needs none to be there.
                return self.broker.create_vhost(&vhost, metadata).map(drop);
            }
            2 => {
                let limits = VirtualHostLimits { max_queues: Some(number), max_connections: None };
                site.vhosts.entry(vhost.clone()).and_modify(|it| it.1 = Some(number));
                self.broker.set_vhost_limits(&vhost, limits)
            }
            3 if vhost == "/" => {
                site.forget(&user);
                return self.broker.forget_user(&user);
            }
            3 => {
                site.delete(&vhost);
                self.broker.delete_vhost(&vhost)
            }
            4 | 5 => {
                site.permissions.insert(key, pattern.clone());
                let permission = Permission::new("", "", &pattern).unwrap();
                self.broker.set_permission(&user, &vhost, permission)
            }
            6 => {
                site.permissions.remove(&key);
                self.broker.clear_permission(&user, &vhost).map(drop)
            }
            7 => {
                site.topics.insert(key, pattern.clone());
                self.broker.set_topic_permission(&user, &vhost, "amq.topic", "", &pattern)
            }
            8 => {
                site.topics.remove(&key);
                self.broker.clear_topic_permission(&user, &vhost, None).map(drop)
            }
            9 => {
                // One that no queue here comes to.
                let limit = 1_000_000 + number;
                site.policies.insert(policy.clone(), (pattern.clone(), limit));
                let body = json!({"pattern": pattern, "definition": {"max-length-bytes": limit}});
                let policy = Policy::parse(kind, &vhost, &policy.2, &body).unwrap();
                self.broker.set_policy(policy).map(drop)
            }
            10 => {
                site.policies.remove(&policy);
                self.broker.clear_policy(kind, &vhost, &policy.2).map(drop)
            }
            _ if !is_there => {
                assert!(self.broker.vhost(&vhost).is_err(), "{vhost} is there");
                return Ok(());
            }
            11 => return self.declare(&vhost, &queue),
            _ => return self.publish(&vhost, &queue),
        };
        if !is_there {
            assert!(done.is_err(), "{what} in {vhost}, which is not there");
            self.site = before;
            return Ok(());
        }
        self.site.refresh();
        done
    }

    fn declare(&mut self, vhost: &str, queue: &str) -> Result<(), Error> {
        let key = (vhost.to_owned(), queue.to_owned());
        let count = self.site.queues.keys().filter(|(it, _)| it == vhost).count() as u64;
        let is_full = self.site.vhosts[vhost].1.is_some_and(|limit| count >= limit);
        let host = self.broker.vhost(vhost)?;
        let me = self.broker.new_connection();
        let Some(found) = self.site.queues.get_mut(&key) else {
            let declaration = QueueDeclaration {
                name: queue.into(),
                durable: true,
                exclusive: false,
                auto_delete: false,
                arguments: Default::default(),
            };
            let declared = host.declare_queue(declaration, me, false);
            if is_full {
                assert!(declared.unwrap_err().text.contains("queue limit in vhost"));
                return Ok(());
            }
            self.site.queues.insert(key, (0, None, false));
            self.site.refresh();
            return declared.map(drop);
        };
        if found.2 {
            self.site.queues.remove(&key);
            return host.delete_queue(queue, me, false, false).map(drop);
        }
        found.2 = true;
        host.bind(&"amq.fanout".into(), BindingEnd::Queue(queue), "".into(), Default::default(), me)
    }

    fn publish(&mut self, vhost: &str, queue: &str) -> Result<(), Error> {
        let mut publisher = Publisher::new(self.broker.vhost(vhost)?);
        let (exchange, routing_key) = ("".into(), queue.into());
        let routes = publisher.route(&exchange, &routing_key, &())?;
        if let Some(found) = self.site.queues.get_mut(&(vhost.to_owned(), queue.to_owned())) {
            found.0 += 1;
        }
        let message = Message::new(
            Label { exchange, routing_key, persistent: true, ..Label::default() },
            [vec![7; 40].into()].into_iter().collect(),
        );
        publisher.publish(&mut vec![Publish { message, routes }], &mut Vec::new())?;
        self.broker.commit()
    }
}

fn open(disk: &SimDisk, options: &Options) -> Broker {
    let [messages, ledger, index] =
        ["messages", "ledger", "index"].map(|name| disk.directory(name));
    let (broker, report) = Broker::open(&Disks { messages, ledger, index }, options).unwrap();
    let alarm = report.damage.iter().find(|damage| !damage.contains("last write before"));
    assert_eq!(alarm, None);
    broker
}

/// Seeds that failed once.
const REGRESSIONS: [u64; 0] = [];

#[test]
fn what_administrators_change_survives_a_power_loss_at_any_moment() {
    let programme =
        Programme::new("cargo test -p tubepost-broker --test instruments administration");
    let images = programme.size(6_000, 500_000);
    for seed in programme.seeds(u64::MAX / 2, u64::MAX / 2, &REGRESSIONS) {
        if programme.cases() >= images {
            break;
        }
        let _replay = programme.replay(seed);
        run(seed, &programme);
    }
    programme.finish("images after a power loss", images);
}

fn run(seed: u64, programme: &Programme) {
    let options = options(8192);
    let disk = SimDisk::new().logged();
    let (broker, random) = (open(&disk, &options), Random::new(seed));
    let mut run = Run { broker, site: Site::new(), random };
    let mut history = vec![(disk.moment(), run.site.clone())];
    for number in 0..COMMANDS {
        run.step().unwrap();
        assert_eq!(Site::of(&run.broker), run.site, "after command {number}");
        history.push((disk.moment(), run.site.clone()));
        if run.random.one_in(6) {
            run.broker.tidy().unwrap();
        }
        if run.random.one_in(20) {
            run.broker = open(&disk, &options);
            assert_eq!(Site::of(&run.broker), run.site, "after a restart, command {number}");
        }
    }
    let log = disk.log();
    let (mut replay, mut random) = (log.replay(), Random::new(seed));
    let losses = Losses { exhaustive_up_to: 2, samples: 3 };
    loop {
        let done = history.partition_point(|(moment, _)| *moment <= replay.moment());
        // Before the first there is a directory that is being made.
        let may_be = &history[done.saturating_sub(1)..history.len().min(done + 1)];
        for image in replay.images(&mut random, losses) {
            let found = Site::of(&open(&SimDisk::from_image(image), &options));
            let is_one = may_be.iter().any(|(_, site)| *site == found);
            let moment = replay.moment();
            assert!(is_one, "seed {seed}, moment {moment}: found {found:#?}, not {may_be:#?}");
            programme.count(1);
        }
        if !replay.advance() {
            break;
        }
    }
}
