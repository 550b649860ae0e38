//! `tubepost bench`: how fast a broker is, and whether it keeps what it is given.

use std::{
    io::{IsTerminal, Write as _, stderr},
    ops::RangeInclusive,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bench::{
    Addresses, Amqp, Case, Consuming, Extent, Finding, Load, Progress, Routing, Target, Traffic,
};
use clap::{Arg, ArgAction, ArgMatches, Command, builder::RangedU64ValueParser, value_parser};

use crate::{
    failure::{Failure, complain},
    listing::{self, Cell, Table},
    stop::{StopSignals, TOLD_TWICE},
    terminal::print_line,
};

pub(crate) fn command() -> Command {
    let command = Command::new("bench")
        .about("Measure a broker: throughput, latency, and whether anything is lost")
        .arg(
            Arg::new("case")
                .value_name("CASE")
                .num_args(0..)
                .help("Cases by name, 'all', or none: one of your own by the parameters below"),
        )
        .arg(
            Arg::new("url")
                .long("url")
                .value_name("URL")
                .default_value("amqp://guest:guest@127.0.0.1:5672")
                .help("The broker: amqp://…, amqps://…, amqp10://…, nats://…, or 'null' for the generator's own limits"),
        )
        .arg(
            Arg::new("protocol")
                .long("protocol")
                .value_name("AMQP")
                .value_parser([V091, V10])
                .help("Which AMQP it is spoken to in [default: amqp091]"),
        )
        .arg(
            Arg::new("addresses")
                .long("addresses")
                .value_name("KIND")
                .value_parser(["paths", "names"])
                .help("Of amqp10: /queues/NAME, as Tubepost and RabbitMQ 4 have it, or plain names, as Qpid and Artemis have [default: paths]"),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .help("Show the cases and do nothing"),
        )
        .arg(number::<u32>("runs", "N", 1..=99, "Runs of each case; the one in the middle counts [default: 1]"))
        .arg(number::<u32>("pid", "PID", 1..=u32::MAX.into(), "The broker's process, for CPU and memory [default: who listens at the URL's port, if it is this machine's]"))
        .arg(
            Arg::new("restart")
                .long("restart")
                .value_name("COMMAND")
                .help("Case G: what starts the broker again, for the shell"),
        )
        .arg(
            Arg::new("html")
                .long("html")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write a report with charts to this file"),
        );
    let command = parameters(command.next_help_heading("Parameters; with a case, they change it"));
    listing::with_json(command, "One JSON object a case").after_help(
        "Examples:\n  \
         tubepost bench --list\n  \
         tubepost bench B1\n  \
         tubepost bench A16 B1 D --runs 3 --html report.html\n  \
         tubepost bench --producers 4 --consumers 4 --queues 2 --size 512 --seconds 20\n  \
         tubepost bench --rate 2000 --durable --confirm 100 --url amqp://ada:secret@mq.example.org/\n  \
         tubepost bench A16 B1 --protocol amqp10\n  \
         tubepost bench B1 --protocol amqp10 --addresses names --existing jobs --url amqp://mq\n  \
         tubepost bench G --restart 'systemctl restart tubepost'\n  \
         tubepost bench --url null\n\n\
         It makes queues of its own and removes them; it puts as much load on the broker as it can.\n\
         Exit 1 when anything was lost, doubled or out of order. docs/bench.md tells how it measures.",
    )
}

fn parameters(command: Command) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    command
        .arg(
            number::<u32>(
                "seconds",
                "N",
                1..=86_400,
                "Measure so long, after a second of warming up [default: 5]",
            )
            .conflicts_with("messages"),
        )
        .arg(number::<u64>(
            "messages",
            "N",
            1..=1 << 40,
            "Publish so many instead, and measure until all arrived",
        ))
        .arg(number::<u16>("producers", "N", 0..=10_000, "Connections that publish [default: 1]"))
        .arg(number::<u32>("consumers", "N", 0..=10_000, "Connections that consume [default: 1]"))
        .arg(number::<u32>("queues", "N", 1..=1_000_000, "Queues, spread over both [default: 1]"))
        .arg(
            Arg::new("existing").long("existing").value_name("NAME").help(
                "Make and remove nothing: the empty queue NAME is there, or NAME.0 and so on",
            ),
        )
        .arg(
            flag("fan-out", "Each message to every queue, by a topic exchange")
                .conflicts_with("patterns"),
        )
        .arg(number::<u32>(
            "patterns",
            "N",
            1..=10_000_000,
            "So many patterns on a topic exchange, of which each message fits one",
        ))
        .arg(number::<u64>(
            "size",
            "BYTES",
            16..=128 << 20,
            "Of each message's body [default: 1024]",
        ))
        .arg(flag("durable", "Durable queues, persistent messages"))
        .arg(flag("stream", "Streams for queues: every consumer reads everything"))
        .arg(number::<u32>(
            "confirm",
            "WINDOW",
            1..=u32::MAX.into(),
            "Ask for confirms, with so many messages unconfirmed at most",
        ))
        .arg(flag("auto-ack", "Consumers acknowledge nothing"))
        .arg(number::<u16>(
            "prefetch",
            "N",
            0..=65_535,
            "Unacknowledged messages of a consumer; 0: any number [default: 1000]",
        ))
        .arg(number::<u64>(
            "rate",
            "N",
            1..=1 << 32,
            "Messages a second of all producers, each sent when it is due: for latencies",
        ))
        .arg(flag("afterwards", "Consume when everything is published (needs --messages)"))
        .arg(
            number::<u32>(
                "connections",
                "N",
                1..=1_000_000,
                "No messages: so many connections that do nothing",
            )
            .conflicts_with_all(["producers", "consumers", "messages", "rate"]),
        )
}

fn number<T>(
    name: &'static str,
    value: &'static str,
    range: RangeInclusive<u64>,
    help: &'static str,
) -> Arg
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
    <T as TryFrom<u64>>::Error: Send + Sync + 'static + std::error::Error,
{
    let range = RangedU64ValueParser::<T>::new().range(range);
    Arg::new(name).long(name).value_name(value).value_parser(range).help(help)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    if matches.get_flag("list") {
        return list();
    }
    let target = target(matches)?;
    let cases = cases(matches, &target)?;
    let server = given::<u32>(matches, "pid").map(|pid| bench::Pid(*pid)).or(target.server());
    let html = given::<PathBuf>(matches, "html");
    // Before minutes are spent on what cannot be written.
    html.map_or(Ok(()), |file| write_html(file, ""))?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_when_told(stop.clone())?;
    let json = matches.get_flag("json");
    let mut findings = Vec::new();
    let mut table = Figures::new(json);
    for case in &cases {
        let line = ProgressLine::new(&case.name);
        let progress = |progress: Progress| line.show(&progress);
        let settings = bench::Settings {
            runs: given(matches, "runs").copied().unwrap_or(1),
            server,
            stop: &stop,
            progress: &progress,
        };
        let finding = bench::run(case, &target, &settings);
        line.clear();
        match finding {
            Ok(finding) => {
                table.add(&finding)?;
                findings.push(finding);
            }
            // What was measured before is not lost with it.
            Err(error) => {
                table.print()?;
                return Err(failure(&case.name, &error));
            }
        }
    }
    table.print()?;
    if let Some(file) = html {
        write_html(file, &bench::html(&findings, &about(&target)))?;
    }
    let bad = |it: &&Finding| it.outcome.as_ref().is_some_and(|it| !it.verdict.is_clean());
    let bad: Vec<&Finding> = findings.iter().filter(bad).collect();
    for finding in &bad {
        if let Some(outcome) = &finding.outcome {
            complain(&format!("{}: {}", finding.case, bench::verdict(outcome)));
        }
    }
    if bad.is_empty() { Ok(()) } else { Err(Failure::Said(1)) }
}

fn target(matches: &ArgMatches) -> Result<Target, Failure> {
    let word = |name: &str| given::<String>(matches, name).map(String::as_str);
    let target = Target::parse(word("url").unwrap_or_default())
        .map_err(|error| Failure::called_wrongly(format!("--url: {error}")))?;
    let addresses = match word("addresses") {
        Some("names") => Some(Addresses::Names),
        Some(_) => Some(Addresses::Paths),
        None => None,
    };
    let amqp = match (word("protocol"), addresses) {
        (Some(V10), addresses) => Amqp::V10(addresses.unwrap_or_default()),
        (_, Some(_)) => {
            return Err(Failure::called_wrongly("--addresses is for --protocol amqp10"));
        }
        (Some(_), None) => Amqp::V091,
        (None, None) => return Ok(target),
    };
    target.by(amqp).map_err(|error| Failure::called_wrongly(format!("--protocol: {error}")))
}

fn write_html(file: &std::path::Path, page: &str) -> Result<(), Failure> {
    std::fs::write(file, page).map_err(|error| {
        Failure::failed(format!("--html {}: cannot be written: {error}", file.display()))
    })
}

fn list() -> Result<(), Failure> {
    let mut table = Table::new();
    Case::all()
        .iter()
        .for_each(|case| table.row([&case.name, &case.what].map(|text| Cell::text(text))));
    table.lines(None).iter().try_for_each(|line| print_line(line))
}

/// The cases that were named, each with what the parameters change.
fn cases(matches: &ArgMatches, target: &Target) -> Result<Vec<Case>, Failure> {
    let names: Vec<&String> = matches.get_many("case").unwrap_or_default().collect();
    let mut cases = match (names.as_slice(), target) {
        ([], Target::Null(_)) => Case::of_null(),
        (_, Target::Null(_)) => {
            let text = "--url null has cases of its own; leave CASE out";
            return Err(Failure::called_wrongly(text));
        }
        ([], _) => vec![Case {
            name: "own".to_owned(),
            what: "by parameters".to_owned(),
            load: Load::Traffic(Box::default()),
        }],
        ([all], _) if all.eq_ignore_ascii_case("all") => Case::all(),
        (names, _) => names.iter().map(|name| named(name)).collect::<Result<_, _>>()?,
    };
    if let Some(connections) = given(matches, "connections") {
        cases.iter_mut().for_each(|case| case.load = Load::Idle(*connections));
    }
    let all = cases.len() > 1;
    cases.retain(|case| {
        !(all && needs_restart(case) && given::<String>(matches, "restart").is_none())
    });
    for case in &mut cases {
        if let Load::Traffic(traffic) = &mut case.load {
            change(traffic, matches)?;
            traffic
                .check()
                .map_err(|error| Failure::called_wrongly(format!("{}: {error}", case.name)))?;
        }
    }
    Ok(cases)
}

fn named(name: &str) -> Result<Case, Failure> {
    Case::named(name).ok_or_else(|| {
        let all: Vec<String> = Case::all().into_iter().map(|case| case.name).collect();
        Failure::called_wrongly(format!("no case is called '{name}'; there are {}", all.join(", ")))
    })
}

fn needs_restart(case: &Case) -> bool {
    match &case.load {
        Load::Traffic(traffic) => matches!(traffic.consuming, Consuming::AfterRestart(_)),
        Load::Idle(_) => false,
    }
}

fn change(traffic: &mut Traffic, matches: &ArgMatches) -> Result<(), Failure> {
    fn set<T: Clone + Send + Sync + 'static>(field: &mut T, matches: &ArgMatches, name: &str) {
        if let Some(value) = given::<T>(matches, name) {
            *field = value.clone();
        }
    }
    set(&mut traffic.producers, matches, "producers");
    set(&mut traffic.consumers, matches, "consumers");
    set(&mut traffic.queues, matches, "queues");
    set(&mut traffic.prefetch, matches, "prefetch");
    if let Some(name) = given::<String>(matches, "existing") {
        traffic.existing = Some(name.clone());
    }
    if let Some(bytes) = given::<u64>(matches, "size") {
        traffic.body_bytes = *bytes as usize;
    }
    // A backlog is as long as it is, however long that takes.
    if let Some(seconds) = given::<u32>(matches, "seconds")
        && traffic.consuming == Consuming::AtOnce
    {
        traffic.extent = Extent::Time(Duration::from_secs(u64::from(*seconds)));
    }
    if let Some(messages) = given::<u64>(matches, "messages") {
        traffic.extent = Extent::Messages(*messages);
    }
    if let Some(rate) = given::<u64>(matches, "rate") {
        traffic.rate = Some(*rate);
    }
    if let Some(window) = given::<u32>(matches, "confirm") {
        traffic.confirm_window = Some(*window);
    }
    if let Some(patterns) = given::<u32>(matches, "patterns") {
        traffic.routing = Routing::Patterns(*patterns);
    }
    if matches.get_flag("fan-out") {
        traffic.routing = Routing::Topic;
    }
    traffic.durable |= matches.get_flag("durable");
    traffic.stream |= matches.get_flag("stream");
    traffic.auto_ack |= matches.get_flag("auto-ack");
    if matches.get_flag("afterwards") {
        traffic.consuming = Consuming::Afterwards;
    }
    if let Consuming::AfterRestart(command) = &mut traffic.consuming {
        let given = given::<String>(matches, "restart").ok_or_else(|| {
            Failure::called_wrongly(
                "--restart: case G starts the broker again; say how, for example \
                 --restart 'systemctl restart tubepost'",
            )
        })?;
        command.clone_from(given);
    }
    Ok(())
}

fn given<'a, T: Clone + Send + Sync + 'static>(
    matches: &'a ArgMatches,
    name: &str,
) -> Option<&'a T> {
    matches.get_one(name)
}

/// The first signal ends the run and removes what it made; a second ends the process.
fn stop_when_told(stop: Arc<AtomicBool>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?;
    let mut signals = {
        let _inside = runtime.enter();
        StopSignals::take()?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            signals.next().await;
            stop.store(true, Relaxed);
            signals.next().await;
            std::process::exit(TOLD_TWICE.into());
        });
    });
    Ok(())
}

fn failure(case: &str, error: &bench::Error) -> Failure {
    match error {
        bench::Error::Wrong(text) => Failure::called_wrongly(format!("{case}: {text}")),
        error => Failure::failed(format!("{case}: {error}")),
    }
}

/// What stands on top of a report.
fn about(target: &Target) -> Vec<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let machine = model.map_or("an unknown processor", |(_, name)| name);
    let broker = format!("{}, measured by tubepost {}", target.shown(), env!("CARGO_PKG_VERSION"));
    vec![broker, format!("{cores} cores, {machine}; the load generator runs on this machine")]
}

/// The line that a terminal shows meanwhile.
struct ProgressLine {
    case: String,
    is_shown: bool,
}

impl ProgressLine {
    fn new(case: &str) -> ProgressLine {
        ProgressLine { case: case.to_owned(), is_shown: stderr().is_terminal() }
    }

    fn show(&self, progress: &Progress) {
        if !self.is_shown {
            return;
        }
        let filled = (progress.done * BAR).round() as usize;
        let bar: String = (0..BAR as usize).map(|at| if at < filled { '█' } else { '░' }).collect();
        let (published, delivered) =
            (bench::count(progress.published_per_s), bench::count(progress.delivered_per_s));
        let state = if progress.is_draining { "waiting for the rest" } else { "" };
        let line = format!(
            "\r\x1b[K{} {bar} published {published}/s, delivered {delivered}/s {state}",
            self.case
        );
        // What cannot be shown is not missed.
        stderr().write_all(line.as_bytes()).ok();
    }

    fn clear(&self) {
        if self.is_shown {
            stderr().write_all(b"\r\x1b[K").ok();
        }
    }
}

/// The figures of all cases: each as JSON when it is there, or a table at the end.
struct Figures {
    json: bool,
    /// Nothing was measured yet.
    is_empty: bool,
    table: Table,
}

impl Figures {
    fn new(json: bool) -> Figures {
        let mut table = Table::new();
        table.header(COLUMNS.map(str::to_owned));
        Figures { json, is_empty: true, table }
    }

    fn add(&mut self, finding: &Finding) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string(finding)
                .map_err(|error| Failure::failed(format!("JSON: {error}")))?;
            return print_line(&json);
        }
        self.is_empty = false;
        self.table.row(cells(finding));
        Ok(())
    }

    fn print(&self) -> Result<(), Failure> {
        if self.json || self.is_empty {
            return Ok(());
        }
        self.table.lines(None).iter().try_for_each(|line| print_line(line))
    }
}

fn cells(finding: &Finding) -> [Cell; COLUMNS.len()] {
    let none = Cell::absent;
    if let Some(idle) = &finding.idle {
        let each = idle.resident_bytes_each;
        let memory =
            each.map_or_else(none, |bytes| Cell::number(format!("{:.1} KiB each", bytes / 1024.0)));
        let opened = Cell::number(format!("{} opened", bench::count(idle.opened_per_s)));
        let case = Cell::text(&finding.case);
        return [case, opened, none(), none(), none(), none(), memory, none()];
    }
    let Some(outcome) = &finding.outcome else {
        return std::array::from_fn(|_| none());
    };
    let times = |latency: Option<bench::Latency>| {
        latency.map_or_else(none, |it| Cell::number(format!("{:.3} / {:.3}", it.p50_ms, it.p99_ms)))
    };
    let delivered = match (outcome.delivered_per_s, outcome.drained_per_s) {
        (Some(rate), _) => Cell::number(bench::count(rate)),
        (None, Some(rate)) => Cell::number(format!("{} drained", bench::count(rate))),
        (None, None) => none(),
    };
    let delivery = match outcome.first_message_s {
        Some(seconds) => Cell::number(format!("first after {seconds:.3} s")),
        None => times(outcome.delivery),
    };
    let server = outcome.server.as_ref();
    [
        Cell::text(&finding.case),
        Cell::number(bench::count(outcome.published_per_s)),
        delivered,
        delivery,
        times(outcome.confirm),
        server.map_or_else(none, |it| Cell::number(format!("{:.2}", it.cpu_us))),
        server.map_or_else(none, |it| {
            Cell::number(format!("{:.0} MiB", it.resident_peak_bytes as f64 / 1_048_576.0))
        }),
        Cell::text(&bench::verdict(outcome)),
    ]
}

const COLUMNS: [&str; 8] = [
    "case",
    "published/s",
    "delivered/s",
    "delivery p50/p99 ms",
    "confirm p50/p99 ms",
    "CPU µs/msg",
    "memory",
    "verdict",
];

/// What the protocols are called on the command line.
const V091: &str = "amqp091";
const V10: &str = "amqp10";

/// Characters of the bar.
const BAR: f64 = 24.0;
