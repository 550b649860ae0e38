//! Everything that anybody may be allowed or refused to do.

use std::fmt;

/// Declares the actions once, with the words in which a refusal names them.
macro_rules! actions {
    ($($(#[$doc:meta])+ $name:ident => $words:literal,)+) => {
        /// What somebody wants to do with a [`super::Resource`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($(#[$doc])+ $name,)+
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Action] = &[$(Action::$name),+];

            /// As a refusal names it.
            pub fn words(self) -> &'static str {
                match self {
                    $(Action::$name => $words,)+
                }
            }
        }
    };
}

actions! {
    /// Open a connection to a virtual host.
    Connect => "access to",
    /// Declare or delete a queue or an exchange.
    Configure => "configure access to",
    /// Publish to an exchange; bind to a queue or an exchange; let it dead-letter there.
    Write => "write access to",
    /// Consume, get, purge; bind from an exchange.
    Read => "read access to",
    /// Look whether a queue or an exchange is there (a passive declare): any of the three will do.
    Inspect => "configure access to",
    /// Publish with a routing key to a topic exchange, besides [`Action::Write`].
    WriteTopic => "write access to",
    /// Bind with a key from a topic exchange, besides [`Action::Read`].
    ReadTopic => "read access to",
    /// Name another user in a message's `user-id`.
    Impersonate => "publishing in the name of",
    /// Log in to the HTTP API and the pages; see the overview, and who one is.
    Manage => "managing",
    /// See that a virtual host is there, its counts and its limits.
    SeeVirtualHost => "seeing",
    /// See what is in a virtual host: its queues, exchanges, bindings, policies, connections. What
    /// is done with them needs the rights to each, too.
    SeeContents => "seeing what is in",
    /// Create a virtual host, or change what it says of itself.
    DeclareVirtualHost => "declaring",
    /// Delete a virtual host with all that is in it.
    DeleteVirtualHost => "deleting",
    /// Limit the queues or connections of a virtual host.
    LimitVirtualHost => "limiting",
    /// Set or clear a policy or a parameter of a virtual host.
    SetPolicy => "setting policies of",
    /// Set or clear an operator policy.
    SetOperatorPolicy => "setting operator policies of",
    /// Set or clear a parameter of all virtual hosts.
    SetGlobalParameter => "setting global parameters of",
    /// See who may do what.
    SeePermissions => "seeing permissions on",
    /// Say who may do what in a virtual host, by name or by topic.
    SetPermission => "setting permissions on",
    /// See the users.
    SeeUsers => "seeing",
    /// Create, change or delete a user.
    ChangeUser => "changing",
    /// See a connection, its channels and consumers.
    SeeConnection => "seeing",
    /// Close a connection.
    CloseConnection => "closing",
    /// See the node: its memory, disk, listeners, and how logins went.
    SeeNode => "seeing",
    /// Change the node: its name, its alarms.
    ChangeNode => "changing",
    /// Change a queue beyond what its owner may: pause it, move it, add copies.
    OperateQueue => "operating",
    /// Read all definitions, password hashes among them.
    ExportDefinitions => "exporting the definitions of",
    /// Write definitions.
    ImportDefinitions => "importing definitions into",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
