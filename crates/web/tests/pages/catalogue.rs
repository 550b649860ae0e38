//! The schemas as pages, as an index, and as files that are sent once.

use event::Registry;
use serde_json::{Value, json};
use web::Options;

use crate::site::Site;

fn schema(name: &str, summary: &str) -> String {
    json!({
        "name": name, "version": 3, "title": "<b>Opened", "description": "When a door opens.",
        "owner": "facilities", "topics": [format!("#.{name}")],
        "body": {"type": "object", "required": ["agent"], "properties": {
            "agent": {"type": "string", "description": "Whose card & key."}}},
        "render": {"app": "Doors", "summary": summary, "people": ["body.agent"]},
        "examples": [{"topic": "org.example.door.open", "body": {"agent": "ada"}, "expect": {}}],
    })
    .to_string()
}

fn with(name: &str, summary: &str) -> Registry {
    let mut registry = Registry::default();
    registry.add(name, &schema(name, summary)).unwrap();
    registry
}

#[tokio::test]
async fn the_catalogue_lists_searches_and_explains() {
    let schemas = with("door.open", "{{ body.agent }} opened <i>");
    let site = Site::start(Options { schemas, ..Options::default() }).await;
    let list = site.get("/schemas").await;
    assert_eq!(list.status, 200);
    for wanted in ["href=\"/schemas/door.open\"", "&lt;b&gt;Opened", "#.door.open", "1 of 1"] {
        assert!(list.body.contains(wanted), "{wanted}: {}", list.body);
    }
    assert!(site.get("/schemas?text=CARD+door").await.body.contains("0 of 1"));
    assert!(site.get("/schemas?text=FACIL+door").await.body.contains("1 of 1"));
    let page = site.get("/schemas/door.open").await;
    assert_eq!(page.status, 200);
    for wanted in [
        "Version</dt><dd>3",
        "<bdi>agent</bdi></th><td><bdi>string</bdi>, required</td>",
        "Whose card &amp; key.",
        "ada opened &lt;i&gt;",
        "href=\"/schemas/door.open.json\"",
    ] {
        assert!(page.body.contains(wanted), "{wanted}: {}", page.body);
    }
    assert!(!page.body.contains("<i>") && !page.body.contains("<b>"), "{}", page.body);
    assert_eq!(site.get("/schemas/nobody").await.status, 404);
    assert_eq!(site.get("/schemas/nobody.json").await.status, 404);
    assert_eq!(site.get("/schemas/..%2f..%2fetc%2fpasswd").await.status, 404);
    site.stop().await;
}

#[tokio::test]
async fn a_file_is_sent_again_only_when_it_is_another() {
    let schemas = with("door.open", "one");
    let site = Site::start(Options { schemas: schemas.clone(), ..Options::default() }).await;
    let index: Value = serde_json::from_str(&site.get("/schemas.json").await.body).unwrap();
    assert_eq!(index["count"], 1);
    let entry = &index["schemas"][0];
    assert_eq!((&entry["name"], &entry["version"]), (&json!("door.open"), &json!(3)));
    let (path, tag) = (entry["path"].as_str().unwrap(), entry["etag"].as_str().unwrap());
    assert_eq!(site.get(path).await.body, schema("door.open", "one"));
    let known = [("if-none-match", tag)];
    for path in [path, "/schemas/door.open.json"] {
        assert_eq!(site.request("GET", path, &known).await.status, 304);
    }
    let negotiated = site.request("GET", "/schemas", &[("accept", "application/json")]).await;
    assert_eq!(serde_json::from_str::<Value>(&negotiated.body).unwrap(), index);
    schemas.replace(&with("door.open", "two"));
    let fresh = site.request("GET", path, &known).await;
    assert_eq!((fresh.status, fresh.body), (200, schema("door.open", "two")));
    site.stop().await;
}
