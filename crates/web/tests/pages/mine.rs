//! The pages of a person: signing in, forms that only their own page can send, nothing of a
//! stranger that becomes markup.

use std::sync::{Arc, atomic::Ordering};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use web::{Login, Options, Ways};

use crate::{
    people::house::House,
    sample::{HOSTILE, described, event},
    site::{Answer, Nobody},
};

/// A browser that is signed in.
struct Browser<'a> {
    house: &'a House,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn sign_in(house: &'a House, name: &str) -> Browser<'a> {
        let body = form(&[("name", name), ("password", name), ("next", "/me/quiet")]);
        let answer = house.site.post("POST", "/sign-in", &[], &body).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/me/quiet")));
        let cookie = answer.header("set-cookie").unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Browser { house, cookie }
    }

    async fn get(&self, path: &str) -> Answer {
        self.house.site.request("GET", path, &[("cookie", &self.cookie)]).await
    }

    async fn post(&self, path: &str, more: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let more = [&[("cookie", self.cookie.as_str())], more].concat();
        self.house.site.post("POST", path, &more, &form(fields)).await
    }

    /// As the page's own form sends it.
    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(path).await;
        let token = token(&page.body);
        let fields = [&[("form_token", token.as_str())], fields].concat();
        self.post(path, &[("sec-fetch-site", "same-origin")], &fields).await
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn token(html: &str) -> String {
    let at = html.find("name=\"form_token\" value=\"").expect("there is a form") + 25;
    html[at..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_there_and_back_and_out() {
    let house = House::start().await;
    let first = house.site.get("/me/quiet?owner=ada").await;
    let to = first.header("location").unwrap().to_owned();
    assert_eq!((first.status, to.starts_with("/sign-in?next=%2Fme%2Fquiet")), (303, true), "{to}");
    let page = house.site.get(&to).await;
    assert!(page.body.contains("value=\"/me/quiet?owner=ada\""), "{}", page.body);
    let wrong = form(&[("name", "ada<b>"), ("password", "x")]);
    let wrong = house.site.post("POST", "/sign-in", &[], &wrong).await;
    assert!(wrong.status == 401 && wrong.header("set-cookie").is_none());
    assert!(wrong.body.contains("No account has") && !wrong.body.contains("<b>"), "{}", wrong.body);

    let ada = Browser::sign_in(&house, "ada").await;
    assert_eq!(ada.get("/me/rules").await.status, 200);
    assert_eq!(ada.get("/sign-in").await.status, 303);
    let out = ada.send("/me/rules", &[]).await;
    assert_eq!(out.status, 404, "no such rule");
    let page = ada.get("/me/rules").await;
    let out = ada.post("/sign-out", &[], &[("form_token", &token(&page.body))]).await;
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(ada.get("/me/rules").await.status, 303, "the session is over here, too");

    let again = Browser::sign_in(&house, "ada").await;
    house.names.are_gone.store(true, Ordering::Relaxed);
    assert_eq!(again.get("/me/rules").await.status, 303, "the account is gone");
}

#[tokio::test]
async fn a_form_of_another_page_or_session_changes_nothing() {
    let house = House::start().await;
    let (ada, other) =
        (Browser::sign_in(&house, "ada").await, Browser::sign_in(&house, "ada").await);
    let foreign = token(&other.get("/me/quiet").await.body);
    let own = token(&ada.get("/me/quiet").await.body);
    let fields = |token| vec![("act", "pause"), ("form_token", token)];
    for (more, fields) in [
        (vec![], vec![("act", "pause")]),
        (vec![], fields("")),
        (vec![], fields(&foreign)),
        (vec![("origin", "https://evil.example")], fields(&own)),
        (vec![("sec-fetch-site", "cross-site")], fields(&own)),
    ] {
        let refused = ada.post("/me/quiet", &more, &fields).await;
        assert_eq!(refused.status, 403, "{more:?} {fields:?}");
    }
    let body = json!({"paused": true}).to_string();
    let cookie = [("cookie", ada.cookie.as_str())];
    let api = house.site.post("PATCH", "/api/v1/owners/ada/silence", &cookie, &body).await;
    assert_eq!(api.status, 403, "a cookie alone does not change anything");
    assert!(
        !house.rules.exists() || !house.store().silence(&"ada".parse().unwrap()).unwrap().paused
    );
    let more = [("cookie", ada.cookie.as_str()), ("x-form-token", own.as_str())];
    let api = house.site.post("PATCH", "/api/v1/owners/ada/silence", &more, &body).await;
    assert_eq!(api.status, 200, "{}", api.body);
    let foreign = [("origin", "https://evil.example")];
    let sign_in = form(&[("name", "ada"), ("password", "ada")]);
    let refused = house.site.post("POST", "/sign-in", &foreign, &sign_in).await;
    assert!(refused.status == 403 && refused.header("set-cookie").is_none());
}

#[tokio::test]
async fn the_cookie_is_secure_where_there_is_tls_and_the_proxy_is_known() {
    let page_url = Some("https://bus.example.org".to_owned());
    let options = Options { hosts: vec!["bus.example.org".to_owned()], ..Options::default() };
    let house = House::start_with(options, Ways { page_url, ..Ways::default() }).await;
    let body = form(&[("name", "ada"), ("password", "ada")]);
    let sign_in = async |more: &[(&str, &str)]| {
        let answer = house.site.post("POST", "/sign-in", more, &body).await;
        answer.header("set-cookie").unwrap().to_owned()
    };
    let near = sign_in(&[]).await;
    assert!(near.starts_with("tubepost-session=") && !near.contains("Secure"), "{near}");
    let far = sign_in(&[("host", "bus.example.org"), ("x-forwarded-for", "192.0.2.7")]).await;
    assert!(far.starts_with("__Host-tubepost=") && far.contains("; Secure"), "{far}");
    for cookie in [&near, &far] {
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    }
    let tries = house.names.tries.lock().unwrap().clone();
    assert_eq!(tries.iter().map(|(_, is_far)| *is_far).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn where_the_feed_asks_for_a_login_a_session_is_one() {
    let login: Option<Arc<dyn Login>> = Some(Arc::new(Nobody));
    let house = House::start_with(Options { login, ..Options::default() }, Ways::default()).await;
    assert_eq!(house.site.get("/").await.status, 401);
    assert_eq!(house.site.get("/sign-in").await.status, 200);
    assert_eq!(house.site.get("/me/rules").await.status, 303);
    let ada = Browser::sign_in(&house, "ada").await;
    assert_eq!(ada.get("/").await.status, 200);
    assert_eq!(ada.get("/events.json").await.status, 200);
}

#[tokio::test]
async fn a_rule_is_written_in_a_form_previewed_and_kept() {
    let house = House::start().await;
    let mut told = described("a push");
    told.packages = vec!["kernel".to_owned()];
    house.site.feed.push(event("org.example.git.receive"), told);
    let ada = Browser::sign_in(&house, "ada").await;
    let fields = [
        ("name", "mine"),
        ("package", "kernel, glibc"),
        ("not_agent", "@me"),
        ("outlets", "1"),
        ("o0_to", "@mail"),
        ("o0_digest", "daily"),
        ("o0_at", "08:00"),
        ("o0_zone", "Europe/Berlin"),
    ];
    let with = |act| [&fields[..], &[("act", act)]].concat();
    let preview = ada.send("/me/rules/new", &with("preview")).await;
    assert!(preview.body.contains("1 of the last 1 events"), "{}", preview.body);
    assert!(preview.body.contains("value=\"kernel, glibc\""), "what was typed stays");
    let live = ada.send("/me/rules/new", &with("live")).await.json();
    assert_eq!((&live["events"], &live["matched"]), (&json!(1), &json!(1)));
    let more = ada.send("/me/rules/new", &with("more")).await;
    assert!(more.body.contains("name=\"o1_digest\""), "{}", more.body);
    assert!(!house.rules.exists());

    assert_eq!(ada.send("/me/rules/new", &with("save")).await.status, 303);
    let rule = house.store().rules(None).unwrap().remove(0);
    let list = ada.get("/me/rules").await.body;
    assert!(list.contains("package kernel or glibc, and not done by @me"), "{list}");
    let path = format!("/me/rules/{}", rule.id);
    let page = ada.get(&path).await.body;
    assert!(page.contains("value=\"Europe/Berlin\"") && page.contains("value=\"08:00\""), "{page}");
    let json = ada.get(&format!("{path}?as=json")).await.body;
    assert!(json.contains("<textarea") && json.contains("&quot;daily&quot;"), "{json}");
    for (act, enabled) in [("disable", false), ("enable", true)] {
        let done = ada.send("/me/rules", &[("id", &rule.id), ("act", act)]).await;
        assert_eq!((done.status, house.store().rules(None).unwrap()[0].enabled), (303, enabled));
    }
    let wrong = [("name", "mine"), ("cel", "app =="), ("o0_to", "@mail"), ("act", "save")];
    let wrong = ada.send(&path, &wrong).await;
    assert!(wrong.status == 422 && wrong.body.contains("what.all[0].cel"), "{}", wrong.body);
    assert_eq!(ada.send("/me/rules", &[("id", &rule.id), ("act", "remove")]).await.status, 303);
    assert!(house.store().rules(None).unwrap().is_empty());
}

#[tokio::test]
async fn an_address_is_added_and_a_feed_is_made_by_forms() {
    let house = House::start().await;
    let ada = Browser::sign_in(&house, "ada").await;
    let path = "/me/destinations";
    let wrong = [("kind", "mail"), ("address", "nobody"), ("act", "add")];
    let wrong = ada.send(path, &wrong).await;
    assert!(wrong.status == 422 && wrong.body.contains("value=\"nobody\""), "{}", wrong.body);
    let new = [("kind", "webhook"), ("address", "https://example.org/s3cret"), ("act", "add")];
    assert_eq!(ada.send(path, &new).await.status, 303);
    let page = ada.get(path).await.body;
    assert!(page.contains("A code is on its way") && !page.contains("s3cret"), "{page}");
    let at = page.find("value=\"webhook:#").unwrap() + 7;
    let name = page[at..].split('"').next().unwrap().to_owned();
    let first = house.code(&[]);
    assert_eq!(ada.send(path, &[("id", &name), ("act", "again")]).await.status, 303);
    let typed = |code| vec![("id", name.as_str()), ("code", code), ("act", "verify")];
    let old = ada.send(path, &typed(first.as_str())).await;
    assert!(old.status == 422 && old.body.contains("This is not the code"), "{}", old.body);
    assert_eq!(ada.send(path, &typed(house.code(&[&first]).as_str())).await.status, 303);
    let page = ada.get(path).await.body;
    assert!(
        page.contains("webhook:https://example.org/…") && !page.contains("A code is"),
        "{page}"
    );

    let made = ada.send(path, &[("act", "feed")]).await.body;
    assert!(made.contains("https://bus.example.org/feeds/") && made.contains(".atom"), "{made}");
    let page = ada.get(path).await.body;
    assert!(page.contains("feed:") && !page.contains("/feeds/"), "shown once: {page}");
    assert_eq!(ada.send(path, &[("id", &name), ("act", "remove")]).await.status, 303);
    assert_eq!(house.store().destinations(&"ada".parse().unwrap()).unwrap().len(), 1);
}

#[tokio::test]
async fn a_group_s_pages_are_its_members_to_see_and_its_owners_to_change() {
    let house = House::start().await;
    let group = notify::store::Group {
        owners: vec!["ada".to_owned()],
        members: vec!["ada".to_owned(), "grace".to_owned()],
    };
    house.store().put_group("kernel", &group).unwrap();
    let path = "/me/rules/new?owner=group%3Akernel";
    let rule = [("name", "ours"), ("package", "kernel"), ("o0_to", "@mail"), ("act", "save")];
    let ada = Browser::sign_in(&house, "ada").await;
    let kept = ada.send(path, &rule).await;
    let to = kept.header("location").unwrap();
    assert_eq!((kept.status, to), (303, "/me/rules?owner=group%3Akernel"));
    let list = "/me/rules?owner=group%3Akernel";
    assert!(ada.get(list).await.body.contains("Rules of group:kernel"));
    let grace = Browser::sign_in(&house, "grace").await;
    assert!(grace.get(list).await.body.contains("ours"));
    assert_eq!(grace.get(path).await.status, 403);
    assert_eq!(Browser::sign_in(&house, "bob").await.get(list).await.status, 403);
    let root = Browser::sign_in(&house, "root").await.get(list).await;
    assert!(root.status == 200 && root.body.contains("<datalist id=\"owners\">"), "{}", root.body);
}

#[tokio::test]
async fn nothing_that_somebody_wrote_becomes_markup() {
    let house = House::start().await;
    let ada = Browser::sign_in(&house, "ada").await;
    for (number, name) in HOSTILE.iter().enumerate() {
        let id = format!("e{number}");
        let mut told = described(name);
        told.packages = vec![(*name).to_owned()];
        let mut event = event("org.example.git.receive");
        event.id = id.clone();
        house.site.feed.push(event, told);
        let clean: String = name.chars().filter(|c| !c.is_control()).collect();
        let muted = ada.send("/me/quiet", &[("act", "mute"), ("object", &clean)]).await;
        assert!([303, 422].contains(&muted.status), "{}", muted.body);
        let rule = [
            ("name", clean.as_str()),
            ("text", name),
            ("cel", name),
            ("o0_to", "@mail"),
            ("o0_zone", name),
            ("act", "preview"),
        ];
        let place = [("kind", "webhook"), ("address", *name), ("act", "add")];
        let pages = [
            ada.send("/me/rules/new", &rule).await,
            ada.send("/me/destinations", &place).await,
            ada.get(&format!("/me/why/{id}")).await,
            ada.get("/me/quiet").await,
            ada.get(&format!("/me/rules?owner={}", utf8_percent_encode(name, NON_ALPHANUMERIC)))
                .await,
        ];
        for page in pages {
            for markup in ["<script>alert", "<script src=//", "<img src=x", "<svg/", "<b>", "<b\n"]
            {
                assert!(!page.body.contains(markup), "{name}: {}", page.body);
            }
            assert!(!page.body.contains("is broken"), "{name}: {}", page.body);
            assert!(page.header("content-security-policy").is_some());
        }
    }
}
