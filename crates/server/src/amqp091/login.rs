//! Who a client is: SASL (`auth::sasl`) in the methods that AMQP 0-9-1 has for it, and AMQPLAIN,
//! which is this protocol's own.

use amqp091::{Secret, sasl::amqplain};
use auth::sasl::{self, Exchange, Mechanism, Step};
use bytes::Bytes;

/// What a client logs in with.
pub(super) struct Login<'a> {
    pub(super) mechanism: &'a str,
    pub(super) response: &'a Secret,
}

/// What somebody may log in with, beside AMQPLAIN. SCRAM is not among it: no client of this
/// protocol that is in use knows it, and one that took the strongest of the list would fail for
/// every user of whose password nothing is kept for it.
pub(super) fn mechanisms(login: &sasl::Context) -> Vec<Mechanism> {
    let mut offered = sasl::offered(login);
    offered.retain(|it| !matches!(it, Mechanism::ScramSha256 | Mechanism::ScramSha512));
    offered
}

/// The list that a client chooses from, in RabbitMQ's order.
pub(super) fn mechanism_list(offered: &[Mechanism]) -> Bytes {
    let mut names = vec![Mechanism::Plain.name(), AMQPLAIN];
    names.extend(offered.iter().filter(|it| **it != Mechanism::Plain).map(|it| it.name()));
    names.join(" ").into()
}

/// Who the client is, or why it is nobody.
pub(super) async fn log_in(
    login: Login<'_>,
    offered: &[Mechanism],
    context: sasl::Context,
) -> Result<auth::User, String> {
    let (mut exchange, mut step) = match login.mechanism {
        AMQPLAIN => {
            let given = amqplain(login.response).map_err(|error| error.to_string())?;
            Exchange::of_password(&given.user, given.password.expose(), context)
        }
        mechanism => {
            let response = match mechanism == Mechanism::External.name() {
                // RabbitMQ: what the response says is passed over, and clients say all sorts.
                true => &[],
                false => &login.response.expose()[..],
            };
            let begun = Exchange::start(mechanism, offered, context);
            let mut exchange = begun.map_err(|failure| failure.to_string())?;
            let step = exchange.step(Some(response));
            (exchange, step)
        }
    };
    loop {
        step = match step {
            Step::Success(success) => return Ok(success.user),
            Step::Failure(failure) => return Err(failure.to_string()),
            // Not on the threads that serve others.
            Step::Check(check) => {
                let checked = tokio::task::spawn_blocking(|| check.run()).await;
                exchange.resume(checked.map_err(|_| "the login could not be checked")?)
            }
            Step::Challenge(_) => {
                return Err("the mechanism takes more than one message, and none that is offered \
                            here does"
                    .to_owned());
            }
        }
    }
}

/// Name and password in a field table.
const AMQPLAIN: &str = "AMQPLAIN";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::{Iterations, Options, Peer, Users};

    use super::*;

    #[tokio::test]
    async fn clients_are_offered_what_rabbitmq_offers_and_scram_is_not_among_it() {
        let directory = tempfile::tempdir().unwrap();
        let users = |options| {
            let users = Users::open(directory.path().join("users.json")).unwrap();
            Arc::new(users.with_options(options))
        };
        let all =
            Options { scram: Iterations::new(12_000), anonymous_user: Some("ada".to_owned()) };
        for (options, certificate, expected) in [
            (Options::default(), None, "PLAIN AMQPLAIN"),
            (Options::default(), Some(Ok("ci".to_owned())), "PLAIN AMQPLAIN EXTERNAL"),
            (all.clone(), None, "PLAIN AMQPLAIN ANONYMOUS"),
            (all.clone(), Some(Err("none".to_owned())), "PLAIN AMQPLAIN EXTERNAL ANONYMOUS"),
        ] {
            let peer = Peer::Loopback;
            let context = sasl::Context { users: users(options), peer, certificate };
            assert_eq!(mechanism_list(&mechanisms(&context)), expected);
        }
        let login = async |mechanism, response: &'static [u8]| {
            let peer = Peer::Loopback;
            let context = sasl::Context { users: users(all.clone()), peer, certificate: None };
            let response = Secret::new(Bytes::from_static(response));
            let login = Login { mechanism, response: &response };
            log_in(login, &mechanisms(&context), context).await.map(|user| user.name)
        };
        let refused = login("SCRAM-SHA-256", b"n,,n=guest,r=abc").await.unwrap_err();
        assert_eq!(refused, "mechanism 'SCRAM-SHA-256' is not offered");
        assert_eq!(login("PLAIN", b"\0guest\0guest").await.as_deref(), Ok("guest"));
        assert_eq!(
            login("PLAIN", b"").await.unwrap_err(),
            "malformed PLAIN response: expected two NULs, around the user's name"
        );
        assert!(login("ANONYMOUS", b"").await.unwrap_err().contains("no such user"));
        users(Options::default()).add("ada", &auth::Secret::new("x")).unwrap();
        assert_eq!(login("ANONYMOUS", b"").await.as_deref(), Ok("ada"));
        assert_eq!(login("PLAIN", b"\0ada\0x").await.as_deref(), Ok("ada"));
    }
}
