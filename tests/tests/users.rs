//! Users: who may log in. Once an operator created one, other addresses may be listened on.

use anyhow::{Result, ensure};
use harness::{Finished, Site, run};

fn user(site: &Site, words: &[&str], input: &[u8]) -> Result<Finished> {
    let directory = site.path("data").display().to_string();
    let words = [&["user"][..], words, &["--data-dir", &directory]].concat();
    site.tubepost_with_input(&words, input)
}

/// Publishes as somebody; whether the bus took it.
fn may_publish(site: &Site, name: &str, password: &str) -> Result<bool> {
    let mut command = site.command(&["publish", "org.example.login", "{}"]);
    let login = format!("{name}:{password}");
    command.env("TUBEPOST_BUS", site.amqp_url().replace("guest:guest", &login));
    let done = run("publish as somebody", &mut command, b"", 40)?;
    ensure!(!done.stderr.contains(password), "the password is shown: {}", done.stderr);
    Ok(done.code() == 0)
}

#[test]
fn a_user_logs_in_until_deleted_and_the_running_server_sees_it_at_once() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    ensure!(!may_publish(&site, "ada", "correct-horse-battery")?, "nobody was created yet");
    let added = user(&site, &["add", "ada", "--password-stdin"], b"correct-horse-battery\n")?;
    ensure!(added.code() == 0, "user add: {}", added.stderr);
    ensure!(may_publish(&site, "ada", "correct-horse-battery")?, "the new user");
    ensure!(!may_publish(&site, "ada", "wrong-horse-battery")?, "a wrong password");
    let listed = user(&site, &["list"], b"")?;
    ensure!(listed.stdout.contains("ada"), "{}", listed.stdout);
    let again = user(&site, &["add", "ada", "--password-stdin"], b"another-horse-battery\n")?;
    ensure!(again.code() != 0 && again.stderr.contains("ada"), "added twice: {}", again.stderr);
    let changed = user(&site, &["passwd", "ada", "--password-stdin"], b"another-horse-battery\n")?;
    ensure!(changed.code() == 0, "user passwd: {}", changed.stderr);
    ensure!(!may_publish(&site, "ada", "correct-horse-battery")?, "the old password");
    ensure!(may_publish(&site, "ada", "another-horse-battery")?, "the new password");
    let deleted = user(&site, &["delete", "ada"], b"")?;
    ensure!(deleted.code() == 0, "user delete: {}", deleted.stderr);
    ensure!(!may_publish(&site, "ada", "another-horse-battery")?, "a deleted user");
    Ok(())
}

#[test]
fn a_password_is_kept_as_a_salted_hash_only() -> Result<()> {
    let site = Site::new()?;
    let password = "correct-horse-battery";
    for name in ["ada", "grace"] {
        let input = format!("{password}\n");
        let added = user(&site, &["add", name, "--password-stdin"], input.as_bytes())?;
        ensure!(added.code() == 0, "user add: {}", added.stderr);
    }
    let mut hashes = Vec::new();
    for entry in std::fs::read_dir(site.path("data"))? {
        let text = std::fs::read(entry?.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        ensure!(!text.contains(password), "the password itself is on the disk");
        let words = text.split('"').filter(|word| word.starts_with("$argon2id$"));
        hashes.extend(words.map(str::to_owned));
    }
    ensure!(hashes.len() == 2 && hashes[0] != hashes[1], "two salted argon2id hashes: {hashes:?}");
    Ok(())
}
