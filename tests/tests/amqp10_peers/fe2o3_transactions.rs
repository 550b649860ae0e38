//! Transactions with fe2o3-amqp: posting, retiring, acquiring; commit and rollback.

use anyhow::{Context, Result, ensure};
use fe2o3_amqp::{
    Sender,
    link::receiver::CreditMode,
    transaction::{
        Controller, Transaction, TransactionAcquisition as _, TransactionDischarge as _,
        TransactionPosting as _, TransactionRetirement as _,
    },
    types::{messaging::Body, primitives::Value},
};
use tokio::time::timeout;

use super::fe2o3_scenarios::{
    PATIENCE, connected, data, ended, next, octets, receiver, scenario, send,
};

#[test]
fn what_is_posted_is_there_after_a_commit_and_not_after_a_rollback() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut one = Sender::attach(&mut session, "one", "/queue/one").await?;
        let mut two = Sender::attach(&mut session, "two", "/queue/two").await?;
        let controller = Controller::attach(&mut session, "controller").await?;
        let dropped = Transaction::declare(&controller, None).await?;
        let outcome = timeout(PATIENCE, dropped.post(&mut one, data(b"dropped"))).await??;
        ensure!(outcome.is_accepted(), "{outcome:?}");
        timeout(PATIENCE, dropped.rollback()).await??;
        let kept = Transaction::declare(&controller, None).await?;
        for sender in [&mut one, &mut two] {
            let outcome = timeout(PATIENCE, kept.post(sender, data(b"kept"))).await??;
            ensure!(outcome.is_accepted(), "{outcome:?}");
        }
        timeout(PATIENCE, kept.commit()).await??;
        for address in ["/queue/one", "/queue/two"] {
            let mut receiver = receiver(&mut session, address, CreditMode::Auto(2)).await?;
            let delivery = next(&mut receiver).await?;
            ensure!(octets(&delivery)? == b"kept", "in {address}");
            receiver.accept(&delivery).await?;
            receiver.close().await?;
        }
        controller.close().await?;
        ended(connection, session).await
    })
}

#[test]
fn what_is_retired_is_gone_after_a_commit_and_back_after_a_rollback() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut sender = Sender::attach(&mut session, "to", "/queue/retired").await?;
        for body in [b"a", b"b"] {
            send(&mut sender, body).await?;
        }
        let controller = Controller::attach(&mut session, "controller").await?;
        for is_kept in [false, true] {
            let address = "/queue/retired";
            let mut receiver = receiver(&mut session, address, CreditMode::Manual).await?;
            receiver.set_credit(2).await?;
            let transaction = Transaction::declare(&controller, None).await?;
            for body in [b"a", b"b"] {
                let delivery = next(&mut receiver).await?;
                ensure!(octets(&delivery)? == body);
                transaction.accept(&mut receiver, &delivery).await?;
            }
            match is_kept {
                true => timeout(PATIENCE, transaction.commit()).await??,
                false => timeout(PATIENCE, transaction.rollback()).await??,
            }
            receiver.close().await?;
        }
        send(&mut sender, b"c").await?;
        let mut receiver = receiver(&mut session, "/queue/retired", CreditMode::Auto(3)).await?;
        ensure!(octets(&next(&mut receiver).await?)? == b"c", "the others are gone");
        controller.close().await?;
        ended(connection, session).await
    })
}

#[test]
fn what_is_acquired_goes_back_with_a_rollback() -> Result<()> {
    scenario(|url| async move {
        let (connection, mut session) = connected(&url).await?;
        let mut sender = Sender::attach(&mut session, "to", "/queue/acquired").await?;
        send(&mut sender, b"a").await?;
        let controller = Controller::attach(&mut session, "controller").await?;
        let address = "/queue/acquired";
        let mut first = receiver(&mut session, address, CreditMode::Manual).await?;
        let transaction = Transaction::declare(&controller, None).await?;
        let mut acquisition = timeout(PATIENCE, transaction.acquire(&mut first, 1)).await??;
        let delivery = timeout(PATIENCE, acquisition.recv::<Body<Value>>()).await;
        ensure!(octets(&delivery.context("nothing came")??)? == b"a");
        timeout(PATIENCE, acquisition.rollback()).await??;
        first.close().await?;
        let mut second = receiver(&mut session, address, CreditMode::Auto(1)).await?;
        ensure!(octets(&next(&mut second).await?)? == b"a", "it is back");
        controller.close().await?;
        ended(connection, session).await
    })
}
