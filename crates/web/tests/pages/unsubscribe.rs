//! The way out of mails: a look changes nothing, a POST does, with or without a login.

use std::sync::{Arc, Mutex};

use web::{Login, Options, Unsubscribing};

use crate::site::{Nobody, Site};

#[derive(Debug, Default)]
struct Door(Mutex<Vec<String>>);

impl Unsubscribing for Door {
    fn would_end(&self, token: &str) -> Result<Option<Vec<String>>, String> {
        match token {
            "good" => Ok(Some(vec!["my <b>packages</b>".to_owned()])),
            "broken" => Err("the s3cret database is away".to_owned()),
            _ => Ok(None),
        }
    }

    fn end(&self, token: &str) -> Result<Option<Vec<String>>, String> {
        self.0.lock().unwrap().push(token.to_owned());
        self.would_end(token)
    }
}

#[tokio::test]
async fn a_look_asks_and_a_post_ends_it_without_a_login() {
    let door = Arc::new(Door::default());
    let unsubscribing: Option<Arc<dyn Unsubscribing>> = Some(Arc::<Door>::clone(&door));
    let login: Option<Arc<dyn Login>> = Some(Arc::new(Nobody));
    let site = Site::start(Options { unsubscribing, login, ..Options::default() }).await;
    assert_eq!(site.get("/").await.status, 401);

    let page = site.get("/unsubscribe/good").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("my &lt;b&gt;packages&lt;/b&gt;"), "{}", page.body);
    assert!(page.body.contains("<form method=\"post\">"), "{}", page.body);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(door.0.lock().unwrap().is_empty(), "a look changes nothing");

    let page = site.request("POST", "/unsubscribe/good", &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<h2>Unsubscribed</h2>") && !page.body.contains("<form"));
    assert_eq!(*door.0.lock().unwrap(), ["good"]);

    for method in ["GET", "POST"] {
        assert_eq!(site.request(method, "/unsubscribe/other", &[]).await.status, 404);
        let broken = site.request(method, "/unsubscribe/broken", &[]).await;
        assert!(broken.status == 503 && !broken.body.contains("s3cret"), "{}", broken.body);
    }
}

#[tokio::test]
async fn without_rules_the_addresses_lead_nowhere() {
    let site = Site::start(Options::default()).await;
    assert_eq!(site.get("/unsubscribe/good").await.status, 404);
    assert_eq!(site.request("POST", "/unsubscribe/good", &[]).await.status, 404);
}
