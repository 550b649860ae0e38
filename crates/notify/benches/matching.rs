//! How many events a second are held against 100,000 rules of 10,000 people on one core, through
//! the index and rule by rule. `cargo bench -p tubepost-notify --bench matching`; 20,000 are
//! promised: below it exits 1. What both find is compared.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and may panic")]

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use event::{Description, Event, Severity};
use notify::{
    Matcher, Scratch,
    rule::{Condition, Directory, Facts, Maintainers, Names, Owner, Rule, Who},
};

const RULES: usize = 100_000;
const PEOPLE: usize = 10_000;
const PACKAGES: usize = 20_000;
const GROUPS: usize = 200;
const EVENTS: usize = 4000;
const PROMISED: f64 = 20_000.0;
const LEAST: Duration = Duration::from_millis(400);
/// The best counts: what else the machine does can only add.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let mut random = Random(42);
    let before = resident();
    let began = Instant::now();
    let mut matcher = Matcher::default();
    for group in 0..GROUPS {
        let members: Vec<String> = (0..20).map(|_| person(random.below(PEOPLE))).collect();
        matcher.set_group(&format!("group{group}"), &members);
    }
    for package in 0..PACKAGES {
        let groups = match random.below(10) {
            0 => vec![format!("group{}", random.below(GROUPS))],
            _ => Vec::new(),
        };
        let people = vec![person(random.skewed(PEOPLE))];
        matcher.set_maintainers(&format!("pkg{package}"), Maintainers { people, groups });
    }
    let rules: Vec<Rule> = (0..RULES).map(|n| rule(n, &mut random)).collect();
    for rule in &rules {
        matcher.put(Arc::new(rule.clone())).unwrap();
    }
    println!(
        "{RULES} rules of {PEOPLE} people, {} of them broad: made in {:.2} s, {} MiB with the rules",
        matcher.broad(),
        began.elapsed().as_secs_f64(),
        (resident() - before) >> 20
    );
    let events: Vec<(Event, Description)> = (0..EVENTS).map(|n| event(n, &mut random)).collect();
    let mut scratch = Scratch::default();
    let mut found = 0;
    for (event, told) in events.iter().step_by(EVENTS / 100) {
        let mut indexed: Vec<_> =
            matcher.matches(event, told, &mut scratch).iter().map(|rule| rule.id.clone()).collect();
        let mut linear: Vec<_> =
            matcher.matches_linearly(event, told).iter().map(|rule| rule.id.clone()).collect();
        indexed.sort();
        linear.sort();
        assert_eq!(indexed, linear, "{}", event.topic);
        found += indexed.len();
    }
    println!("the same found both ways, {:.1} rules an event", found as f64 / 100.0);

    let mut put = Vec::new();
    for rule in rules.iter().step_by(RULES / 1000) {
        let began = Instant::now();
        matcher.put(Arc::new(rule.clone())).unwrap();
        put.push(began.elapsed());
    }
    put.sort_unstable();
    println!(
        "a rule changed in {:.1} us, the slowest of 1,000 in {:.1} us",
        put[put.len() / 2].as_secs_f64() * 1e6,
        put[put.len() - 1].as_secs_f64() * 1e6
    );

    let linear =
        rate(&events[..20], &mut |(event, told)| matcher.matches_linearly(event, told).len());
    let indexed = (0..ROUNDS).map(|_| {
        rate(&events, &mut |(event, told)| matcher.matches(event, told, &mut scratch).len())
    });
    let indexed = indexed.fold(0.0, f64::max);
    println!("rule by rule {linear:>10.0} events/s\nby the index {indexed:>10.0} events/s");

    // What the worst rules do: nothing to find them by, and one of them dear.
    for (what, condition) in [
        ("of two letters of text", Condition::Text(Names(vec!["zq".to_owned()]))),
        ("of a topic glob", Condition::TopicGlob(vec!["*nothing*".parse().unwrap()])),
        ("of an expression over a list", Condition::Cel("people.exists(p, p == summary)".into())),
    ] {
        for n in 0..100 {
            let mut broad = rules[0].clone();
            (broad.id, broad.what) = (format!("broad{n}"), condition.clone());
            matcher.put(Arc::new(broad)).unwrap();
        }
        let with =
            rate(&events, &mut |(event, told)| matcher.matches(event, told, &mut scratch).len());
        let each = (1.0 / with - 1.0 / indexed) * 1e6 / 100.0;
        println!("with 100 rules {what}, for every event: {with:.0} events/s, {each:.2} us a rule");
        (0..100).for_each(|n| matcher.remove(&format!("broad{n}")));
    }
    dearest();
    if indexed < PROMISED {
        println!("fewer than the {PROMISED} promised");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// How long the dearest expressions take that are let run: each on larger and larger events, until
/// it is refused.
fn dearest() {
    for text in [
        "body.list.all(a, body.list.all(b, a + b != 'z'))",
        "body.list.map(a, a + a).filter(a, a != '').exists(a, a.contains('zz'))",
        "body.list.exists(a, a.matches('(x+x+)+y'))",
        "body.list.map(a, body.list).size() < 0",
    ] {
        let what = Condition::Cel(text.to_owned());
        let mut random = Random(1);
        let rule = Rule { what, ..rule(0, &mut random) };
        let (directory, mut longest) = (Directory::default(), (0, Duration::ZERO));
        let Ok(probe) = rule.probe(&directory) else {
            println!("refused: {text}");
            continue;
        };
        let (mut event, told) = event(0, &mut random);
        for items in (1..).map(|step| step * 10) {
            let list: Vec<String> = (0..items).map(|n| format!("{n:x>20}")).collect();
            event.body = serde_json::json!({"list": list}).try_into().unwrap();
            let (began, ran) = (Instant::now(), on_the_core());
            let mut refused = false;
            probe.wants(&Facts::new(&event, &told), &directory, &mut |_| refused = true);
            if refused {
                break;
            }
            let took = match (ran, on_the_core()) {
                (Some(before), Some(after)) => after - before,
                _ => began.elapsed(),
            };
            longest = longest.max((items, took));
        }
        let (items, took) = longest;
        println!("{:.1} ms with {items} items, the most: {text}", took.as_secs_f64() * 1e3);
    }
}

/// FMN's kinds of rules, as often as they are there or somewhat worse.
fn rule(n: usize, random: &mut Random) -> Rule {
    let package = |random: &mut Random| format!("pkg{}", random.skewed(PACKAGES));
    let not_mine = Condition::Not(Box::new(Condition::Agent(vec![Who::Me])));
    let topic = |pattern: &str| Condition::Topic(vec![pattern.parse().unwrap()]);
    let kind = random.below(1000);
    let what = match kind {
        0..250 => Condition::All(vec![Condition::Maintainer(vec![Who::Me]), not_mine]),
        250..450 => Condition::All(vec![Condition::People(vec![Who::Me]), not_mine]),
        450..650 => Condition::All(vec![
            topic(["#.git.#", "#.buildsys.#", "#.bodhi.update.#"][random.below(3)]),
            Condition::Package((0..1 + random.below(5)).map(|_| package(random)).collect()),
        ]),
        650..750 => Condition::Agent(vec![Who::Person(person(random.skewed(PEOPLE)))]),
        750..830 => Condition::All(vec![
            Condition::Maintainer(vec![Who::Group(format!("group{}", random.below(GROUPS)))]),
            Condition::Severity(vec![Severity::Warning, Severity::Error]),
        ]),
        830..900 => Condition::All(vec![
            Condition::App(Names(vec!["koji".to_owned()])),
            Condition::Any(vec![
                Condition::People(vec![Who::Me]),
                Condition::Package(Names(vec![package(random)])),
            ]),
        ]),
        900..940 => Condition::Object(Names(vec![format!("git/pkg{}", random.skewed(PACKAGES))])),
        940..950 => Condition::All(vec![
            topic("#"),
            Condition::Text(Names(vec![format!("CVE-2026-{:04}", random.below(10_000))])),
        ]),
        950..952 => {
            Condition::All(vec![topic("#.bodhi.#"), Condition::Severity(vec![Severity::Error])])
        }
        952..972 => {
            let text = match random.below(3) {
                0 => format!("agent == '{}' && severity != 'debug'", person(random.skewed(PEOPLE))),
                1 => format!("'{}' in packages && has(body.branch)", package(random)),
                _ => format!(
                    "app == 'koji' && '{}' in packages && size(people) > 0",
                    package(random)
                ),
            };
            Condition::Cel(text)
        }
        _ => Condition::All(vec![
            Condition::People(vec![Who::MyGroups]),
            topic("#.bodhi.update.comment"),
        ]),
    };
    let owner = Owner::Person(person(n % PEOPLE));
    Rule {
        version: 1,
        id: format!("r{n}"),
        owner,
        name: format!("rule {n}"),
        enabled: true,
        what,
        outlets: Vec::new(),
    }
}

fn event(n: usize, random: &mut Random) -> (Event, Description) {
    let package = format!("pkg{}", random.skewed(PACKAGES));
    let agent = person(random.skewed(PEOPLE));
    let (app, topic) = [
        ("git", "org.fedoraproject.prod.git.receive"),
        ("koji", "org.fedoraproject.prod.buildsys.build.state.change"),
        ("koji", "org.fedoraproject.prod.buildsys.task.state.change"),
        ("bodhi", "org.fedoraproject.prod.bodhi.update.comment"),
        ("copr", "org.fedoraproject.prod.copr.build.end"),
    ][random.below(5)];
    let cve = if random.below(100) == 0 { " fixes CVE-2026-0042" } else { "" };
    let body = serde_json::json!({"agent": agent, "branch": "rawhide", "n": n, "name": package});
    let mut event = Event::new(topic.parse().unwrap(), body).unwrap();
    event.schema = Some(topic.rsplit_once("prod.").unwrap().1.to_owned());
    let mut people = vec![agent.clone(), person(random.skewed(PEOPLE))];
    people.sort();
    let told = Description {
        summary: format!("{agent} did something to {package} on rawhide{cve}"),
        link: Some("https://example.org/x".to_owned()),
        icon: None,
        app: app.to_owned(),
        agent: Some(agent),
        people,
        object: Some(format!("{app}/{package}")),
        objects: vec![format!("{app}/{package}")],
        packages: vec![package],
        text: Some("A few lines more, such as a commit's message has them.\n".repeat(4)),
        patch: None,
        severity: [
            Severity::Info,
            Severity::Info,
            Severity::Info,
            Severity::Info,
            Severity::Warning,
        ][random.below(5)],
        schema: event.schema.clone(),
    };
    (event, told)
}

fn person(n: usize) -> String {
    format!("person{n}")
}

/// Events a second on this thread.
fn rate(
    events: &[(Event, Description)],
    ask: &mut dyn FnMut(&(Event, Description)) -> usize,
) -> f64 {
    let (began, ran, mut asked) = (Instant::now(), on_the_core(), 0_u32);
    while began.elapsed() < LEAST {
        for event in events {
            std::hint::black_box(ask(event));
        }
        asked += u32::try_from(events.len()).unwrap();
    }
    let taken = match (ran, on_the_core()) {
        (Some(before), Some(after)) => after - before,
        _ => began.elapsed(),
    };
    f64::from(asked) / taken.as_secs_f64()
}

/// How long this thread has been on a core: what else the machine does is not the matcher's.
fn on_the_core() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Bytes of memory this process has.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// A generator that is the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    /// Few are busy, and most are not.
    fn skewed(&mut self, end: usize) -> usize {
        let n = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((n * n.sqrt()) * end as f64) as usize
    }
}
