//! Clients' certificates: asked for or not, whose they may be, and the users they log in.

use anyhow::{Result, ensure};
use harness::{Authority, Broker, Files, Is, Server, TlsPeer, python_script, wait_for};

use super::{Secured, logged};

/// A site that asks clients for certificates, signed by the same authority as the server's.
fn asking(more: &str) -> Result<Secured> {
    let secured = Secured::new()?;
    secured.configure(&format!("client_ca = \"{}\"\n{more}", secured.authority.file.display()))?;
    Ok(secured)
}

/// The URL of our own client that logs in with a certificate.
fn external(secured: &Secured, files: &Files) -> String {
    let Files { certificate, key } = files;
    let (certificate, key) = (certificate.display(), key.display());
    let more = format!("&certfile={certificate}&keyfile={key}&auth_mechanism=external");
    secured.url("localhost", &secured.authority.file, &more)
}

/// The mechanisms that a client is offered.
fn offered(secured: &Secured, shown: Option<&Files>) -> Result<String> {
    let mut peer = TlsPeer::connect(secured.port, "localhost", &secured.authority.file, shown)?;
    let start = String::from_utf8_lossy(&peer.amqp_start()?).into_owned();
    let offered = ["PLAIN AMQPLAIN EXTERNAL", "PLAIN AMQPLAIN"];
    let found = offered.into_iter().find(|mechanisms| start.contains(mechanisms));
    Ok(found.unwrap_or_default().to_owned())
}

fn refused(secured: &Secured, server: &mut Server, shown: &Files, words: &[&str]) -> Result<()> {
    ensure!(offered(secured, Some(shown)).is_err(), "{shown:?} was accepted");
    logged(server, words)
}

#[test]
fn an_optional_certificate_is_offered_external_and_nobody_else_is() -> Result<()> {
    let secured = asking("")?;
    let mut server = secured.site.serve()?;
    let Secured { site, authority, .. } = &secured;
    let ada = authority.sign(site, "ada", &Is::Client("ada"))?;
    ensure!(offered(&secured, None)? == "PLAIN AMQPLAIN", "without a certificate");
    ensure!(offered(&secured, Some(&ada))? == "PLAIN AMQPLAIN EXTERNAL", "with one");

    let stranger = Authority::new(site, "stranger")?.sign(site, "eve", &Is::Client("ada"))?;
    refused(&secured, &mut server, &stranger, &["not connected", "amqp.tls.client_ca"])?;
    let expired = authority.sign(site, "expired", &Is::ExpiredClient("ada"))?;
    refused(&secured, &mut server, &expired, &["not connected", "has expired"])?;
    let own = Files::self_signed(site, "self", &Is::Client("ada"))?;
    refused(&secured, &mut server, &own, &["not connected", "client's certificate is refused"])?;
    refused(&secured, &mut server, &secured.files, &["not connected", "clientAuth"])
}

#[test]
fn tls_1_2_does_the_same() -> Result<()> {
    let secured = asking("client_certificate = \"required\"\n")?;
    let mut server = secured.site.serve()?;
    let Secured { site, authority, port, .. } = &secured;
    let connect = |shown| -> Result<Vec<u8>> {
        TlsPeer::connect_by_tls_1_2(*port, "localhost", &authority.file, shown)?.amqp_start()
    };
    let ada = authority.sign(site, "ada", &Is::Client("ada"))?;
    let start = String::from_utf8_lossy(&connect(Some(&ada))?).into_owned();
    ensure!(start.contains("EXTERNAL"), "{start}");
    ensure!(connect(None).is_err(), "without a certificate");
    logged(&mut server, &["not connected", "no certificate"])?;
    let expired = authority.sign(site, "expired", &Is::ExpiredClient("ada"))?;
    let said = connect(Some(&expired)).unwrap_err();
    ensure!(format!("{said:#}").contains("CertificateExpired"), "{said:#}");
    logged(&mut server, &["not connected", "has expired"])
}

#[test]
fn a_required_certificate_lets_nobody_in_without() -> Result<()> {
    let secured = asking("client_certificate = \"required\"\n")?;
    let mut server = secured.site.serve()?;
    let ada = secured.authority.sign(&secured.site, "ada", &Is::Client("ada"))?;
    ensure!(offered(&secured, None).is_err(), "without a certificate");
    logged(&mut server, &["not connected", "no certificate", "client_certificate"])?;
    ensure!(offered(&secured, Some(&ada))? == "PLAIN AMQPLAIN EXTERNAL", "with one");
    // A password still is a login, behind the certificate.
    let Files { certificate, key } = &ada;
    let shown = format!("&certfile={}&keyfile={}", certificate.display(), key.display());
    secured.may_publish(&secured.url("localhost", &secured.authority.file, &shown))
}

#[test]
fn nobody_is_asked_and_external_is_not_offered_unless_configured() -> Result<()> {
    let secured = Secured::new()?;
    let mut server = secured.site.serve()?;
    secured.add_user("ada")?;
    let ada = secured.authority.sign(&secured.site, "ada", &Is::Client("ada"))?;
    ensure!(offered(&secured, Some(&ada))? == "PLAIN AMQPLAIN", "it was not asked for");
    // A client that takes it without being offered it.
    secured.is_refused(&external(&secured, &ada))?;
    logged(&mut server, &["login refused", "EXTERNAL", "client_certificate"])
}

#[test]
fn external_logs_in_the_user_of_the_common_name_and_nobody_else() -> Result<()> {
    let secured = asking("")?;
    let mut server = secured.site.serve()?;
    let Secured { site, authority, .. } = &secured;
    let ada = authority.sign(site, "ada", &Is::Client("ada"))?;
    let said = secured.is_refused(&external(&secured, &ada))?;
    ensure!(said.contains("login by certificate"), "{said}");
    logged(&mut server, &["login refused", "'ada'", "tubepost user add 'ada'"])?;
    secured.add_user("ada")?;
    secured.may_publish(&external(&secured, &ada))?;
    logged(&mut server, &["connected", "user=\"ada\"", "tls="])?;
    // guest works from this machine with a password, not by a certificate; nor do the services.
    for (file, name) in [("guest", "guest"), ("services", "tubepost.services")] {
        let files = authority.sign(site, file, &Is::Client(name))?;
        secured.is_refused(&external(&secured, &files))?;
        logged(&mut server, &["login refused", &format!("'{name}'")])?;
    }
    Ok(())
}

#[test]
fn external_logs_in_the_user_of_the_alternative_name_if_so_configured() -> Result<()> {
    let secured = asking("user_from = \"san\"\n")?;
    let mut server = secured.site.serve()?;
    let Secured { site, authority, .. } = &secured;
    secured.add_user("cn")?;
    for (file, name) in
        [("a", "ci.example.org"), ("b", "ada@example.org"), ("c", "spiffe://example.org/ci")]
    {
        let files = authority.sign(site, file, &Is::ClientNamed(name))?;
        secured.is_refused(&external(&secured, &files))?;
        logged(&mut server, &["login refused", &format!("'{name}'")])?;
        secured.add_user(name)?;
        secured.may_publish(&external(&secured, &files))?;
        logged(&mut server, &["connected", &format!("user=\"{name}\"")])?;
    }
    let nameless = authority.sign(site, "cn", &Is::Client("cn"))?;
    secured.is_refused(&external(&secured, &nameless))?;
    logged(&mut server, &["login refused", "subjectAltName", "user_from"])
}

#[test]
fn another_authority_for_clients_is_in_force_without_a_restart() -> Result<()> {
    let secured = asking("")?;
    let mut server = secured.site.serve()?;
    let Secured { site, .. } = &secured;
    let clients = Authority::new(site, "clients")?;
    let trust = secured.authority.file.clone();
    let ada = clients.sign(site, "ada", &Is::Client("ada"))?;
    let connect = || TlsPeer::connect(secured.port, "localhost", &trust, Some(&ada));
    refused(&secured, &mut server, &ada, &["not connected", "amqp.tls.client_ca"])?;
    // Our own trust of the server is in the same file: both authorities.
    let both = std::fs::read_to_string(&trust)? + &std::fs::read_to_string(&clients.file)?;
    std::fs::write(&trust, both)?;
    wait_for("the new authority", 10, || {
        let start = connect().and_then(|mut peer| peer.amqp_start());
        start.map(|_| ()).map_err(|error| error.to_string())
    })
}

/// What the scripts are told of certificates.
fn files_of(secured: &Secured, shown: &Files) -> [String; 6] {
    let word = |option: &str| option.to_owned();
    let file = |path: &std::path::Path| path.display().to_string();
    let (certificate, key) = (file(&shown.certificate), file(&shown.key));
    let ca_file = file(&secured.authority.file);
    [word("--ca-file"), ca_file, word("--certificate"), certificate, word("--key"), key]
}

/// A script logs in as ada, by her certificate.
fn ada_logs_in(secured: &Secured, script: &str, line: &[&str]) -> Result<()> {
    let mut server = secured.site.serve()?;
    let ada = secured.authority.sign(&secured.site, "ada", &Is::Client("ada"))?;
    secured.add_user("ada")?;
    let files = files_of(secured, &ada);
    let url = format!("amqps://localhost:{}/%2f", secured.port);
    python_script(script, &url, Broker::Tubepost, &files.each_ref().map(String::as_str))?;
    logged(&mut server, line)
}

#[test]
fn pika_logs_in_by_certificate() -> Result<()> {
    let secured = asking("client_certificate = \"required\"\n")?;
    ada_logs_in(&secured, "pika_external.py", &["connected", "user=\"ada\""])
}

#[test]
fn proton_logs_in_by_certificate() -> Result<()> {
    let line = ["connected by AMQP 1.0", "user=\"ada\"", "tls=\"1.3\""];
    ada_logs_in(&asking("")?, "proton_external.py", &line)
}
