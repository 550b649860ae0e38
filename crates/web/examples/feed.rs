//! A feed of made-up events, to look at the pages without a bus:
//!
//! ```sh
//! cargo run -p tubepost-web --example feed -- 127.0.0.1:8080 30 1000
//! ```
//!
//! shows 30 events and one more every second (1000 ms; 0 for no more). `--away` shows a bus that
//! is away; `--bus=amqp://guest:guest@localhost` follows that bus.

use std::{error::Error, io::Write, sync::Arc, time::Duration};

use event::{Description, Event, Registry, Severity};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use web::{Bus, Feed, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (flags, arguments): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let mut arguments = arguments.into_iter();
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let count: usize = arguments.next().unwrap_or_else(|| "30".to_owned()).parse()?;
    let every_ms: u64 = arguments.next().unwrap_or_else(|| "1000".to_owned()).parse()?;

    let feed = Feed::default();
    feed.set_bus(match flags.iter().any(|flag| flag == "--away") {
        true => Bus::Away { since: Timestamp::now(), reason: "127.0.0.1:5672 refused".to_owned() },
        false => Bus::Connected,
    });
    if let Some(bus) = flags.iter().find_map(|flag| flag.strip_prefix("--bus=")) {
        let registry = Arc::new(Registry::builtin());
        tokio::spawn(feed.clone().follow(bus.parse()?, registry, "feed example".to_owned()));
    }
    for n in 0..count {
        let age = SignedDuration::from_secs(((count - n) as i64).pow(2) * 7);
        push(&feed, n, Timestamp::now() - age)?;
    }
    let listener = TcpListener::bind(&address).await?;
    writeln!(std::io::stdout(), "http://{}/", listener.local_addr()?)?;

    let more = feed.clone();
    let ticking = tokio::spawn(async move {
        for n in count.. {
            if every_ms == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
            if let Err(error) = push(&more, n, Timestamp::now()) {
                tracing::error!(%error, "a sample is wrong");
            }
        }
    });
    let until_ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
    web::serve(listener, feed, Options::default(), until_ctrl_c).await?;
    ticking.abort();
    Ok(())
}

fn push(feed: &Feed, n: usize, at: Timestamp) -> Result<(), Box<dyn Error>> {
    let samples = samples();
    let sample = &samples[n % samples.len()];
    let mut event = Event::new(sample.topic.parse()?, sample.body.clone())?;
    event.sent_at = Some(at);
    event.severity = sample.severity;
    event.schema = sample.schema.map(str::to_owned);
    for person in sample.people {
        event.headers.insert(format!("fedora_messaging_user_{person}"), true.into());
    }
    for package in sample.packages {
        event.headers.insert(format!("fedora_messaging_rpm_{package}"), true.into());
    }
    let described = Description {
        summary: sample.summary.to_owned(),
        link: sample.link.map(str::to_owned),
        icon: None,
        app: sample.app.to_owned(),
        agent: sample.people.first().map(|&name| name.to_owned()),
        people: sample.people.iter().map(|&name| name.to_owned()).collect(),
        packages: sample.packages.iter().map(|&name| name.to_owned()).collect(),
        object: None,
        objects: Vec::new(),
        text: sample.text.map(str::to_owned),
        patch: sample.body["commit"]["patch"].as_str().map(str::to_owned),
        severity: sample.severity,
        schema: sample.schema.map(str::to_owned),
    };
    feed.push(event, described);
    Ok(())
}

struct Sample {
    topic: &'static str,
    summary: &'static str,
    app: &'static str,
    people: &'static [&'static str],
    packages: &'static [&'static str],
    link: Option<&'static str>,
    text: Option<&'static str>,
    severity: Severity,
    schema: Option<&'static str>,
    body: Value,
}

const PLAIN: Sample = Sample {
    topic: "",
    summary: "",
    app: "",
    people: &[],
    packages: &[],
    link: None,
    text: None,
    severity: Severity::Info,
    schema: None,
    body: Value::Null,
};

fn samples() -> Vec<Sample> {
    vec![
        Sample {
            topic: "org.fedoraproject.prod.buildsys.build.state.change",
            summary: "pwalter's akonadi-contacts-23.04.2-1.fc39 started building",
            app: "koji",
            people: &["pwalter"],
            packages: &["akonadi-contacts"],
            link: Some("https://koji.example.org/koji/buildinfo?buildID=2214710"),
            schema: Some("koji_fedoramessaging.build.state.change"),
            body: json!({"build_id": 2_214_710, "instance": "primary", "name": "akonadi-contacts",
                "new": 0, "old": null, "owner": "pwalter", "release": "1.fc39", "version": "23.04.2"}),
            ..PLAIN
        },
        Sample {
            topic: "org.fedoraproject.prod.bodhi.update.request.testing",
            summary: "dwmw2 submitted openconnect-9.12-2.fc38 to testing",
            app: "bodhi",
            people: &["dwmw2", "nmav"],
            packages: &["openconnect"],
            body: json!({"agent": "dwmw2", "update": {"alias": "FEDORA-2023-ab12", "karma": 0,
                "builds": [{"nvr": "openconnect-9.12-2.fc38", "signed": true}]}}),
            ..PLAIN
        },
        Sample {
            topic: "org.example.nagios.service.state.change",
            summary: "db01: disk /var is 97 % full",
            app: "nagios",
            severity: Severity::Error,
            body: json!({"host": "db01", "service": "disk /var", "state": "CRITICAL", "used": 0.97}),
            ..PLAIN
        },
        Sample {
            topic: "org.fedoraproject.prod.copr.build.end",
            summary: "churchyard's build of python3.12 in copr python-rebuild failed on fedora-rawhide-x86_64",
            app: "copr",
            people: &["churchyard", "ksurma", "thrnciar", "vstinner"],
            packages: &["python3.12"],
            severity: Severity::Warning,
            body: json!({"build": 6_123_431, "chroot": "fedora-rawhide-x86_64", "status": 0}),
            ..PLAIN
        },
        Sample {
            topic: "org.release-monitoring.prod.anitya.project.version.update",
            summary: "release-monitoring.org found curl 8.5.0",
            app: "anitya",
            packages: &["curl"],
            body: json!({"project": {"name": "curl", "version": "8.5.0"}, "message": {"agent": "anitya"}}),
            ..PLAIN
        },
        Sample {
            topic: "org.fedoraproject.prod.wiki.article.edit",
            summary: "Zoë made a minor edit to “Sürüm notları / Σημειώσεις”",
            app: "wiki",
            people: &["Zoë Ünal"],
            body: json!({"user": "Zoë Ünal", "title": "Sürüm notları / Σημειώσεις", "minor": true}),
            ..PLAIN
        },
        Sample {
            topic: "org.example.deploy.heartbeat",
            summary: "deploy runner 3 is alive",
            app: "deploy",
            severity: Severity::Debug,
            body: json!({"runner": 3, "load": [0.31, 0.28, 0.22]}),
            ..PLAIN
        },
        Sample {
            topic: "org.example.git.receive",
            summary: "ada pushed to valgrind (main): Count the bytes that are still reachable, not the blocks",
            app: "git",
            people: &["ada", "grace"],
            packages: &["valgrind"],
            link: Some("https://git.example.org/rpms/valgrind/c/7a211f0"),
            text: Some(
                "Count the bytes that are still reachable, not the blocks\n\nThe summary line added blocks to bytes, so that a leak of one large\nblock looked smaller than a leak of many small ones.",
            ),
            schema: Some("git.receive"),
            body: json!({"agent": "ada", "commit": {
                "rev": "7a211f09e2b7f3a1d08c7f5f7fb5d7c3f6bb1a20", "branch": "main", "repo": "valgrind",
                "namespace": "rpms", "name": "Ada Lovelace", "email": "ada@example.org",
                "stats": {"files": {"leak.c": {"additions": 4, "deletions": 3, "lines": 7}},
                          "total": {"additions": 4, "deletions": 3, "files": 1, "lines": 7}},
                "patch": PATCH}}),
            ..PLAIN
        },
    ]
}

const PATCH: &str = "\
diff --git a/leak.c b/leak.c
index 1e2a0c4..7bb31fd 100644
--- a/leak.c
+++ b/leak.c
@@ -118,12 +118,13 @@ static void print_results(ThreadId tid)
    for (i = 0; i < n_lossrecords; i++) {
       lr = lr_array[i];
       switch (lr->key.state) {
-         case Unreached:  lost_blocks += lr->num_blocks;
-                          break;
+         case Unreached:  lost_bytes += lr->szB;
+                          lost_blocks += lr->num_blocks;
+                          break;
          case Reachable:
-            reachable += lr->num_blocks;
+            reachable += lr->szB;
             break;
          default:
             VG_(tool_panic)(\"unknown state\");
       }
    }
";
