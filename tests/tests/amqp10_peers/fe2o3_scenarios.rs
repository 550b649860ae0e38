//! fe2o3-amqp: Rust's own client of AMQP 1.0.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fe2o3_amqp::{
    Connection, Receiver, Sender, Session,
    connection::{ConnectionHandle, OpenError},
    link::{SenderAttachError, delivery::Sendable, receiver::CreditMode},
    sasl_profile::SaslProfile,
    session::SessionHandle,
    types::{
        definitions::{ReceiverSettleMode, SenderSettleMode},
        messaging::{
            Body, Data, Header, Message, Modified, Outcome, Properties, Source, Target,
            TerminusExpiryPolicy,
        },
        primitives::{Binary, Value},
    },
};
use futures_util::FutureExt as _;
use harness::Site;
use tokio::{runtime::Runtime, time::timeout};

use super::{nothing_panicked, tubepost};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A scenario on a site of its own.
pub(crate) fn scenario<F: Future<Output = Result<()>>>(
    run: impl FnOnce(String) -> F,
) -> Result<()> {
    let (site, mut server): (Site, _) = tubepost()?;
    let url = site.amqp_url();
    Runtime::new()?.block_on(async { timeout(PATIENCE * 2, run(url)).await })??;
    nothing_panicked(&mut server)
}

/// A connection and a session.
pub(crate) async fn connected(url: &str) -> Result<(ConnectionHandle<()>, SessionHandle<()>)> {
    let mut connection = timeout(PATIENCE, Connection::open("fe2o3", url)).await??;
    let session = Session::begin(&mut connection).await?;
    Ok((connection, session))
}

/// Ends both, each with an answer.
pub(crate) async fn ended(
    mut connection: ConnectionHandle<()>,
    mut session: SessionHandle<()>,
) -> Result<()> {
    timeout(PATIENCE, session.end()).await??;
    Ok(timeout(PATIENCE, connection.close()).await??)
}

/// Another session in place of one on which a link was refused: fe2o3 0.18 may find the next link
/// there in an illegal state.
async fn another(
    connection: &mut ConnectionHandle<()>,
    mut session: SessionHandle<()>,
) -> Result<SessionHandle<()>> {
    timeout(PATIENCE, session.end()).await??;
    Ok(timeout(PATIENCE, Session::begin(connection)).await??)
}

pub(crate) async fn receiver(
    session: &mut SessionHandle<()>,
    address: &str,
    mode: CreditMode,
) -> Result<Receiver> {
    let name = format!("from {address}");
    let builder = Receiver::builder().name(name).source(address).credit_mode(mode);
    Ok(timeout(PATIENCE, builder.attach(session)).await??)
}

/// A body of octets.
pub(crate) fn data(octets: &[u8]) -> Message<Data> {
    Message::builder().data(Binary::from(octets.to_vec())).build()
}

pub(crate) async fn send(sender: &mut Sender, octets: &[u8]) -> Result<()> {
    let outcome = timeout(PATIENCE, sender.send(data(octets))).await??;
    ensure!(outcome.is_accepted(), "{outcome:?}");
    Ok(())
}

pub(crate) type Delivery = fe2o3_amqp::link::delivery::Delivery<Body<Value>>;

pub(crate) async fn next(receiver: &mut Receiver) -> Result<Delivery> {
    Ok(timeout(PATIENCE, receiver.recv()).await.context("nothing came")??)
}

/// The octets of a delivery's data.
pub(crate) fn octets(delivery: &Delivery) -> Result<Vec<u8>> {
    match delivery.body() {
        Body::Data(sections) => Ok(sections.iter().flat_map(|it| it.0.to_vec()).collect()),
        other => bail!("{other:?} is no data"),
    }
}

#[test]
fn messages_are_accepted_and_come_in_order() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut sender = Sender::attach(&mut session, "to", "/queue/order").await?;
        let mut waiting = Vec::new();
        for number in 0..500 {
            let body = data(format!("{number}").as_bytes());
            waiting.push(sender.send_batchable(body).await?);
        }
        for outcome in waiting {
            ensure!(timeout(PATIENCE, outcome).await??.is_accepted());
        }
        let mut receiver = receiver(&mut session, "/queue/order", CreditMode::Auto(50)).await?;
        for number in 0..500 {
            let delivery = next(&mut receiver).await?;
            ensure!(octets(&delivery)? == format!("{number}").as_bytes(), "{number} is next");
            receiver.accept(&delivery).await?;
        }
        receiver.close().await?;
        sender.close().await?;
        ended(connection, session).await
    })
}

#[test]
fn a_message_comes_as_it_was() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut sender = Sender::attach(&mut session, "to", "/queue/whole").await?;
        let properties = Properties::builder()
            .message_id(7_u64)
            .subject("s")
            .reply_to("r")
            .correlation_id("c".to_owned())
            .content_type("text/plain")
            .group_id("g".to_owned())
            .group_sequence(5)
            .build();
        let message = Message::builder()
            .header(Header::builder().durable(true).priority(7).ttl(60_000).build())
            .properties(properties.clone())
            .value(Value::List(vec![Value::Null, Value::Char('ü')]))
            .build();
        let outcome = sender.send(message).await?;
        ensure!(outcome.is_accepted(), "{outcome:?}");
        let mut receiver = receiver(&mut session, "/queue/whole", CreditMode::Auto(1)).await?;
        let delivery = next(&mut receiver).await?;
        let message = delivery.message();
        let header = message.header.as_ref().context("a header")?;
        ensure!(header.durable && header.priority.0 == 7 && header.ttl == Some(60_000));
        ensure!(header.first_acquirer && header.delivery_count == 0, "{header:?}");
        ensure!(message.properties.as_ref() == Some(&properties), "{:?}", message.properties);
        receiver.accept(&delivery).await?;
        receiver.close().await?;
        ended(connection, session).await
    })
}

#[test]
fn both_settle_modes_of_both_ends_are_kept() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut at_most_once = Sender::builder()
            .name("settled")
            .target("/queue/modes")
            .sender_settle_mode(SenderSettleMode::Settled)
            .attach(&mut session)
            .await?;
        let settled = Sendable::builder().message(data(b"settled")).settled(true).build();
        at_most_once.send(settled).await?;
        let mut at_least_once = Sender::builder()
            .name("unsettled")
            .target("/queue/modes")
            .sender_settle_mode(SenderSettleMode::Unsettled)
            .attach(&mut session)
            .await?;
        send(&mut at_least_once, b"unsettled").await?;
        let mut second = Receiver::builder()
            .name("second")
            .source("/queue/modes")
            .receiver_settle_mode(ReceiverSettleMode::Second)
            .credit_mode(CreditMode::Manual)
            .attach(&mut session)
            .await?;
        second.set_credit(2).await?;
        for body in [&b"settled"[..], b"unsettled"] {
            let delivery = next(&mut second).await?;
            ensure!(octets(&delivery)? == body, "in order");
            // Settled here when the broker has.
            timeout(PATIENCE, second.accept(&delivery)).await??;
        }
        second.close().await?;
        let mut mixed = Sender::attach(&mut session, "mixed", "/queue/modes").await?;
        send(&mut mixed, b"mixed").await?;
        let mut settled = Receiver::builder()
            .name("sender settles")
            .source("/queue/modes")
            .sender_settle_mode(SenderSettleMode::Settled)
            .attach(&mut session)
            .await?;
        ensure!(octets(&next(&mut settled).await?)? == b"mixed", "the others were accepted");
        settled.close().await?;
        ended(connection, session).await
    })
}

#[test]
fn every_outcome_has_its_effect() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut sender = Sender::attach(&mut session, "to", "/queue/outcomes").await?;
        send(&mut sender, b"a").await?;
        let mut receiver = receiver(&mut session, "/queue/outcomes", CreditMode::Manual).await?;
        let mut seen = Vec::new();
        for turn in 0..4 {
            receiver.set_credit(1).await?;
            let delivery = next(&mut receiver).await?;
            let header = delivery.message().header.clone().context("a header")?;
            seen.push((header.first_acquirer, header.delivery_count));
            let failed = Modified {
                delivery_failed: Some(true),
                undeliverable_here: None,
                message_annotations: None,
            };
            match turn {
                0 => receiver.release(&delivery).await?,
                1 | 2 => receiver.modify(&delivery, failed).await?,
                _ => receiver.reject(&delivery, None).await?,
            }
        }
        ensure!(seen == [(true, 0), (false, 0), (false, 1), (false, 2)], "{seen:?}");
        receiver.close().await?;
        let mut nowhere =
            Sender::attach(&mut session, "nowhere", "/exchanges/amq.direct/nobody").await?;
        let outcome = nowhere.send(data(b"x")).await?;
        ensure!(matches!(outcome, Outcome::Released(_)), "{outcome:?}");
        ended(connection, session).await
    })
}

#[test]
fn credit_of_one_brings_one_message() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut sender = Sender::attach(&mut session, "to", "/queue/credit").await?;
        for number in 0..50_u8 {
            send(&mut sender, &[number]).await?;
        }
        let mut receiver = receiver(&mut session, "/queue/credit", CreditMode::Manual).await?;
        for number in 0..50_u8 {
            receiver.set_credit(1).await?;
            let delivery = next(&mut receiver).await?;
            ensure!(octets(&delivery)? == [number]);
            receiver.accept(&delivery).await?;
            // A round trip: what had come without credit would be there by now.
            send(&mut sender, b"later").await?;
            ensure!(receiver.recv::<Body<Value>>().now_or_never().is_none(), "without credit");
        }
        receiver.close().await?;
        ended(connection, session).await
    })
}

#[test]
fn a_large_message_goes_in_many_frames() -> Result<()> {
    scenario(|url| async move {
        for (max_frame_size, size) in [(512_u32, 100_000), (4096, 1 << 20), (1 << 20, 10 << 20)] {
            let mut connection = Connection::builder()
                .container_id("large")
                .max_frame_size(max_frame_size)
                .open(url.as_str())
                .await?;
            let mut session = Session::begin(&mut connection).await?;
            let mut sender = Sender::attach(&mut session, "to", "/queue/large").await?;
            let body: Vec<u8> = (0..size).map(|at| (at / 251) as u8).collect();
            send(&mut sender, &body).await?;
            let mut receiver = receiver(&mut session, "/queue/large", CreditMode::Auto(1)).await?;
            let delivery = next(&mut receiver).await?;
            ensure!(octets(&delivery)? == body, "{size} octets in frames of {max_frame_size}");
            receiver.accept(&delivery).await?;
            receiver.close().await?;
            ended(connection, session).await?;
        }
        Ok(())
    })
}

#[test]
fn a_request_is_answered_on_a_dynamic_queue() -> Result<()> {
    scenario(|url| async move {
        let (mut connection, mut session) = connected(&url).await?;
        let mut replies = Receiver::builder()
            .name("replies")
            .source(Source::builder().dynamic(true).build())
            .attach(&mut session)
            .await?;
        let address = replies.source().as_ref().and_then(|it| it.address.clone());
        let address = address.context("the address of the queue that was made")?;
        let mut to = Sender::attach(&mut session, "answer", address.as_str()).await?;
        send(&mut to, b"pong").await?;
        let delivery = next(&mut replies).await?;
        ensure!(octets(&delivery)? == b"pong");
        replies.accept(&delivery).await?;
        to.close().await?;
        replies.close().await?;
        let gone = Sender::attach(&mut session, "late", address.as_str()).await;
        ensure!(gone.is_err(), "the queue went with its link");
        let mut session = another(&mut connection, session).await?;
        let mut inbox = Sender::builder()
            .name("inbox")
            .target(Target::builder().dynamic(true).build())
            .attach(&mut session)
            .await?;
        let address = inbox.target().as_ref().and_then(|it| it.address.clone());
        send(&mut inbox, b"note").await?;
        let address = address.context("the address of the queue that was made")?;
        let mut reader = receiver(&mut session, &address, CreditMode::Auto(1)).await?;
        ensure!(octets(&next(&mut reader).await?)? == b"note");
        ended(connection, session).await
    })
}

#[test]
fn a_login_is_by_plain_and_never_anonymous() -> Result<()> {
    scenario(|url| async move {
        let place = url.replace("guest:guest@", "");
        let open = |profile: SaslProfile| {
            let builder = Connection::builder().container_id("login").sasl_profile(profile);
            let place = place.clone();
            async move { timeout(PATIENCE, builder.open(place.as_str())).await }
        };
        let plain = |password: &str| SaslProfile::Plain {
            username: "guest".into(),
            password: password.into(),
        };
        open(plain("guest")).await??.close().await?;
        let refused = open(plain("wrong")).await?;
        ensure!(matches!(refused, Err(OpenError::SaslError { .. })), "{refused:?}");
        ensure!(open(SaslProfile::Anonymous).await?.is_err(), "anonymous is not offered");
        Ok(())
    })
}

#[test]
fn what_is_not_there_is_refused_and_the_connection_goes_on() -> Result<()> {
    scenario(|url| async move {
        let (mut connection, mut refusing) = connected(&url).await?;
        let refused = Sender::attach(&mut refusing, "none", "/queues/none").await;
        let Err(SenderAttachError::RemoteClosedWithError(error)) = refused else {
            bail!("{refused:?}");
        };
        let words = error.description.unwrap_or_default();
        ensure!(words.contains("no queue 'none' in vhost '/'"), "{words}");
        let mut session = another(&mut connection, refusing).await?;
        let mut sender = Sender::attach(&mut session, "some", "/queue/some").await?;
        send(&mut sender, b"x").await?;
        ended(connection, session).await
    })
}

/// Of a terminus that was not asked to live on.
#[test]
fn a_link_that_was_detached_is_attached_again() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut sender = Sender::attach(&mut session, "to", "/queue/again").await?;
        send(&mut sender, b"a").await?;
        let detached = sender.detach().await.map_err(|(_, error)| error)?;
        let mut sender = timeout(PATIENCE, detached.resume()).await??;
        send(&mut sender, b"b").await?;
        let mut first = receiver(&mut session, "/queue/again", CreditMode::Manual).await?;
        first.set_credit(1).await?;
        ensure!(octets(&next(&mut first).await?)? == b"a");
        // Not settled: it goes back.
        first.detach().await.map_err(|(_, error)| error)?;
        let mut again = receiver(&mut session, "/queue/again", CreditMode::Auto(2)).await?;
        for body in [b"a", b"b"] {
            let delivery = next(&mut again).await?;
            ensure!(octets(&delivery)? == body);
            again.accept(&delivery).await?;
        }
        ended(connection, session).await
    })
}

#[test]
fn a_receiver_resumes_what_it_had_not_settled() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut sender = Sender::attach(&mut session, "to", "/queue/resumed").await?;
        send(&mut sender, b"a").await?;
        send(&mut sender, b"b").await?;
        let source = Source::builder().address("/queue/resumed");
        let mut receiver = Receiver::builder()
            .name("resuming")
            .source(source.expiry_policy(TerminusExpiryPolicy::Never).build())
            .credit_mode(CreditMode::Manual)
            .attach(&mut session)
            .await?;
        receiver.set_credit(1).await?;
        ensure!(octets(&next(&mut receiver).await?)? == b"a", "not settled");
        let detached = receiver.detach().await.map_err(|(_, error)| error)?;
        let mut receiver = timeout(PATIENCE, detached.resume()).await??.into_receiver();
        receiver.set_credit(2).await?;
        for body in [b"a", b"b"] {
            let delivery = next(&mut receiver).await?;
            ensure!(octets(&delivery)? == body);
            receiver.accept(&delivery).await?;
        }
        receiver.close().await?;
        let mut left = self::receiver(&mut session, "/queue/resumed", CreditMode::Auto(1)).await?;
        send(&mut sender, b"c").await?;
        ensure!(octets(&next(&mut left).await?)? == b"c", "the others were accepted");
        ended(connection, session).await
    })
}

#[test]
fn a_thousand_links_share_a_session_and_a_connection_has_many_sessions() -> Result<()> {
    scenario(|url| async move {
        let (mut connection, mut session) = connected(&url).await?;
        let mut senders = Vec::new();
        for number in 0..1000 {
            let name = format!("link {number}");
            let attaching = Sender::attach(&mut session, name, "/queue/many");
            senders.push(timeout(PATIENCE, attaching).await??);
        }
        for sender in senders.iter_mut().step_by(100) {
            send(sender, b"x").await?;
        }
        let mut sessions = Vec::new();
        for _ in 0..60 {
            sessions.push(timeout(PATIENCE, Session::begin(&mut connection)).await??);
        }
        for (number, session) in sessions.iter_mut().enumerate() {
            let name = format!("of session {number}");
            let mut sender = Sender::attach(session, name, "/queue/many").await?;
            send(&mut sender, b"y").await?;
        }
        for mut session in sessions {
            timeout(PATIENCE, session.end()).await??;
        }
        let mut receiver = receiver(&mut session, "/queue/many", CreditMode::Auto(100)).await?;
        for _ in 0..70 {
            let delivery = next(&mut receiver).await?;
            receiver.accept(&delivery).await?;
        }
        Ok(timeout(PATIENCE, connection.close()).await??)
    })
}
