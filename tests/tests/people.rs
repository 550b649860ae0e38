//! A person's pages, by keyboard in a real browser, with a real mail server; and the description of
//! the API, judged by somebody else's validator.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::{Mailbox, Page, Process, Site, free_port, python, root, run, wait_for};
use serde_json::json;

const PASSWORD: &str = "correct-horse-battery";

fn site_with_ada(mail_port: u16) -> Result<Site> {
    let site = Site::new()?;
    let mail = format!(
        "[notify.mail]\nhost = \"127.0.0.1\"\nport = {mail_port}\nfrom = \"tubepost@example.org\"\n\
         [notify.push]\ncontact = \"mailto:ops@example.org\"\n"
    );
    site.write("tubepost.toml", mail)?;
    let data = site.path("data").display().to_string();
    let words = ["user", "add", "ada", "--password-stdin", "--data-dir", &data];
    let added = site.tubepost_with_input(&words, format!("{PASSWORD}\n").as_bytes())?;
    ensure!(added.code() == 0, "user add: {}", added.stderr);
    Ok(site)
}

/// Somebody at a keyboard.
struct Typist(Page);

impl Typist {
    /// Opens a page that asks for a login, and signs in.
    fn sign_in(site: &Site, path: &str, width: u32, colours: &str) -> Result<Typist> {
        let url = format!("{}{path}", site.http_url());
        let mut typist = Typist(Page::open_as(&url, width, 800, colours)?);
        typist.0.wait_for_text("Sign in")?;
        typist.keys("ada")?;
        typist.press("Tab")?;
        typist.keys(PASSWORD)?;
        typist.press("Enter")?;
        Ok(typist)
    }

    fn keys(&mut self, text: &str) -> Result<()> {
        self.0.run("type", json!({ "text": text })).map(drop)
    }

    fn press(&mut self, key: &str) -> Result<()> {
        self.0.run("press", json!({ "key": key })).map(drop)
    }

    fn tab_to(&mut self, selector: &str) -> Result<()> {
        self.0.run("tab_to", json!({ "selector": selector })).map(drop)
    }

    /// Every page is looked at as it is left: no complaint of the browser, nothing without a name,
    /// no scrolling sideways.
    fn check(&mut self, what: &str) -> Result<()> {
        let state = self.0.run("nameless", json!({}))?;
        ensure!(state["problems"] == json!([]), "{what}: {}", state["problems"]);
        ensure!(state["names"] == json!([]), "{what}, without a name: {}", state["names"]);
        let overflow = self.0.run("overflow", json!({}))?;
        ensure!(overflow["pixels"] == 0, "{what} scrolls sideways by {}", overflow["pixels"]);
        Ok(())
    }
}

#[test]
fn a_browser_is_added_by_a_button_and_its_worker_shows_what_is_pushed() -> Result<()> {
    let site = site_with_ada(free_port())?;
    let _server = site.serve()?;
    let mut ada = Typist::sign_in(&site, "me/destinations", 375, "dark")?;
    ada.0.wait_for_text("Or this browser")?;
    let endpoint = format!("http://127.0.0.1:{}/s3cret", free_port());
    ada.0.run("subscribe_at", json!({ "endpoint": endpoint }))?;
    ada.tab_to("button[value=browser]")?;
    ada.press("Enter")?;
    ada.0.run("wait_text", json!({"text": "push:http://127.0.0.1"}))?;
    ada.check("with a browser")?;
    ensure!(!ada.0.text()?.contains("s3cret"), "the address is the key");
    let data = site.path("data").display().to_string();
    let words = ["notify", "destination", "list", "ada", "--data-dir", &data];
    let list = site.tubepost(&words)?;
    ensure!(list.stdout.contains("push:http://127.0.0.1"), "{} {}", list.stdout, list.stderr);
    let slip = json!({
        "version": 1, "key": "5f0c", "summary": "ada pushed to kernel", "text": "fix <b>it</b>",
        "link": "https://git.example.org/1", "app": "git", "object": "git/kernel",
        "severity": "info", "at": "2026-11-25T09:41:40Z", "count": 1,
    });
    let shown = &ada.0.run("pushed", json!({ "message": slip }))?["shown"];
    let expected = json!({
        "title": "ada pushed to kernel", "body": "fix <b>it</b>", "tag": "git/kernel",
        "data": "https://git.example.org/1",
    });
    ensure!(*shown == expected, "{shown}");
    Ok(())
}

#[test]
fn a_person_adds_an_address_writes_a_rule_and_is_told_all_by_keyboard() -> Result<()> {
    let mailbox = Mailbox::start()?;
    let site = site_with_ada(mailbox.port)?;
    let _server = site.serve()?;
    site.publish("org.example.door.open", &json!({"agent": "grace", "door": "north"}))?;

    let mut ada = Typist::sign_in(&site, "me/destinations", 1200, "light")?;
    ada.0.wait_for_text("Nowhere yet")?;
    ada.check("destinations")?;
    ada.tab_to("#address")?;
    ada.keys("ada@example.org")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("A code is on its way")?;
    let mail = mailbox.wait_for_mails(1, 30)?.remove(0);
    ensure!(mail.to == ["ada@example.org"], "{:?}", mail.to);
    let subject = mail.header("Subject");
    ensure!(mail.text.contains("You get this mail because:"), "{}", mail.text);
    let code = subject.split_whitespace().find(|word| word.len() == 9 && word.contains('-'));
    let code = code.with_context(|| format!("no code in {subject:?}"))?;
    ada.tab_to("input[name=code]")?;
    ada.keys(code)?;
    ada.check("a code")?;
    ada.press("Enter")?;
    ada.0.run("wait_no_text", json!({"text": "A code is on its way"}))?;
    ada.0.wait_for_text("mail:ada@example.org")?;

    ada.tab_to("a[href='/me/rules']")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("There are no rules")?;
    ada.tab_to("a[href='/me/rules/new']")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("New rule")?;
    ada.keys("doors")?;
    ada.tab_to("#t-topic")?;
    ada.keys("door.op")?;
    ada.0.run("wait_text", json!({"text": "org.example.door.open"}))?;
    ada.press("ArrowDown")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("1 of the last 1 events")?;
    // All mail addresses are chosen already; she wants this one.
    ada.tab_to("input[value='@mail']")?;
    ada.press("Space")?;
    ada.tab_to("input[value='mail:ada@example.org']")?;
    ada.press("Space")?;
    ada.check("a rule")?;
    ada.tab_to("button[value=save]")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("topic org.example.door.open")?;
    ada.check("rules")?;

    let seen = mailbox.mails().len();
    wait_for("a mail of the rule", 30, || {
        let body = json!({"agent": "grace", "door": "south"});
        site.publish("org.example.door.open", &body).map_err(|error| format!("{error:#}"))?;
        match mailbox.mails().len() > seen {
            true => Ok(()),
            false => Err("no mail".to_owned()),
        }
    })?;
    ada.tab_to("a[href='/me/history']")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("ada@example.org: taken")?;
    ada.check("history")?;
    ada.tab_to("a[href^='/me/why/']")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("Rules that want it")?;
    ada.0.wait_for_text("doors")?;
    ada.check("why")?;

    ada.tab_to("a[href='/me/quiet']")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("You are told")?;
    ada.tab_to("button[value=pause]")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("Paused: nothing is told")?;
    ada.check("quiet")?;
    ada.tab_to("form.out button")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("With the name and password")?;

    let mut phone = Typist::sign_in(&site, "me/quiet", 375, "dark")?;
    phone.0.wait_for_text("Paused: nothing is told")?;
    for (path, text) in [("rules/new", "New rule"), ("rules", "doors"), ("destinations", "Add one")]
    {
        phone.0.run("go", json!({ "url": format!("{}me/{path}", site.http_url()) }))?;
        phone.0.wait_for_text(text)?;
        phone.check(path)?;
    }
    Ok(())
}

#[test]
fn the_description_of_the_api_is_valid() -> Result<()> {
    let site = Site::new()?;
    let _server = site.serve()?;
    let answer = site.get("/api/openapi.json")?;
    let (_, description) = answer.split_once("\r\n\r\n").context("no answer")?;
    let file = site.write("openapi.json", description)?;
    let mut command = Command::new(python()?);
    command.args(["-m", "openapi_spec_validator"]).arg(file);
    let done = run("openapi-spec-validator", &mut command, b"", 30)?;
    ensure!(done.code() == 0, "{}\n{}", done.stdout, done.stderr);
    Ok(())
}

/// A provider of somebody else's make, which demands PKCE and says names by userinfo only.
#[test]
fn somebody_signs_in_by_an_openid_connect_provider() -> Result<()> {
    let site = Site::new()?;
    let provider_port = free_port();
    let back = format!("{}sign-in/oidc/back", site.http_url());
    let mut command = Command::new(python()?);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(root().join("tests/python/oidc_provider.py"));
    command.args([&provider_port.to_string(), "tubepost", "s3cret-of-the-pages", &back]);
    let mut provider = Process::start("OpenID Connect provider", &mut command)?;
    provider.wait_for_line("its port", 20, |line| line.contains("\"listening\""))?;
    let secret = site.write("oidc-secret", "s3cret-of-the-pages\n")?;
    let issuer = format!("http://127.0.0.1:{provider_port}");
    let settings = format!(
        "[http.oidc]\nissuer = \"{issuer}\"\nclient_secret_file = \"{}\"\n\
         name_claim = \"nickname\"\noperators = \"sysadmin-main\"\n",
        secret.display()
    );
    site.write("tubepost.toml", settings)?;
    let _server = site.serve()?;

    let mut ada = Typist(Page::open(&format!("{}me/quiet", site.http_url()))?);
    ada.tab_to("a[href^='/sign-in/oidc']")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("Who")?;
    ada.keys("ada")?;
    ada.press("Enter")?;
    ada.0.wait_for_text("You are told")?;
    let text = ada.0.text()?;
    ensure!(text.contains("ada") && text.contains("Sign out"), "{text}");
    // A look at what is another's; then an operator's.
    let others = json!({ "url": format!("{}me/rules?owner=grace", site.http_url()) });
    ada.0.run("go", others.clone())?;
    ada.0.wait_for_text("This is grace's")?;
    let mut operator = Typist(Page::open(&format!("{}me/rules", site.http_url()))?);
    operator.tab_to("a[href^='/sign-in/oidc']")?;
    operator.press("Enter")?;
    operator.0.wait_for_text("Who")?;
    operator.keys("root")?;
    operator.press("Enter")?;
    operator.0.wait_for_text("There are no rules")?;
    operator.0.run("go", others)?;
    operator.0.wait_for_text("Rules of grace")?;

    // Nobody comes in by an answer to a question that this browser did not ask.
    let forged = site.get("/sign-in/oidc/back?code=x&state=y")?;
    ensure!(forged.contains(" 403 ") && !forged.contains("set-cookie"), "{forged}");
    let mut command = Command::new(python()?);
    command.arg(root().join("tests/python/oidc_faults.py")).arg(site.http_url());
    let done = run("faults of the provider", &mut command, b"", 60)?;
    ensure!(done.code() == 0, "not as expected: {}", done.stderr);
    Ok(())
}
