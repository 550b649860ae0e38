//! The usual mistakes: no TLS where it is, TLS where it is not, TLS of long ago, files that are no
//! good. Each is answered or logged so that it can be mended.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use anyhow::{Result, ensure};
use harness::wait_for;

use super::{Secured, logged};

/// Sends these octets and reads to the end.
fn answer(port: u16, octets: &[u8]) -> Result<Vec<u8>> {
    let mut peer = TcpStream::connect(("127.0.0.1", port))?;
    peer.set_read_timeout(Some(Duration::from_secs(10)))?;
    peer.write_all(octets)?;
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_client_without_tls_on_the_port_with_it_is_told_so() -> Result<()> {
    let secured = Secured::new()?;
    let mut server = secured.site.serve()?;
    let told = answer(secured.port, b"AMQP\x00\x00\x09\x01")?;
    // connection.close, 530.
    ensure!(told.get(7..13) == Some(&[0, 10, 0, 50, 2, 18]), "{told:?}");
    ensure!(String::from_utf8_lossy(&told).contains("AMQP over TLS only"), "{told:?}");
    logged(&mut server, &["not connected", "port for TLS", "amqps://"])?;
    let told = answer(secured.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    ensure!(told.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&told));
    logged(&mut server, &["not connected", "port for TLS", "HTTP"])?;
    ensure!(answer(secured.port, b"SSH-2.0-OpenSSH_9\r\n")?.is_empty(), "an answer to SSH");

    let url = format!("amqp://guest:guest@localhost:{}/%2f", secured.port);
    let said = secured.is_refused(&url)?;
    ensure!(said.contains("amqps://"), "our own client shows it: {said}");
    Ok(())
}

#[test]
fn tls_on_the_port_without_it_is_logged_with_the_mend() -> Result<()> {
    let secured = Secured::new()?;
    let mut server = secured.site.serve()?;
    let url = secured.url("localhost", &secured.authority.file, "");
    let url = url.replace(&secured.port.to_string(), &secured.site.amqp_port.to_string());
    let said = secured.is_refused(&url)?;
    ensure!(said.contains("for a port without TLS write amqp://"), "{said}");
    logged(&mut server, &["not connected", "starts TLS on a port without TLS"])
}

#[test]
fn tls_1_1_is_refused_in_its_own_words() -> Result<()> {
    let secured = Secured::new()?;
    let mut server = secured.site.serve()?;
    // ClientHello of TLS 1.1 with two suites of its time (RFC 4346 §7.4.1.2).
    let mut hello = vec![3, 2];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let mut octets = vec![0x16, 3, 1, 0, u8::try_from(hello.len() + 4)?];
    octets.extend_from_slice(&[1, 0, 0, u8::try_from(hello.len())?]);
    octets.extend_from_slice(&hello);
    // A fatal alert: protocol_version (RFC 8446 §6.2).
    let told = answer(secured.port, &octets)?;
    ensure!(told.first() == Some(&0x15) && told.ends_with(&[2, 70]), "{told:?}");
    logged(&mut server, &["not connected", "neither TLS 1.2 nor 1.3"])
}

#[test]
fn files_that_are_no_good_are_said_before_anything_begins() -> Result<()> {
    let secured = Secured::new()?;
    let key = &secured.files.key;
    fs::set_permissions(key, fs::Permissions::from_mode(0o644))?;
    let mut server = secured.site.begin_to_serve()?;
    let status = server.wait(10)?;
    ensure!(status.code() == Some(2), "{status}");
    let said = server.stderr().join("\n");
    ensure!(said.contains(&format!("chmod o= {}", key.display())), "{said}");
    ensure!(!secured.site.path("data").exists(), "nothing was begun");
    let config = secured.site.path("tubepost.toml").display().to_string();
    let check = secured.site.tubepost(&["config", "--check", "--config", &config])?;
    ensure!(check.code() == 2 && check.stderr.contains("chmod o="), "{}", check.stderr);
    fs::set_permissions(key, fs::Permissions::from_mode(0o640))?;
    let check = secured.site.tubepost(&["config", "--check", "--config", &config])?;
    ensure!(check.code() == 0, "{}", check.stderr);
    Ok(())
}

#[test]
fn a_tls_port_beyond_this_machine_needs_users_as_any_other() -> Result<()> {
    let secured = Secured::new()?;
    let everywhere = format!("0.0.0.0:{}", secured.port);
    secured.site.write(
        "tubepost.toml",
        fs::read_to_string(secured.site.path("tubepost.toml"))?
            .replace(&format!("127.0.0.1:{}", secured.port), &everywhere),
    )?;
    let mut server = secured.site.begin_to_serve()?;
    ensure!(!server.wait(10)?.success(), "it serves everybody");
    let said = server.stderr().join("\n");
    ensure!(said.contains(&everywhere) && said.contains("tubepost user add"), "{said}");
    secured.add_user("ada")?;
    let _server = secured.site.serve()?;
    wait_for("the port", 10, || {
        TcpStream::connect(("127.0.0.1", secured.port)).map(drop).map_err(|error| error.to_string())
    })
}
