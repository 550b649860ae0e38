//! Bad input on the command line: each gets one clear error that names the thing and the mend, a
//! non-zero exit code, and leaves nothing half-done.

use std::{fs, net::TcpListener};

use anyhow::{Result, ensure};
use harness::{Finished, Site, free_port, run};

/// Failed (not called wrongly), and says all of this.
fn refused(done: &Finished, code: i32, wanted: &[&str]) -> Result<()> {
    let said = &done.stderr;
    ensure!(done.code() == code, "exit {} instead of {code}: {said}", done.status);
    for word in wanted {
        ensure!(said.contains(word), "{word:?} is not in: {said}");
    }
    ensure!(!said.contains("panicked"), "a panic: {said}");
    ensure!(said.lines().count() <= 12, "too many words: {said}");
    Ok(())
}

fn serve(site: &Site, more: &[&str]) -> Result<Finished> {
    let words = site.serve_arguments();
    let words: Vec<&str> = words.iter().map(String::as_str).chain(more.iter().copied()).collect();
    site.tubepost(&words)
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let site = Site::new()?;
    let taken = TcpListener::bind(("127.0.0.1", site.amqp_port))?;
    refused(&serve(&site, &[])?, 1, &[&site.amqp_port.to_string(), "--amqp"])?;
    drop(taken);
    let _taken = TcpListener::bind(("127.0.0.1", site.http_port))?;
    refused(&serve(&site, &[])?, 1, &[&site.http_port.to_string(), "--http"])?;
    drop(_taken);
    // Neither left a lock behind.
    site.serve().map(|_| ())
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() -> Result<()> {
    let site = Site::new()?;
    // Root may write everywhere, but nobody makes a directory inside a file.
    let file = site.write("file", "not a directory")?;
    let directory = file.join("data").display().to_string();
    let amqp = format!("127.0.0.1:{}", site.amqp_port);
    let http = format!("127.0.0.1:{}", site.http_port);
    let words = ["serve", "--data-dir", &directory, "--amqp", &amqp, "--http", &http];
    refused(&site.tubepost(&words)?, 1, &[&directory])
}

#[test]
fn a_data_directory_of_a_newer_version_is_left_alone() -> Result<()> {
    let site = Site::new()?;
    site.serve()?.terminate()?;
    let format = site.path("data/format");
    fs::write(&format, "tubepost 999\n")?;
    let directory = site.path("data").display().to_string();
    refused(&serve(&site, &[])?, 1, &[&directory, "format 999", "use the version that wrote it"])?;
    ensure!(fs::read_to_string(&format)? == "tubepost 999\n", "the format was overwritten");
    Ok(())
}

#[test]
fn a_data_directory_of_an_older_version_is_taken_and_says_that_it_is_newer_now() -> Result<()> {
    let site = Site::new()?;
    site.serve()?.terminate()?;
    let format = site.path("data/format");
    let now = fs::read_to_string(&format)?;
    fs::write(&format, "tubepost 1\n")?;
    site.serve()?.terminate()?;
    ensure!(fs::read_to_string(&format)? == now && now != "tubepost 1\n", "not upgraded");
    Ok(())
}

#[test]
fn malformed_toml_is_shown_with_line_and_column() -> Result<()> {
    let site = Site::new()?;
    for (text, wanted) in [
        ("[amqp]\nlisten = \n", &["tubepost.toml", "2"][..]),
        ("[amqp]\nlisten = \"nonsense\"\n", &["tubepost.toml", "2", "nonsense", "127.0.0.1:5672"]),
        ("[amqp]\nlisen = \"127.0.0.1:1\"\n", &["tubepost.toml", "2", "lisen", "listen"]),
        ("[notify.mail]\nfrom = \"a@example.org\"\nport = \"many\"\n", &["tubepost.toml", "3"]),
    ] {
        site.write("tubepost.toml", text)?;
        let config = site.path("tubepost.toml").display().to_string();
        refused(&site.tubepost(&["serve", "--config", &config])?, 2, wanted)?;
    }
    ensure!(!site.path("tubepost-data").exists(), "a data directory was made all the same");
    Ok(())
}

#[test]
fn a_second_start_names_the_holder() -> Result<()> {
    let site = Site::new()?;
    let server = site.serve()?;
    let directory = site.path("data").display().to_string();
    let amqp = format!("127.0.0.1:{}", free_port());
    let http = format!("127.0.0.1:{}", free_port());
    let words = ["serve", "--data-dir", &directory, "--amqp", &amqp, "--http", &http];
    refused(&site.tubepost(&words)?, 1, &[&directory, &server.pid().to_string()])?;
    // A holder that died without a word holds nothing.
    server.kill()?;
    site.serve().map(|_| ())
}

#[test]
fn beyond_loopback_guest_is_not_enough() -> Result<()> {
    let site = Site::new()?;
    let directory = site.path("data").display().to_string();
    let amqp = format!("0.0.0.0:{}", site.amqp_port);
    let http = format!("127.0.0.1:{}", site.http_port);
    let words = ["serve", "--data-dir", &directory, "--amqp", &amqp, "--http", &http];
    refused(&site.tubepost(&words)?, 1, &["0.0.0.0", "user"])
}

#[test]
fn bad_json_is_shown_where_it_is_bad_and_nothing_is_published() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let tail = site.tail_json(&["org.example.#"])?;
    for (body, wanted) in [
        ("{\"a\": 1,}", &["JSON", "line 1"][..]),
        ("[1, 2]", &["object"]),
        ("", &["JSON"]),
        ("{\"a\": 1} {\"b\": 2}", &["JSON", "trailing"]),
        ("\"text\"", &["object"]),
    ] {
        refused(&site.tubepost(&["publish", "org.example.bad", body])?, 2, wanted)?;
        let by_input =
            site.tubepost_with_input(&["publish", "org.example.bad", "-"], body.as_bytes())?;
        refused(&by_input, 2, wanted)?;
    }
    let done =
        site.tubepost_with_input(&["publish", "org.example.bad", "-"], b"{\"a\": \"\xff\"}")?;
    refused(&done, 2, &[])?;
    site.publish("org.example.good", &serde_json::json!({}))?;
    let events = harness::wait_for_events(&tail, 1, 20)?;
    ensure!(events[0]["topic"] == "org.example.good", "{events:?}");
    Ok(())
}

#[test]
fn a_bus_that_is_not_there_is_named_with_the_reason() -> Result<()> {
    let site = Site::new()?;
    let port = site.amqp_port.to_string();
    refused(&site.tubepost(&["publish", "a.b", "{}"])?, 1, &["127.0.0.1", &port, "refused"])?;
    let mut unknown = site.command(&["publish", "a.b", "{}"]);
    unknown.env("TUBEPOST_BUS", "amqp://guest:s3cret@no-such-host.invalid/");
    let done = run("publish to an unknown host", &mut unknown, b"", 40)?;
    refused(&done, 1, &["no-such-host.invalid"])?;
    ensure!(!done.stderr.contains("s3cret"), "the password is shown: {}", done.stderr);
    Ok(())
}

#[test]
fn a_refused_login_is_said_without_the_password() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    for words in [&["publish", "a.b", "{}"][..], &["tail"], &["on", "#", "--", "true"]] {
        let mut command = site.command(words);
        command.env("TUBEPOST_BUS", site.amqp_url().replace("guest:guest", "guest:s3cret"));
        let done = run("a refused login", &mut command, b"", 40)?;
        refused(&done, 1, &["guest", "127.0.0.1"])?;
        ensure!(!done.stderr.contains("s3cret"), "the password is shown: {}", done.stderr);
    }
    Ok(())
}

#[test]
fn an_unknown_virtual_host_is_named() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let mut command = site.command(&["publish", "a.b", "{}"]);
    command.env("TUBEPOST_BUS", site.amqp_url().replace("%2f", "nowhere"));
    let done = run("an unknown virtual host", &mut command, b"", 40)?;
    refused(&done, 1, &["nowhere"])
}

#[test]
fn a_wrong_call_is_exit_code_2_and_help_is_0() -> Result<()> {
    let site = Site::new()?;
    for words in [&["publsh"][..], &["publish"], &["serve", "--amqpp", "x"], &["on", "#"]] {
        let done = site.tubepost(words)?;
        ensure!(done.code() == 2, "{words:?}: {}", done.status);
    }
    for verb in ["serve", "publish", "tail", "on", "hook", "config"] {
        let done = site.tubepost(&[verb, "--help"])?;
        ensure!(done.code() == 0 && done.stdout.contains("tubepost"), "{verb} --help");
    }
    refused(
        &site.tubepost(&["hook", "git", "install", "not-a-repository"])?,
        1,
        &["not-a-repository"],
    )
}
