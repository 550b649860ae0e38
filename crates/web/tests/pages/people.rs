//! The API of people's notifications: what is whose, what is secret, and what cannot be.

pub(crate) mod house;

use event::Event;
use notify::rule::Rule;
use serde_json::{Value, json};
use web::{Options, Ways};

use crate::{
    sample::{described, event},
    site::Site,
};
use house::House;

fn rule(name: &str) -> Value {
    json!({"name": name, "what": {"package": "kernel"}, "outlets": [{"to": ["@mail"]}]})
}

#[tokio::test]
async fn a_rule_is_made_changed_switched_off_and_removed() {
    let house = House::start().await;
    let me = house.call("ada", "GET", "me", Value::Null).await.json();
    assert_eq!((&me["name"], &me["operator"]), (&json!("ada"), &json!(false)));
    assert!(!house.rules.exists(), "a look makes no store");

    let made = house.call("ada", "POST", "owners/ada/rules", rule("mine")).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("owners/ada/rules/{id}");
    assert_eq!(house.call("ada", "GET", &path, Value::Null).await.json()["name"], "mine");
    let put = house.call("ada", "PUT", &path, rule("ours")).await;
    assert_eq!((put.status, &put.json()["name"]), (200, &json!("ours")));
    let off = house.call("ada", "PATCH", &path, json!({"enabled": false})).await;
    assert_eq!(off.json()["enabled"], false);
    assert!(!house.store().rule(&id).unwrap().unwrap().enabled);
    let list = house.call("ada", "GET", "owners/ada/rules", Value::Null).await.json();
    assert_eq!(list["rules"].as_array().unwrap().len(), 1);
    assert_eq!(house.call("ada", "DELETE", &path, Value::Null).await.status, 204);
    for method in ["GET", "PUT", "DELETE"] {
        let gone = house.call("ada", method, &path, rule("x")).await;
        assert_eq!(gone.status, 404, "{method} {}", gone.body);
    }
}

#[tokio::test]
async fn a_person_sees_and_changes_only_their_own_and_groups_have_owners() {
    let house = House::start().await;
    let of_ada = house.call("ada", "POST", "owners/ada/rules", rule("mine")).await.json();
    let id = of_ada["id"].as_str().unwrap();
    let make = json!({"owners": ["ada"], "members": ["ada", "grace"]});
    assert_eq!(house.call("ada", "PUT", "groups/kernel", make.clone()).await.status, 403);
    assert_eq!(house.call("root", "PUT", "groups/kernel", make).await.status, 200);
    let of_group = house.call("ada", "POST", "owners/group:kernel/rules", rule("ours")).await;
    assert_eq!(of_group.status, 201, "{}", of_group.body);
    let group_id = of_group.json()["id"].as_str().unwrap().to_owned();

    for (method, path, body) in [
        ("GET", "owners/ada/rules".to_owned(), Value::Null),
        ("POST", "owners/ada/rules".to_owned(), rule("x")),
        ("GET", format!("owners/ada/rules/{id}"), Value::Null),
        ("PUT", format!("owners/ada/rules/{id}"), rule("x")),
        ("PATCH", format!("owners/ada/rules/{id}"), json!({"enabled": false})),
        ("DELETE", format!("owners/ada/rules/{id}"), Value::Null),
        ("POST", "owners/ada/preview".to_owned(), rule("x")),
        ("GET", "owners/ada/destinations".to_owned(), Value::Null),
        ("POST", "owners/ada/destinations".to_owned(), json!({"id": "mail:a@b.org"})),
        ("DELETE", "owners/ada/destinations?id=mail:a@b.org".to_owned(), Value::Null),
        ("POST", "owners/ada/destinations/verify".to_owned(), json!({"id": "x", "code": "1"})),
        ("GET", "owners/ada/silence".to_owned(), Value::Null),
        ("PATCH", "owners/ada/silence".to_owned(), json!({"paused": true})),
        ("GET", "owners/ada/history".to_owned(), Value::Null),
        ("GET", "owners/ada/why/1".to_owned(), Value::Null),
        ("GET", "rules".to_owned(), Value::Null),
        ("DELETE", format!("owners/group:kernel/rules/{group_id}"), Value::Null),
        ("GET", "owners/group:kernel/destinations".to_owned(), Value::Null),
        ("PUT", "groups/kernel".to_owned(), json!({"owners": ["bob"]})),
    ] {
        let refused = house.call("bob", method, &path, body).await;
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.body);
    }
    // Somebody else's rule under one's own name is not there.
    let path = format!("owners/bob/rules/{id}");
    assert_eq!(house.call("bob", "GET", &path, Value::Null).await.status, 404);
    assert_eq!(house.call("bob", "PUT", &path, rule("x")).await.status, 404);
    let mut theirs = rule("x");
    theirs["owner"] = json!({"person": "ada"});
    assert_eq!(house.call("bob", "POST", "owners/bob/rules", theirs).await.status, 422);
    // A member sees, and does not change.
    let ours = "owners/group:kernel/rules";
    assert_eq!(house.call("grace", "GET", ours, Value::Null).await.status, 200);
    assert_eq!(house.call("grace", "POST", ours, rule("x")).await.status, 403);
    // An operator may all of it.
    let all = house.call("root", "GET", "rules?limit=1", Value::Null).await.json();
    assert_eq!((all["rules"].as_array().unwrap().len(), all["next"].is_null()), (1, false));
    let next = all["next"].as_str().unwrap().replace(' ', "%20");
    let rest = house.call("root", "GET", &format!("rules?after={next}"), Value::Null).await.json();
    assert_eq!((rest["rules"].as_array().unwrap().len(), rest["next"].is_null()), (1, true));
    let path = format!("owners/ada/rules/{id}");
    assert_eq!(house.call("root", "DELETE", &path, Value::Null).await.status, 204);
}

#[tokio::test]
async fn a_browser_is_added_by_its_subscription_where_browsers_are_told() {
    // RFC 8291, Appendix A.
    let keys = json!({
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    });
    let browser = json!({"endpoint": "https://push.example.net/s3cret", "keys": keys});
    let list = "owners/ada/destinations";
    let ways = Ways { push_key: Some("BNbN".to_owned()), ..Ways::default() };
    let house = House::start_with(Options::default(), ways).await;
    let said = house.call("ada", "GET", list, Value::Null).await.json();
    assert_eq!(said["push_key"], "BNbN");
    let mut broken = browser.clone();
    broken["keys"]["p256dh"] = "AAAA".into();
    for (body, status) in [
        (json!({ "subscription": broken }), 422),
        (json!({"subscription": browser, "id": "mail:ada@example.org"}), 400),
        (json!({}), 400),
        (json!({ "subscription": browser }), 201),
        // Once more, by the same browser.
        (json!({ "subscription": browser }), 201),
    ] {
        let answer = house.call("ada", "POST", list, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(
            !answer.body.contains("s3cret") && !answer.body.contains("AAAA"),
            "{}",
            answer.body
        );
    }
    assert_eq!(
        house.call("grace", "POST", list, json!({ "subscription": browser })).await.status,
        403
    );
    let there = house.store().destinations(&"ada".parse().unwrap()).unwrap();
    assert_eq!(there.len(), 1);
    assert!(there[0].id.starts_with("push:https://push.example.net/s3cret#"), "{}", there[0].id);
    let worker = house.site.get("/worker.js").await;
    assert_eq!(worker.status, 200);
    assert!(worker.body.contains("showNotification"), "{}", worker.body);
}

#[tokio::test]
async fn an_address_is_added_with_the_code_that_was_sent_there_and_secrets_are_not_shown_again() {
    let house = House::start().await;
    let (list, verify) = ("owners/ada/destinations", "owners/ada/destinations/verify");
    let secret = "webhook:https://example.org/s3cret";
    for (id, status) in [("ntfy:abc", 422), ("mail:nobody", 422), ("feed:x", 422), (secret, 202)] {
        let answer = house.call("ada", "POST", list, json!({ "id": id })).await;
        assert_eq!(answer.status, status, "{id}: {}", answer.body);
        assert!(
            !answer.body.contains("s3cret") && !answer.body.contains(":abc"),
            "{}",
            answer.body
        );
        let mend = answer.body.contains("notify.ntfy.url");
        assert_eq!(mend, id == "ntfy:abc", "{}", answer.body);
    }
    let waiting = house.call("ada", "GET", list, Value::Null).await;
    assert!(!waiting.body.contains("s3cret"), "{}", waiting.body);
    let waiting = waiting.json();
    assert_eq!(waiting["destinations"], json!([]), "not before the code was typed");
    assert_eq!(waiting["kinds"], json!(["mail", "webhook"]));
    let name = waiting["waiting"][0]["id"].as_str().unwrap().to_owned();
    let code = house.code(&[]);
    let wrong = if code == "0000-0000" { "1111-1111" } else { "0000-0000" };
    let typed = |code: &str| json!({"id": name, "code": code});
    assert_eq!(house.call("ada", "POST", verify, typed(wrong)).await.status, 422);
    assert!(house.call("ada", "GET", list, Value::Null).await.json()["destinations"] == json!([]));
    let added = house.call("ada", "POST", verify, typed(&code)).await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert!(!added.body.contains("s3cret"), "{}", added.body);
    assert_eq!(house.call("ada", "POST", verify, typed(&code)).await.status, 422, "used up");

    // A rule names it by its reference, and keeps the address.
    let body = json!({"name": "x", "what": {"all": []}, "outlets": [{"to": [name]}]});
    let kept = house.call("ada", "POST", "owners/ada/rules", body).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    assert!(!kept.body.contains("s3cret") && kept.body.contains(&name), "{}", kept.body);
    let rules = house.store().rules(None).unwrap();
    assert_eq!(rules[0].outlets[0].to, [secret]);
    // Nobody else's reference is an address.
    let body = json!({"name": "x", "what": {"all": []}, "outlets": [{"to": [name]}]});
    let foreign = house.call("bob", "POST", "owners/bob/rules", body).await;
    assert_eq!(foreign.status, 422, "{}", foreign.body);

    let id = name.replace('#', "%23");
    let path = format!("{list}?id={id}");
    assert_eq!(house.call("ada", "DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(house.call("ada", "DELETE", &path, Value::Null).await.status, 404);
}

#[tokio::test]
async fn who_left_gets_no_codes() {
    let house = House::start().await;
    let reader = "reader@example.org".parse().unwrap();
    let silence = notify::store::Silence { paused: true, ..Default::default() };
    house.store().put_silence(&reader, &silence).unwrap();
    let body = json!({"id": "mail:reader@EXAMPLE.org"});
    let refused = house.call("ada", "POST", "owners/ada/destinations", body).await;
    assert!(refused.status == 422 && refused.body.contains("unsubscribed"), "{}", refused.body);
}

#[tokio::test]
async fn what_is_wrong_with_a_rule_is_said_with_its_place() {
    let house = House::start().await;
    let post = async |body: &str| {
        let login = house::login("ada");
        let more = [("authorization", login.as_str())];
        house.site.post("POST", "/api/v1/owners/ada/rules", &more, body).await
    };
    let broken = post("{\"name\": \"x\",\n \"what\": }").await;
    assert_eq!((broken.status, &broken.json()["faults"][0]["at"]), (422, &json!([2, 10])));
    let unknown = post(r#"{"name": "x", "colour": "red"}"#).await;
    assert!(unknown.status == 422 && unknown.body.contains("colour"), "{}", unknown.body);
    let mut wrong = rule("x");
    wrong["what"] = json!({"all": [{"cel": "app =="}]});
    let wrong = post(&wrong.to_string()).await;
    assert_eq!(
        (wrong.status, &wrong.json()["faults"][0]["path"]),
        (422, &json!("what.all[0].cel"))
    );
    let mut elsewhere = rule("x");
    elsewhere["outlets"] = json!([{"to": ["mail:somebody@example.org"]}]);
    let elsewhere = post(&elsewhere.to_string()).await;
    assert!(elsewhere.status == 422 && elsewhere.body.contains("not ada's"), "{}", elsewhere.body);
    assert_eq!(post(&"x".repeat(300_000)).await.status, 413);
    assert_eq!(house.store().rules(None).unwrap(), Vec::<Rule>::new());
    for (method, path, status) in [
        ("GET", "choices?kind=colours", 400),
        ("GET", "owners/%20/rules", 400),
        ("GET", "owners/ada/history?limit=many", 400),
        ("GET", "owners/ada/why/none", 404),
        ("GET", "nothing", 404),
        ("PUT", "me", 405),
    ] {
        let answer = house.call("ada", method, path, Value::Null).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
}

fn about(id: &str, topic: &str, package: &str, summary: &str) -> (Event, event::Description) {
    let mut event = event(topic);
    event.id = id.to_owned();
    event.sent_at = Some("2026-11-26T09:41:47Z".parse().unwrap());
    let mut told = described(summary);
    told.packages = vec![package.to_owned()];
    told.people = vec!["grace".to_owned()];
    told.objects = vec![format!("git/{package}")];
    (event, told)
}

#[tokio::test]
async fn past_events_say_what_a_rule_would_have_told_what_there_is_and_why() {
    let house = House::start().await;
    for (id, package) in
        [("e1", "kernel"), ("e2", "bash"), ("e3", "kernel-tools"), ("e4", "kernel")]
    {
        let (event, told) = about(id, "org.example.git.receive", package, &format!("push {id}"));
        house.site.feed.push(event, told);
    }
    let body = json!({"what": {"package": "kernel"}});
    let preview = house.call("ada", "POST", "owners/ada/preview", body).await.json();
    assert_eq!((&preview["events"], &preview["matched"]), (&json!(4), &json!(2)));
    assert_eq!(preview["days"], json!({"2026-11-26": 2}));
    assert_eq!(preview["last"][1]["summary"], "push e4");
    assert!(!house.rules.exists(), "a preview keeps nothing");

    let choices = async |query: &str| {
        let path = format!("choices?{query}");
        house.call("ada", "GET", &path, Value::Null).await.json()["choices"].clone()
    };
    assert_eq!(choices("kind=packages&text=kern").await, json!(["kernel", "kernel-tools"]));
    assert_eq!(choices("kind=people&text=GRA").await, json!(["grace"]));
    assert_eq!(choices("kind=objects&text=bash").await, json!(["git/bash"]));
    assert!(choices("kind=topics&text=git.rec").await.to_string().contains("git.receive"));

    house.call("ada", "POST", "owners/ada/rules", rule("kernel only")).await;
    let why = house.call("ada", "GET", "owners/ada/why/e1", Value::Null).await.json();
    assert_eq!(
        (&why["rules"][0]["matches"], &why["rules"][0]["to"]),
        (&json!(true), &json!(["@mail"]))
    );
    let why = house.call("ada", "GET", "owners/ada/why/e2", Value::Null).await.json();
    assert_eq!(why["rules"][0]["path"], "what.package");
    let silence = json!({"paused": true, "snooze_minutes": 60, "mute": ["git/bash"]});
    let silence = house.call("ada", "PATCH", "owners/ada/silence", silence).await.json();
    assert!(silence["paused"] == true && silence["snoozed_until"].is_string(), "{silence}");
    let why = house.call("ada", "GET", "owners/ada/why/e1", Value::Null).await.json();
    assert_eq!(why["rules"][0]["path"], "silence");
    let silence = json!({"paused": false, "snooze_minutes": 0, "unmute": ["git/bash"]});
    let silence = house.call("ada", "PATCH", "owners/ada/silence", silence).await.json();
    assert_eq!(silence, json!({"paused": false, "snoozed_until": null, "muted": []}));
    let history = house.call("ada", "GET", "owners/ada/history", Value::Null).await.json();
    assert_eq!(history, json!({"notices": [], "next": null}));
}

#[tokio::test]
async fn programs_sign_in_with_a_password_and_pages_of_others_change_nothing() {
    let house = House::start_with(Options::default(), Ways::default()).await;
    let nobody = house.site.get("/api/v1/me").await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.header("www-authenticate").unwrap().starts_with("Basic "));
    let by_browser = house.site.request("GET", "/api/v1/me", &[("sec-fetch-site", "same-origin")]);
    let by_browser = by_browser.await;
    assert!(by_browser.header("www-authenticate").unwrap().starts_with("Session "));
    let wrong = [("authorization", "Basic YWRhOndyb25n")];
    assert_eq!(house.site.request("GET", "/api/v1/me", &wrong).await.status, 401);
    let often = house::login("slow");
    let slow = house.site.request("GET", "/api/v1/me", &[("authorization", &often)]).await;
    assert_eq!((slow.status, slow.header("retry-after")), (429, Some("6")));
    let login = house::login("ada");
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let more = [("authorization", login.as_str()), (name, value)];
        let body = rule("x").to_string();
        let path = "/api/v1/owners/ada/rules";
        assert_eq!(house.site.post("POST", path, &more, &body).await.status, 403, "{name}");
    }
    let described = house.site.get("/api/openapi.json").await;
    assert_eq!(
        (described.status, described.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(described.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn without_people_nobody_signs_in() {
    let site = Site::start(Options::default()).await;
    for path in ["/sign-in", "/me/rules", "/api/v1/me"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
}
