//! The server's certificate: clients refuse what they should, each name has its own, and a renewed
//! one is taken while the server runs.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use harness::{Authority, Files, Is, TlsPeer, wait_for};

use super::{Secured, logged};

#[test]
fn a_certificate_of_another_host_expired_or_of_an_unknown_authority_is_refused_by_our_client()
-> Result<()> {
    let secured = Secured::new()?;
    let Secured { site, authority, .. } = &secured;
    let mut server = site.serve()?;
    secured.may_publish(&secured.url("localhost", &authority.file, ""))?;
    secured.may_publish(&secured.url("127.0.0.1", &authority.file, ""))?;

    let other = Authority::new(site, "other")?;
    let said = secured.is_refused(&secured.url("localhost", &other.file, ""))?;
    ensure!(said.contains("UnknownIssuer") && said.contains("cacertfile"), "{said}");
    logged(&mut server, &["not connected", "the client hung up", "authority"])?;
    // Nobody in the system's store signed it.
    let said = secured.is_refused(&format!("amqps://localhost:{}", secured.port))?;
    ensure!(said.contains("certificate"), "{said}");

    authority.sign(site, "server", &Is::Server(&["mq.example.org"]))?;
    renewed(&secured)?;
    let said = secured.is_refused(&secured.url("localhost", &authority.file, ""))?;
    ensure!(said.contains("not valid for name") && said.contains("mq.example.org"), "{said}");

    authority.sign(site, "server", &Is::ExpiredServer("localhost"))?;
    logged_at_next_handshake(&secured, || logged(&mut server, &["ERROR", "expired", "renew it"]))?;
    let said = secured.is_refused(&secured.url("localhost", &authority.file, ""))?;
    ensure!(said.contains("expired"), "{said}");

    Files::self_signed(site, "server", &Is::Server(&["localhost"]))?;
    renewed(&secured)?;
    let said = secured.is_refused(&secured.url("localhost", &authority.file, ""))?;
    ensure!(said.contains("UnknownIssuer"), "{said}");
    Ok(())
}

/// Waits until the server shows the certificate that is in its file.
fn renewed(secured: &Secured) -> Result<()> {
    let expected = secured.files.der()?;
    wait_for("the renewed certificate", 10, || match shown(secured, "localhost") {
        Some(shown) if shown == expected => Ok(()),
        Some(_) => Err("the old one".to_owned()),
        None => Err("none".to_owned()),
    })
}

/// What the server shows to a client that asks for a name and accepts whatever comes.
fn shown(secured: &Secured, name: &str) -> Option<Vec<u8>> {
    TlsPeer::certificate_shown(secured.port, name).ok()
}

fn logged_at_next_handshake(secured: &Secured, logged: impl FnOnce() -> Result<()>) -> Result<()> {
    renewed(secured)?;
    logged()
}

#[test]
fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() -> Result<()> {
    let secured = Secured::new()?;
    let Secured { site, authority, .. } = &secured;
    let mq = authority.sign(site, "mq", &Is::Server(&["mq.example.org"]))?;
    let wide = authority.sign(site, "wide", &Is::Server(&["*.example.org"]))?;
    let named = |name: &str, files: &Files| {
        let Files { certificate, key } = files;
        format!(
            "[[amqp.tls.name]]\nname = \"{name}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            certificate.display(),
            key.display()
        )
    };
    secured.configure(&(named("mq.example.org", &mq) + &named("*.example.org", &wide)))?;
    let _server = site.serve()?;
    for (asked, files) in [
        ("mq.example.org", &mq),
        ("MQ.Example.org", &mq),
        ("bus.example.org", &wide),
        ("localhost", &secured.files),
        ("elsewhere.example.com", &secured.files),
    ] {
        let shown = shown(&secured, asked).with_context(|| format!("{asked}: none"))?;
        ensure!(shown == files.der()?, "{asked}: another one");
    }
    let mut peer = TlsPeer::connect(secured.port, "mq.example.org", &authority.file, None)?;
    ensure!(!peer.amqp_start()?.is_empty(), "AMQP behind it");
    Ok(())
}

#[test]
fn a_renewed_certificate_is_taken_a_broken_one_is_not_and_open_connections_stay() -> Result<()> {
    let secured = Secured::new()?;
    let Secured { site, authority, files, .. } = &secured;
    let mut server = site.serve()?;
    let url = secured.url("localhost", &authority.file, "");
    let mut command = site.command(&["tail", "--json", "org.example.tls"]);
    command.env("TUBEPOST_BUS", &url);
    let tail = harness::Process::start("tail over TLS", &mut command)?;
    let received = |count: usize| {
        wait_for("the event at the open connection", 20, || {
            secured.may_publish(&url).map_err(|error| error.to_string())?;
            let lines = tail.stdout().len();
            if lines >= count { Ok(lines) } else { Err(format!("{lines} lines")) }
        })
    };
    let before = received(1)?;

    let old = files.der()?;
    fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nbroken\n")?;
    wait_for("the broken file to be seen", 10, || {
        let seen = shown(&secured, "localhost") == Some(old.clone());
        let said = server.process().log().contains("stay in force");
        if seen && said { Ok(()) } else { Err(format!("old one shown: {seen}, logged: {said}")) }
    })?;
    logged(&mut server, &["ERROR", "server.crt", "stay in force"])?;

    authority.sign(site, "server", &Is::Server(&["localhost"]))?;
    renewed(&secured)?;
    ensure!(files.der()? != old, "it is another one");
    received(before + 1)?;
    ensure!(server.process().ended().is_none(), "the server ended");
    Ok(())
}
