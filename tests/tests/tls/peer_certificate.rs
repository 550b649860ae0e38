//! What the HTTP API shows of a connection over TLS, as RabbitMQ's does.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use harness::{Api, Files, Is, RabbitMq, TlsPeer, wait_for};
use serde_json::Value;

use super::Secured;

/// The fields that the two have to agree on.
const FIELDS: [&str; 5] =
    ["ssl", "ssl_protocol", "peer_cert_subject", "peer_cert_issuer", "peer_cert_validity"];

/// What the API shows of a client that shows this certificate.
fn shown(api: &Api, port: u16, trust: &Path, certificate: Option<&Files>) -> Result<Vec<Value>> {
    let mut peer = TlsPeer::connect(port, "localhost", trust, certificate)?;
    peer.amqp_open()?;
    let mut shown = Vec::new();
    wait_for("the connection", 20, || {
        let open = api.get("connections").map_err(|error| format!("{error:#}"))?;
        let is_it = |it: &&Value| it["ssl"] == true;
        let it = open.as_array().and_then(|all| all.iter().find(is_it));
        let it = it.ok_or_else(|| open.to_string())?;
        shown = FIELDS.iter().map(|field| it[field].clone()).collect();
        Ok(())
    })?;
    drop(peer);
    wait_for("its end", 20, || match api.get("connections") {
        Ok(open) if open.as_array().is_some_and(|all| all.iter().all(|it| it["ssl"] != true)) => {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    })?;
    Ok(shown)
}

#[test]
fn a_clients_certificate_is_shown_as_on_rabbitmq() -> Result<()> {
    let secured = Secured::new()?;
    let Secured { site, authority, files, port } = &secured;
    secured.configure(&format!("client_ca = \"{}\"\n", authority.file.display()))?;
    let _server = site.serve()?;
    let rabbitmq = RabbitMq::start_with_management_and_amqps(authority, files)?;
    let (theirs, their_port) = (rabbitmq.api()?, rabbitmq.tls_port()?);
    let ada = authority.sign(site, "ada", &Is::ClientInFull("ada"))?;
    for certificate in [Some(&ada), None] {
        let wanted = shown(&theirs, their_port, &authority.file, certificate)?;
        let got = shown(&site.api(), *port, &authority.file, certificate)?;
        ensure!(got == wanted, "{got:?}\nis on RabbitMQ\n{wanted:?}");
        let subject = got.get(2).context("a subject")?;
        ensure!(subject.is_null() == certificate.is_none(), "{subject}");
    }
    Ok(())
}
