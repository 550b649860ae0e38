//! From the moment an event is published to the moment the mail server has the mail of it, and what
//! the whole server weighs meanwhile: 10,000 people with 100,000 rules, and events of which one in
//! so many is somebody's. The server is the binary (`TUBEPOST_BIN`), the mail server a socket here
//! that speaks enough SMTP and looks at nothing but the id.
//!
//!     cargo bench -p tubepost-tests --bench notices -- [EVENTS_PER_SECOND [SECONDS [ONE_IN]]]

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use harness::{Site, resident_bytes, run};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tubepost::{Event, Publisher};

const PEOPLE: usize = 10_000;
const RULES: usize = 100_000;

/// When the mail of each event was taken, by the event's id.
type Taken = Arc<Mutex<HashMap<String, Instant>>>;

fn main() -> Result<()> {
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let numbers: Vec<u64> = words.map(|word| word.parse()).collect::<Result<_, _>>()?;
    let number = |at: usize, default: u64| numbers.get(at).copied().unwrap_or(default).max(1);
    let (rate, seconds, one_in) = (number(0, 1000), number(1, 60), number(2, 10));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(rate, seconds, one_in))
}

async fn measure(rate: u64, seconds: u64, one_in: u64) -> Result<()> {
    let site = Site::new()?;
    let taken = Taken::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(mail_server(listener, Arc::clone(&taken)));
    // The probe's mail says when the notifier is ready.
    let store = site.path("rules.db").display().to_string();
    let config = format!(
        "[notify]\nstore = \"{store}\"\n[notify.mail]\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"tubepost@example.org\"\n\
         [[notify.subscription]]\nto = \"probe@example.org\"\npatterns = [\"org.example.probe\"]\n"
    );
    site.write("tubepost.toml", config)?;
    let begun = Instant::now();
    let rules = site.write("rules.json", Value::from_iter((0..RULES).map(rule)).to_string())?;
    let mut import = site.command(&["notify", "import", "--rules", &store]);
    import.arg(rules);
    let done = run("import", &mut import, b"", 600)?;
    ensure!(done.code() == 0, "import: {}", done.stderr);
    println!("{RULES} rules of {PEOPLE} people imported in {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let server = site.serve()?;
    let publisher = Publisher::connect(&site.amqp_url().parse()?, "notices bench").await?;
    let probe = Event::new("org.example.probe".parse()?, json!({"probe": true}))?;
    loop {
        publisher.publish(&probe).await?;
        // tidy: the condition is the next line's.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if taken.lock().unwrap().contains_key(&probe.id) {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(120), "nobody was told of the probe");
    }
    println!(
        "ready after {:.1} s, {} MiB resident",
        begun.elapsed().as_secs_f64(),
        resident(&server)?
    );

    let mut published = HashMap::new();
    let (begun, events) = (Instant::now(), rate * seconds);
    let mut weights = Vec::new();
    // A batch every 5 ms at most: what comes in bursts of one is not what a second holds.
    let step = (rate / 200).max(1);
    for first in (0..events).step_by(usize::try_from(step)?) {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(first as f64 / rate as f64)).await;
        let batch: Vec<Event> =
            (first..events.min(first + step)).map(|n| event(n, one_in)).collect::<Result<_>>()?;
        let now = Instant::now();
        for (number, event) in (first..).zip(&batch) {
            if number % one_in == 0 {
                published.insert(event.id.clone(), now);
            }
        }
        for outcome in publisher.publish_all(&batch).await {
            outcome?;
        }
        if first / rate != (first + step) / rate {
            weights.push(resident(&server)?);
        }
    }
    let late = begun.elapsed().as_secs_f64() - seconds as f64;
    let patience = Instant::now() + Duration::from_secs(60);
    let wanted = published.len() + 1;
    while taken.lock().unwrap().len() < wanted {
        ensure!(Instant::now() < patience, "{} of {wanted} mails", taken.lock().unwrap().len());
        // tidy: the condition is the loop's.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let taken = taken.lock().unwrap();
    let mut after: Vec<f64> =
        published.iter().map(|(id, at)| (taken[id] - *at).as_secs_f64() * 1e3).collect();
    after.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| after[((after.len() - 1) as f64 * share) as usize];
    println!(
        "{rate} events/s for {seconds} s (published {late:.1} s late), 1 in {one_in} told by mail: \
         {} mails",
        after.len()
    );
    println!(
        "published to mail accepted: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    let quarter = |n: usize| weights.get(weights.len() * n / 4).copied().unwrap_or_default();
    println!(
        "resident: {} MiB in the first second, {} at a quarter, {} at half, {} at three quarters, \
         {} at the end",
        weights.first().context("no second went by")?,
        quarter(1),
        quarter(2),
        quarter(3),
        weights.last().context("no second went by")?
    );
    server.terminate()
}

/// Rule `n` of person `n % PEOPLE`: one package of their own. FMN's form.
fn rule(n: usize) -> Value {
    let person = format!("person{}", n % PEOPLE);
    json!({
        "id": n, "name": null, "disabled": false,
        "user": {"id": n % PEOPLE, "name": person},
        "tracking_rule": {
            "name": "artifacts-followed",
            "params": [{"name": format!("pkg{n}"), "type": "rpms"}],
        },
        "generation_rules": [{
            "id": n,
            "destinations": [{"protocol": "email", "address": format!("{person}@example.org")}],
            "filters": {
                "applications": [], "excluded_applications": [], "severities": [],
                "topic": null, "my_actions": true,
            },
        }],
        "generated_last_week": 0,
    })
}

/// Event `n`, a commit; every so many-th is of a package that somebody follows.
fn event(n: u64, one_in: u64) -> Result<Event> {
    let package = match n % one_in {
        0 => format!("pkg{}", (n / one_in * 7919) % RULES as u64),
        _ => format!("other{n}"),
    };
    let body = json!({
        "agent": "ada",
        "commit": {
            "name": "Ada", "email": "ada@example.org", "username": "ada",
            "summary": format!("commit {n}"), "message": format!("commit {n}\n\nWith a reason.\n"),
            "stats": {
                "files": {"a.txt": {"additions": 1, "deletions": 0, "lines": 1}},
                "total": {"additions": 1, "deletions": 0, "lines": 1, "files": 1},
            },
            "rev": format!("{n:040x}"), "path": format!("/srv/git/rpms/{package}.git"),
            "repo": package, "namespace": "rpms", "branch": "rawhide", "seen": false,
            "patch": "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1,2 @@\n a\n+b\n",
            "date": "2026-11-30T10:42:31+01:00", "url": null,
        },
    });
    Ok(Event::new("org.example.git.receive".parse()?, body)?)
}

/// MiB.
fn resident(server: &harness::Server) -> Result<u64> {
    Ok(resident_bytes(server.pid())? >> 20)
}

async fn mail_server(listener: TcpListener, taken: Taken) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(mails(stream, Arc::clone(&taken)));
    }
}

/// One connection, RFC 5321 as far as it goes without an error.
async fn mails(stream: TcpStream, taken: Taken) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let (mut line, mut in_data, mut id) = (Vec::new(), false, String::new());
    write.write_all(b"220 bench\r\n").await.ok()?;
    loop {
        line.clear();
        if read.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&line);
        let answer: &[u8] = match (in_data, text.trim_end()) {
            (true, ".") => {
                in_data = false;
                taken.lock().unwrap().entry(std::mem::take(&mut id)).or_insert_with(Instant::now);
                b"250 taken\r\n"
            }
            (true, header) => {
                if let Some(of_mail) = header.strip_prefix("X-Tubepost-Id: ") {
                    id = of_mail.to_owned();
                }
                continue;
            }
            (false, "DATA") => {
                in_data = true;
                b"354 go on\r\n"
            }
            (false, "QUIT") => {
                write.write_all(b"221 bye\r\n").await.ok()?;
                return None;
            }
            (false, _) => b"250 ok\r\n",
        };
        write.write_all(answer).await.ok()?;
    }
}
