//! Every action with every thing by every kind of user, against one table. The table is read by
//! people: what an action is for, and what is enough to be allowed it. A new action without a row
//! does not compile.

use super::{Action, Identity, Permission, Permissions, Resource, Tags};

/// What an action can be done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Queue,
    Exchange,
    DefaultExchange,
    Topic,
    VirtualHost,
    OwnName,
    OtherUser,
    OwnConnection,
    OthersConnection,
    Broker,
}

/// One of the things that together are enough.
#[derive(Debug, Clone, Copy)]
enum Need {
    /// A permission in the virtual host, whatever it says.
    Access,
    Configure,
    Write,
    Read,
    /// No limit of the topic exchange, or one that lets the key pass.
    TopicWrite,
    TopicRead,
    /// Any tag of the four that let one use the HTTP API.
    Manage,
    Administrator,
    Monitoring,
    Policymaker,
    Impersonator,
    /// The thing is the user's own.
    Own,
}

/// The things, and what is enough: each line of needs by itself.
type Row = (&'static [Thing], &'static [&'static [Need]]);

fn row(action: Action) -> Row {
    use Need::*;
    use Thing::{OthersConnection, OwnConnection};
    const TOUCHED: &[Thing] = &[Thing::Queue, Thing::Exchange, Thing::DefaultExchange];
    const ADMINISTRATOR: &[&[Need]] = &[&[Administrator]];
    const CONNECTIONS: &[Thing] = &[OwnConnection, OthersConnection];
    const USERS: &[Thing] = &[Thing::OwnName, Thing::OtherUser, Thing::Broker];
    match action {
        Action::Connect => (&[Thing::VirtualHost], &[&[Access]]),
        Action::Configure => (TOUCHED, &[&[Access, Configure]]),
        Action::Write => (TOUCHED, &[&[Access, Write]]),
        Action::Read => (TOUCHED, &[&[Access, Read]]),
        Action::Inspect => (TOUCHED, &[&[Access, Configure], &[Access, Write], &[Access, Read]]),
        Action::WriteTopic => (&[Thing::Topic], &[&[Access, TopicWrite]]),
        Action::ReadTopic => (&[Thing::Topic], &[&[Access, TopicRead]]),
        Action::Impersonate => (&[Thing::OwnName, Thing::OtherUser], &[&[Own], &[Impersonator]]),
        Action::Manage => (&[Thing::Broker], &[&[Manage]]),
        Action::SeeVirtualHost => {
            (&[Thing::VirtualHost], &[&[Administrator], &[Monitoring], &[Manage, Access]])
        }
        Action::SeeContents => (&[Thing::VirtualHost], &[&[Administrator], &[Manage, Access]]),
        Action::DeclareVirtualHost
        | Action::DeleteVirtualHost
        | Action::LimitVirtualHost
        | Action::SetOperatorPolicy
        | Action::SetPermission => (&[Thing::VirtualHost], ADMINISTRATOR),
        Action::SetPolicy => (&[Thing::VirtualHost], &[&[Administrator], &[Policymaker, Access]]),
        Action::SetGlobalParameter => (&[Thing::Broker], &[&[Administrator], &[Policymaker]]),
        Action::SeePermissions => {
            (&[Thing::VirtualHost, Thing::OwnName, Thing::OtherUser, Thing::Broker], ADMINISTRATOR)
        }
        Action::SeeUsers => (USERS, ADMINISTRATOR),
        Action::ChangeUser => (&[Thing::OwnName, Thing::OtherUser], ADMINISTRATOR),
        Action::SeeConnection => (CONNECTIONS, &[&[Administrator], &[Monitoring], &[Manage, Own]]),
        Action::CloseConnection => (CONNECTIONS, &[&[Administrator], &[Manage, Own]]),
        Action::SeeNode => (&[Thing::Broker], &[&[Administrator], &[Monitoring]]),
        Action::ChangeNode | Action::ExportDefinitions | Action::ImportDefinitions => {
            (&[Thing::Broker], ADMINISTRATOR)
        }
        Action::OperateQueue => (&[Thing::Queue], ADMINISTRATOR),
    }
}

const THINGS: &[(Thing, Resource<'static>)] = &[
    (Thing::Queue, Resource::Queue { vhost: "v", name: "thing" }),
    (Thing::Exchange, Resource::Exchange { vhost: "v", name: "thing" }),
    (Thing::DefaultExchange, Resource::Exchange { vhost: "v", name: "" }),
    (
        Thing::Topic,
        Resource::Topic { vhost: "v", exchange: "thing", key: "u.key", client_id: None },
    ),
    (Thing::VirtualHost, Resource::VirtualHost("v")),
    (Thing::OwnName, Resource::User("u")),
    (Thing::OtherUser, Resource::User("w")),
    (Thing::OwnConnection, Resource::ConnectionOf("u")),
    (Thing::OthersConnection, Resource::ConnectionOf("w")),
    (Thing::Broker, Resource::Broker),
];

/// What a user was given.
#[derive(Debug, Clone)]
struct Given {
    tags: Vec<&'static str>,
    /// Which of configure, write and read have a pattern that fits; `None`: no permission.
    permission: Option<[bool; 3]>,
    /// Whether the limit of the topic exchange lets the key pass: write, read.
    limit: Option<[bool; 2]>,
}

impl Given {
    fn meets(&self, need: Need, thing: Thing) -> bool {
        let tagged = |words: &[&str]| self.tags.iter().any(|tag| words.contains(tag));
        let permission = self.permission.unwrap_or_default();
        let limit = self.limit.unwrap_or([true; 2]);
        match need {
            Need::Access => self.permission.is_some(),
            Need::Configure => permission[0],
            Need::Write => permission[1],
            Need::Read => permission[2],
            Need::TopicWrite => limit[0],
            Need::TopicRead => limit[1],
            Need::Manage => tagged(&["administrator", "monitoring", "policymaker", "management"]),
            Need::Administrator => tagged(&["administrator"]),
            Need::Monitoring => tagged(&["monitoring"]),
            Need::Policymaker => tagged(&["policymaker"]),
            Need::Impersonator => tagged(&["impersonator"]),
            Need::Own => matches!(thing, Thing::OwnName | Thing::OwnConnection),
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            name: "u".into(),
            tags: Tags::of(self.tags.iter().copied()),
            default_access: false,
        }
    }

    fn permissions(&self) -> Permissions {
        let mut permissions = Permissions::default();
        // Somebody else may do everything: that must not help.
        permissions.set("w".into(), "v".into(), Permission::full().clone());
        permissions.set("u".into(), "other".into(), Permission::full().clone());
        if let Some(fits) = self.permission {
            let [configure, write, read] = fits.map(|fits| match fits {
                true => "^(thing|amq\\.default)$",
                false => "^thin$",
            });
            let permission = Permission::new(configure, write, read).unwrap();
            permissions.set("u".into(), "v".into(), permission);
        }
        if let Some(fits) = self.limit {
            let [write, read] = fits.map(|fits| match fits {
                true => "^{username}\\.",
                false => "",
            });
            permissions.set_topic("u".into(), "v".into(), "thing".into(), write, read).unwrap();
        }
        permissions
    }
}

/// Everybody, and the permissions that are in force for them.
fn everybody() -> impl Iterator<Item = (Given, Permissions)> {
    const TAGS: &[&[&str]] = &[
        &[],
        &["administrator"],
        &["monitoring"],
        &["policymaker"],
        &["management"],
        &["impersonator"],
        &["ops"],
        &["monitoring", "policymaker"],
        &["impersonator", "management"],
    ];
    let bits = |n: u8| [n & 1 != 0, n & 2 != 0, n & 4 != 0];
    let rights = (0..9_u8).flat_map(|permission| (0..5_u8).map(move |limit| (permission, limit)));
    rights.flat_map(move |(permission, limit)| {
        let given = Given {
            tags: Vec::new(),
            permission: (permission < 8).then(|| bits(permission)),
            limit: (limit < 4).then(|| [bits(limit)[0], bits(limit)[1]]),
        };
        let permissions = given.permissions();
        TAGS.iter()
            .map(move |tags| (Given { tags: tags.to_vec(), ..given.clone() }, permissions.clone()))
    })
}

#[test]
fn every_action_on_every_thing_by_everybody_is_as_the_table_says() {
    let (mut allowed, mut refused) = (0, 0);
    let mut seen = vec![[false; 2]; Action::ALL.len()];
    for (given, permissions) in everybody() {
        let who = given.identity();
        for (&action, seen) in Action::ALL.iter().zip(&mut seen) {
            let (things, enough) = row(action);
            for (thing, resource) in THINGS {
                let expected = things.contains(thing)
                    && enough
                        .iter()
                        .any(|needs| needs.iter().all(|need| given.meets(*need, *thing)));
                let found = permissions.authorize(&who, action, resource).is_ok();
                assert_eq!(found, expected, "{action:?} on {thing:?} by {given:?}");
                match expected {
                    true => allowed += 1,
                    false => refused += 1,
                }
                if things.contains(thing) {
                    seen[usize::from(expected)] = true;
                }
            }
        }
    }
    // It is no table of refusals only.
    assert!(allowed > 5_000 && refused > 50_000, "{allowed} allowed, {refused} refused");
    for (action, seen) in Action::ALL.iter().zip(seen) {
        assert_eq!(seen, [true; 2], "{action:?} is refused to somebody and allowed to somebody");
    }
}
