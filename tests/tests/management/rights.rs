//! Who may see and do what: tags, permissions, the socket.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt};

use anyhow::{Result, ensure};
use harness::{Api, Site, Wire, wait_for};

fn status(api: &Api, method: &str, path: &str, body: &str, expected: u16) -> Result<String> {
    let reply = api.call(method, path, body)?;
    ensure!(reply.status == expected, "{method} {path}: {} {}", reply.status, reply.text);
    Ok(reply.text)
}

fn user(api: &Api, name: &str, tags: &str) -> Result<Api> {
    let body = format!(r#"{{"password": "p-{name}", "tags": "{tags}"}}"#);
    status(api, "PUT", &format!("users/{name}"), &body, 201)?;
    Ok(api.logged_in(name, &format!("p-{name}")))
}

const ALL: &str = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;

#[test]
fn tags_and_permissions_say_who_sees_and_does_what() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let guest = site.api();
    status(&guest, "PUT", "vhosts/v", "", 201)?;
    let (manager, maker) = (user(&guest, "m", "management")?, user(&guest, "p", "policymaker")?);
    let (monitor, nobody) = (user(&guest, "o", "monitoring")?, user(&guest, "n", "")?);
    for name in ["m", "p"] {
        status(&guest, "PUT", &format!("permissions/v/{name}"), ALL, 201)?;
    }
    let policy = r#"{"pattern": "", "definition": {"max-length": 5}}"#;
    for (who, method, path, body, expected) in [
        (&nobody, "GET", "whoami", "", 401),
        (&manager, "GET", "whoami", "", 200),
        (&manager, "GET", "nodes", "", 401),
        (&monitor, "GET", "nodes", "", 200),
        (&manager, "GET", "users", "", 401),
        (&monitor, "GET", "users", "", 401),
        (&manager, "GET", "queues/%2F", "", 401),
        (&manager, "GET", "queues/v", "", 200),
        (&manager, "PUT", "queues/v/q", "{}", 201),
        (&manager, "PUT", "queues/%2F/q", "{}", 401),
        (&monitor, "PUT", "queues/v/q2", "{}", 401),
        (&manager, "PUT", "policies/v/p", policy, 401),
        (&maker, "PUT", "policies/v/p", policy, 201),
        (&maker, "PUT", "operator-policies/v/p", policy, 401),
        (&maker, "PUT", "policies/%2F/p", policy, 401),
        (&manager, "PUT", "vhosts/w", "", 401),
        (&manager, "GET", "definitions", "", 401),
        (&manager, "POST", "definitions", "{}", 401),
        (&manager, "PUT", "permissions/v/n", ALL, 401),
        (&manager, "DELETE", "users/n", "", 401),
        (&manager, "PUT", "vhost-limits/v/max-queues", r#"{"value": 1}"#, 401),
    ] {
        status(who, method, path, body, expected)?;
    }
    let seen = manager.get("vhosts")?;
    ensure!(seen.as_array().is_some_and(|it| it.len() == 1), "only their own: {seen}");
    let overview = manager.get("overview")?;
    ensure!(overview.get("listeners").is_none(), "where it listens is for monitors: {overview}");
    // What the rights to each queue leave out is left out.
    let some = r#"{"configure": "^mine", "write": "", "read": "^mine"}"#;
    status(&guest, "PUT", "permissions/v/m", some, 204)?;
    let refused = status(&manager, "PUT", "queues/v/theirs", "{}", 401)?;
    ensure!(refused.contains("configure access to queue 'theirs'"), "{refused}");
    status(&manager, "DELETE", "queues/v/q", "", 401)?;
    let get = r#"{"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}"#;
    status(&manager, "POST", "queues/v/q/get", get, 401)?;
    status(&manager, "PUT", "queues/v/mine", "{}", 201)?;
    status(&manager, "POST", "queues/v/mine/get", get, 200)?;
    // A right that is taken back is gone at once.
    status(&guest, "DELETE", "permissions/v/m", "", 204)?;
    status(&manager, "GET", "queues/v", "", 401)?;
    Ok(())
}

#[test]
fn the_next_of_a_deleted_users_name_begins_anew() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let guest = site.api();
    status(&guest, "PUT", "vhosts/v", "", 201)?;
    user(&guest, "ada", "management")?;
    status(&guest, "PUT", "permissions/v/ada", ALL, 201)?;
    status(&guest, "DELETE", "users/ada", "", 204)?;
    let ada = user(&guest, "ada", "management")?;
    status(&ada, "GET", "queues/v", "", 401)?;
    status(&guest, "GET", "permissions/v/ada", "", 404)?;
    Ok(())
}

#[test]
fn the_creator_of_a_virtual_host_may_do_everything_there() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let admin = user(&site.api(), "boss", "administrator")?;
    status(&admin, "PUT", "vhosts/mine", "", 201)?;
    status(&admin, "PUT", "queues/mine/q", r#"{"durable": true}"#, 201)?;
    let given = admin.get("permissions/mine/boss")?;
    ensure!(given["configure"] == ".*", "{given}");
    status(&site.api(), "GET", "permissions/mine/guest", "", 404)?;
    Ok(())
}

#[test]
fn on_the_socket_the_owner_needs_no_login_and_may_do_everything() -> Result<()> {
    let site = Site::new()?;
    let server = site.serve()?;
    let owner = site.socket();
    let path = site.path("data/management.sock");
    let mode = fs::metadata(&path)?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "mode {mode:o}");
    let who = owner.get("whoami")?;
    ensure!(who["tags"][0] == "administrator", "{who}");
    status(&owner, "PUT", "vhosts/v", "", 201)?;
    ensure!(
        owner.get("vhosts/v/permissions")? == serde_json::json!([]),
        "nobody was given a right"
    );
    for (method, path, body, expected) in [
        ("PUT", "queues/v/q", r#"{"durable": true}"#, 201),
        ("PUT", "exchanges/v/x", r#"{"type": "topic"}"#, 201),
        ("POST", "bindings/v/e/x/q/q", r#"{"routing_key": "a.#"}"#, 201),
        (
            "POST",
            "exchanges/v/x/publish",
            r#"{"properties": {}, "routing_key": "a.b", "payload": "x", "payload_encoding": "string"}"#,
            200,
        ),
        ("DELETE", "queues/v/q/contents", "", 204),
        ("PUT", "users/ada", r#"{"password": "p", "tags": ""}"#, 201),
        ("PUT", "permissions/v/ada", ALL, 201),
    ] {
        status(&owner, method, path, body, expected)?;
    }
    server.terminate()?;
    ensure!(!path.exists(), "it is gone with the server");
    // One that a killed server left is no obstacle.
    site.serve()?.kill()?;
    ensure!(path.exists(), "a killed server leaves it");
    let _server = site.serve()?;
    ensure!(owner.get("queues/v")?[0]["name"] == "q", "the same data");
    Ok(())
}

#[test]
fn a_users_limits_count_all_that_they_have_open() -> Result<()> {
    const CHANNEL_OPEN: (u16, u16) = (20, 10);
    let site = Site::new()?;
    let _server = site.serve()?;
    let owner = site.socket();
    status(&owner, "PUT", "users/ada", r#"{"password": "p", "tags": ""}"#, 201)?;
    status(&owner, "PUT", "permissions/%2F/ada", ALL, 201)?;
    for (name, value) in [("max-connections", 2), ("max-channels", 3)] {
        let body = format!(r#"{{"value": {value}}}"#);
        status(&owner, "PUT", &format!("user-limits/ada/{name}"), &body, 204)?;
    }
    status(&owner, "PUT", "user-limits/ada/max-fun", r#"{"value": 1}"#, 400)?;
    status(&owner, "PUT", "user-limits/nobody/max-channels", r#"{"value": 1}"#, 404)?;
    let limits = owner.get("user-limits/ada")?;
    let expected = serde_json::json!([{
        "user": "ada", "value": {"max-connections": 2, "max-channels": 3}
    }]);
    ensure!(limits == expected, "{limits}");
    let address = SocketAddr::from(([127, 0, 0, 1], site.amqp_port));
    let open = || Wire::open_as(address, ("ada", "p"), 0);
    let (mut one, mut two) = (open()?, open()?);
    let third = open().map(drop).map_err(|error| format!("{error:#}"));
    let words = "connection refused for user 'ada': user connection limit (2) is reached";
    ensure!(third.as_ref().is_err_and(|it| it.contains(words)), "{third:?}");
    for (number, channel) in [(0, 1), (1, 1), (1, 2)] {
        let wire = if number == 0 { &mut one } else { &mut two };
        wire.send(channel, CHANNEL_OPEN, b"\0")?;
        wire.expect((20, 11))?;
    }
    one.send(2, CHANNEL_OPEN, b"\0")?;
    let text = String::from_utf8_lossy(&one.expect((10, 50))?).into_owned();
    let words = "number of channels opened for user 'ada' has reached the maximum allowed user \
                 limit of (3)";
    ensure!(text.contains(words), "{text}");
    // It counts for what is opened from then on.
    status(&owner, "DELETE", "user-limits/ada/max-connections", "", 204)?;
    wait_for("a connection without a limit", 10, || {
        open().map(drop).map_err(|error| format!("{error:#}"))
    })?;
    Ok(())
}

#[test]
fn it_can_be_turned_off_and_the_socket_stays() -> Result<()> {
    let site = Site::new()?;
    let mut words = site.serve_arguments();
    words.extend(["--management".to_owned(), "off".to_owned()]);
    // The first of the two flags goes.
    let at = words.iter().position(|word| word == "--management").unwrap_or_default();
    words.drain(at..at + 2);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _server = site.start(&words)?;
    wait_for("the socket", 20, || {
        site.socket().get("overview").map_err(|error| format!("{error:#}"))
    })?;
    ensure!(site.api().get("overview").is_err(), "somebody listens");
    let listeners = &site.socket().get("overview")?["listeners"];
    let protocols = listeners.as_array().into_iter().flatten().map(|it| &it["protocol"]);
    let mut protocols = protocols.filter_map(|it| it.as_str());
    // The pages take WebSockets all the same.
    ensure!(protocols.all(|it| it != "http"), "{listeners}");
    Ok(())
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_mends_it() -> Result<()> {
    let site = Site::new()?;
    let _taken = std::net::TcpListener::bind(("127.0.0.1", site.management_port))?;
    let words = site.serve_arguments();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = site.tubepost(&words)?;
    let port = site.management_port.to_string();
    ensure!(done.code() == 1, "{}", done.stderr);
    ensure!(done.stderr.contains(&port) && done.stderr.contains("--management"), "{}", done.stderr);
    Ok(())
}
