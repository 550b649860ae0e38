//! Rights as an operator gives and takes them with `tubepost user`, and as lapin sees them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt as _;
use harness::{Site, wait_for};
use lapin::{
    Connection, ConnectionProperties, Error, ErrorKind,
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::{runtime::Runtime, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the issue promises of a right that is taken back.
const AT_ONCE: Duration = Duration::from_secs(1);

fn user(site: &Site, words: &[&str], input: &str) -> Result<()> {
    let directory = site.path("data").display().to_string();
    let words = [&["user"][..], words, &["--data-dir", &directory]].concat();
    let done = site.tubepost_with_input(&words, input.as_bytes())?;
    ensure!(done.code() == 0, "{words:?}: {}", done.stderr);
    Ok(())
}

fn add(site: &Site, name: &str, more: &[&str]) -> Result<()> {
    user(site, &[&["add", name, "--password-stdin"], more].concat(), "correct-horse\n")
}

async fn connect(
    site: &Site,
    name: &str,
    password: &str,
    vhost: &str,
) -> Result<Connection, Error> {
    let url = format!("amqp://{name}:{password}@127.0.0.1:{}/{vhost}", site.amqp_port);
    Connection::connect(&url, ConnectionProperties::default()).await
}

/// The protocol's code and text of what a client was told.
fn told(error: &Error) -> Result<(u16, String)> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            Ok((error.get_id(), error.get_message().as_str().to_owned()))
        }
        other => anyhow::bail!("not an error of the protocol: {other:?}"),
    }
}

#[test]
fn a_user_without_permissions_does_not_come_in_and_is_told_so() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    add(&site, "ada", &["--no-permissions"])?;
    add(&site, "bob", &[])?;
    Runtime::new()?.block_on(async {
        let refused =
            connect(&site, "ada", "correct-horse", "%2f").await.err().context("let in")?;
        let text = "NOT_ALLOWED - access to vhost '/' refused for user 'ada'";
        ensure!(told(&refused)? == (530, text.to_owned()), "{refused}");
        let refused = connect(&site, "bob", "correct-horse", "nowhere").await.err();
        let refused = refused.context("let into nowhere")?;
        let text = "NOT_ALLOWED - vhost nowhere not found";
        ensure!(told(&refused)? == (530, text.to_owned()), "{refused}");
        let bob = connect(&site, "bob", "correct-horse", "%2f").await?;
        let channel = bob.create_channel().await?;
        let (options, none) = (QueueDeclareOptions::default(), FieldTable::default());
        channel.queue_declare("q".into(), options, none).await?;
        Ok(())
    })
}

/// A consumer's connection while an operator does something: what it is told, and how soon.
fn closed_by(change: impl FnOnce(&Site) -> Result<()>) -> Result<(u16, String)> {
    let site = Site::new()?;
    let _server = site.serve()?;
    add(&site, "ada", &[])?;
    Runtime::new()?.block_on(async {
        let ada = connect(&site, "ada", "correct-horse", "%2f").await?;
        let channel = ada.create_channel().await?;
        let (options, none) = (QueueDeclareOptions::default(), FieldTable::default());
        channel.queue_declare("q".into(), options, none.clone()).await?;
        let options = BasicConsumeOptions::default();
        let mut consumer = channel.basic_consume("q".into(), "".into(), options, none).await?;
        change(&site)?;
        let begun = Instant::now();
        let told = timeout(PATIENCE, consumer.next()).await.context("nothing was said")?;
        let took = begun.elapsed();
        ensure!(took < AT_ONCE, "it took {took:?}");
        let error = told.context("the consumer ended without a word")?.err();
        self::told(&error.context("a delivery of nothing")?)
    })
}

#[test]
fn a_deleted_user_is_thrown_out_within_a_second() -> Result<()> {
    let told = closed_by(|site| user(site, &["delete", "ada"], ""))?;
    let expected = (320, "CONNECTION_FORCED - user 'ada' is deleted".to_owned());
    ensure!(told == expected, "{told:?}");
    Ok(())
}

#[test]
fn who_logged_in_with_an_old_password_is_thrown_out_within_a_second() -> Result<()> {
    let told =
        closed_by(|site| user(site, &["passwd", "ada", "--password-stdin"], "another-horse\n"))?;
    let expected = (320, "CONNECTION_FORCED - password of user 'ada' was changed".to_owned());
    ensure!(told == expected, "{told:?}");
    Ok(())
}

#[test]
fn an_operators_guest_closes_the_built_in_one() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve()?;
    let runtime = Runtime::new()?;
    let guest = runtime.block_on(connect(&site, "guest", "guest", "%2f"))?;
    add(&site, "guest", &["--no-permissions"])?;
    wait_for("guest to be thrown out", 20, || match guest.status().connected() {
        true => Err("still connected".to_owned()),
        false => Ok(()),
    })?;
    let log = server.process().log();
    ensure!(log.contains("user 'guest' is deleted"), "{log}");
    let refused = runtime.block_on(connect(&site, "guest", "guest", "%2f"));
    ensure!(refused.is_err(), "the built-in guest comes in still");
    Ok(())
}
