//! What strangers send: no logins, no JSON, too much of it, wrong methods, foreign pages.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Result, ensure};
use harness::{Reply, Site};

fn is_refused(reply: &Reply, status: u16, said: &str) -> Result<()> {
    ensure!(reply.status == status && reply.text.contains(said), "{said}: {reply:?}");
    if !reply.text.is_empty() {
        let body = reply.json()?;
        ensure!(body["error"].is_string() && !body["reason"].is_null(), "{reply:?}");
    }
    Ok(())
}

#[test]
fn who_is_nobody_is_asked_to_log_in() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let nobody = site.api().logged_out();
    for api in [nobody.clone(), nobody.logged_in("guest", "wrong"), nobody.logged_in("x", "y")] {
        let reply = api.call("GET", "overview", "")?;
        is_refused(&reply, 401, "Login failed")?;
        ensure!(reply.head.to_lowercase().contains("www-authenticate: basic"), "{reply:?}");
    }
    let broken = nobody.send("GET", "/api/overview", &[("Authorization", "Basic !!")], b"")?;
    is_refused(&broken, 401, "Login failed")
}

#[test]
fn bodies_that_cannot_be_are_refused_and_nothing_happens() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let api = site.api();
    let deep = format!(r#"{{"arguments": {{"a": {}1{}}}}}"#, "[".repeat(100), "]".repeat(100));
    let very_deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("queues/%2F/{}", "x".repeat(256));
    let number = r#"{"arguments": {"x-max-length": 99999999999999999999}}"#;
    for (method, path, body, status, said) in [
        ("PUT", "queues/%2F/q", r#"{"durable""#, 400, "not_json"),
        ("PUT", "queues/%2F/q", "[]", 400, "not_json"),
        ("PUT", "queues/%2F/q", "\u{0}", 400, "not_json"),
        ("PUT", "queues/%2F/q", &deep, 400, "nested deeper"),
        ("PUT", "queues/%2F/q", &very_deep, 400, "not_json"),
        ("PUT", "queues/%2F/q", r#"{"durable": 7}"#, 400, "not true or false"),
        ("PUT", "queues/%2F/q", r#"{"arguments": [1]}"#, 400, "not an object"),
        ("PUT", "queues/%2F/q", number, 400, ""),
        ("PUT", "queues/%2F/q", r#"{"exclusive": true}"#, 400, "belongs to a connection"),
        ("PUT", &long, "{}", 400, "256 bytes"),
        ("PUT", "queues/%2F/amq.x", "{}", 401, "reserved prefix"),
        ("PUT", "queues/%ff/q", "{}", 404, "Not Found"),
        ("PUT", "queues/nope/q", "{}", 404, "vhost nope not found"),
        ("PUT", "users/%0a", r#"{"password": "x", "tags": ""}"#, 400, "control character"),
        ("PUT", "users/u", r#"{"password": 5, "tags": ""}"#, 400, "not a text"),
        ("PUT", "users/u", r#"{"password": "x", "tags": {"a": 1}}"#, 400, "tags"),
        ("PUT", "users/u", r#"{"password_hash": "zz", "tags": ""}"#, 400, "base64"),
        ("PUT", "vhosts/%00", "", 400, "control character"),
        ("POST", "definitions", r#"{"queues": [{"name": 5}]}"#, 400, "queues[0].name"),
        ("POST", "users/bulk-delete", r#"{"users": [5]}"#, 400, "not a list of names"),
        ("DELETE", "vhosts/%2F", "", 400, "always there"),
        ("DELETE", "users/guest", "", 400, "built-in guest"),
        ("POST", "queues/%2F/q", "{}", 405, "only"),
        ("PATCH", "queues", "", 405, "only"),
        ("GET", "definitions/nope", "", 404, "nope"),
        ("GET", "auth/attempts/nope", "", 404, "nope"),
    ] {
        is_refused(&api.call(method, path, body)?, status, said)?;
    }
    ensure!(api.call("GET", "queues/%2F/q", "")?.status == 404, "a queue was declared");
    ensure!(api.get("users")?.as_array().is_some_and(|it| it.len() == 1), "a user was created");
    Ok(())
}

#[test]
fn a_body_may_be_so_long_and_a_head_too() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let api = site.api();
    let announced = [("Content-Length", "999999999999")];
    is_refused(&api.send("POST", "/api/definitions", &announced, b"{")?, 413, "the most")?;
    let long = vec![b' '; 33 * 1024 * 1024];
    is_refused(&api.send("POST", "/api/definitions", &[], &long)?, 413, "the most")?;
    let head = "x".repeat(64 * 1024);
    let reply = api.send("GET", "/api/overview", &[("X-Long", &head)], b"")?;
    ensure!((400..500).contains(&reply.status), "{}", reply.status);
    ensure!(api.get("whoami")?["name"] == "guest", "it goes on");
    Ok(())
}

#[test]
fn foreign_pages_and_foreign_names_are_refused() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let api = site.api();
    let put = |headers: &[(&str, &str)]| {
        api.send("PUT", "/api/queues/%2F/q", headers, br#"{"durable": true}"#)
    };
    is_refused(&put(&[("Origin", "http://evil.example")])?, 403, "another site")?;
    is_refused(&put(&[("Sec-Fetch-Site", "cross-site")])?, 403, "another site")?;
    is_refused(&put(&[("Host", "evil.example")])?, 403, "evil.example")?;
    ensure!(put(&[("Origin", "http://localhost")])?.status == 201, "one's own page");
    let elsewhere = api.logged_out().send("GET", "/", &[], b"")?;
    ensure!(elsewhere.status == 302, "a browser is led to the pages: {elsewhere:?}");
    Ok(())
}

#[test]
fn a_form_with_a_file_is_imported() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"d.json\"\r\n\
        Content-Type: application/json\r\n\r\n{\"vhosts\": [{\"name\": \"from-a-form\"}]}\r\n--b--\r\n";
    let headers = [("Content-Type", "multipart/form-data; boundary=b")];
    let api = site.api();
    let reply = api.send("POST", "/api/definitions", &headers, body)?;
    ensure!(reply.status == 204, "{reply:?}");
    ensure!(api.get("vhosts/from-a-form")?["name"] == "from-a-form", "imported");
    is_refused(&api.send("POST", "/api/definitions", &headers, b"--b")?, 400, "form")
}

#[test]
fn peers_that_say_nothing_do_not_keep_others_out() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut socket = TcpStream::connect(("127.0.0.1", site.management_port))?;
        socket.write_all(b"GET /api/overview HT")?;
        silent.push(socket);
    }
    ensure!(site.api().get("whoami")?["name"] == "guest", "others are served meanwhile");
    // And they are let go of.
    let mut first = silent.swap_remove(0);
    first.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut said = Vec::new();
    first.read_to_end(&mut said)?;
    Ok(())
}
