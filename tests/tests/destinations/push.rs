//! A browser by Web Push: subscribed by command, told, and taken out when its service says that it
//! is gone. That what is sent can be read is tested beside the code that encrypts.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use anyhow::{Context, Result, ensure};
use harness::{Site, wait_for};
use serde_json::{Value, json};

use crate::{PUSHED, notify, push, site};

/// The browser's keys of RFC 8291, Appendix A.
const KEY: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const SECRET: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// A push service that answers so, one status for each request; and what it was asked, in lines.
fn service(statuses: [&'static str; 2]) -> Result<(u16, mpsc::Receiver<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (asked, heads) = mpsc::channel();
    thread::spawn(move || {
        for status in statuses {
            let Ok((mut socket, _)) = listener.accept() else { return };
            let mut head = Vec::new();
            let mut buffer = [0; 1024];
            while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                match socket.read(&mut buffer) {
                    Ok(count @ 1..) => head.extend_from_slice(&buffer[..count]),
                    _ => return,
                }
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
            let _ = asked.send(String::from_utf8_lossy(&head).into_owned());
        }
    });
    Ok((port, heads))
}

fn destinations(site: &Site) -> Result<Vec<Value>> {
    let listed = notify(site, &["destination", "list", "ada", "--json"])?.stdout;
    Ok(listed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

#[test]
fn a_browser_that_is_gone_is_disabled_and_its_owner_hears_of_it() -> Result<()> {
    let (port, heads) = service(["201 Created", "410 Gone"])?;
    let subscription = json!({"endpoint": format!("http://127.0.0.1:{port}/wpush/s3cret"),
        "expirationTime": null, "keys": {"p256dh": KEY, "auth": SECRET}});
    let mut feed = String::new();
    let mut key = String::new();
    let (site, server) = site(|site| {
        let config = site.path("tubepost.toml").display().to_string();
        let add = ["notify", "destination", "add", "ada", "push:", "--config", &config];
        let input = subscription.to_string();
        let refused = site.tubepost_with_input(&add, input.as_bytes())?;
        ensure!(refused.code() == 1, "{}", refused.stderr);
        ensure!(refused.stderr.contains("set notify.push.contact"), "{}", refused.stderr);
        let text = std::fs::read_to_string(&config)?;
        let contact = "contact = \"mailto:ops@example.org\"\nprivate_addresses = true\n";
        let key_file = site.path("push.key").display().to_string();
        let more = format!("[notify.push]\nkey_file = \"{key_file}\"\n{contact}");
        site.write("tubepost.toml", format!("{text}{more}"))?;
        let added = site.tubepost_with_input(&add, input.as_bytes())?;
        ensure!(added.code() == 0 && !added.stderr.contains("s3cret"), "{}", added.stderr);
        let made = notify(site, &["destination", "add", "ada", "feed:"])?.stdout;
        made.lines().next().context("no feed")?.clone_into(&mut feed);
        notify(site, &["push-key"])?.stdout.clone_into(&mut key);
        let rule = ["rule", "add", "ada", "--name", "all", "--topic", "#.git.#", "--to", "@push"];
        notify(site, &rule).map(drop)
    })?;
    ensure!(key.len() == 87, "{key:?}");

    site.publish(PUSHED, &push("kernel", "one"))?;
    let head = heads.recv_timeout(std::time::Duration::from_secs(20))?.to_lowercase();
    ensure!(head.starts_with("post /wpush/s3cret http/1.1\r\n"), "{head}");
    ensure!(head.contains("content-encoding: aes128gcm\r\n"), "{head}");
    ensure!(head.contains(&format!(", k={}\r\n", key.to_lowercase())), "{head}");

    site.publish(PUSHED, &push("kernel", "two"))?;
    wait_for("the browser to be disabled", 20, || {
        let all = destinations(&site).map_err(|error| format!("{error:#}"))?;
        let gone = all.iter().find(|one| one["enabled"] == false);
        match gone.and_then(|one| one["bounced"].as_str()) {
            Some(why) if why.contains("410") => Ok(()),
            _ => Err(format!("{all:?}")),
        }
    })?;
    let path = feed.strip_prefix(site.http_url().trim_end_matches('/')).context("another site")?;
    let told = wait_for("the notice of it", 20, || {
        let text = site.get(path).map_err(|error| format!("{error:#}"))?;
        if text.contains("410 Gone") { Ok(text) } else { Err(text) }
    })?;
    ensure!(!told.contains("s3cret"), "{told}");

    // It is taken out by the name that the list shows, which is not its address.
    let all = destinations(&site)?;
    let shown = all.iter().filter_map(|one| one["id"].as_str()).find(|id| id.starts_with("push:"));
    let shown = shown.context("not listed")?;
    ensure!(!shown.contains("s3cret"), "{shown}");
    notify(&site, &["destination", "remove", "ada", shown])?;
    ensure!(destinations(&site)?.len() == 1, "{shown}");
    let mut server = server;
    let log = server.process().log();
    ensure!(!log.contains("s3cret") && !log.contains(SECRET), "{log}");
    server.terminate()
}
