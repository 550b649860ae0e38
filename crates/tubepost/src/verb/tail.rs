//! `tubepost tail`: shows events as they come.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use client::{BusUrl, Delivery, Queue, Subscriber, Subscription};
use event::{Pattern, Registry};
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    cli,
    config::Verb,
    event_line::{self, Notes},
    failure::{Failure, complain, remark},
    schemas,
    serve::logging,
    stop::StopSignals,
    terminal::{print_line, shown},
    verb::block_on,
};

pub(crate) fn command() -> Command {
    let command = Command::new("tail")
        .about("Show events as they come, one a line")
        .arg(patterns().help("Topics: '*' is one word, '#' any number of words [default: #]"))
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("One JSON object a line: body, headers, id, priority, queue, topic, summary, link, people, packages"),
        )
        .arg(
            Arg::new("count")
                .long("count")
                .short('n')
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("End after N events [default: never]"),
        )
        .after_help(
            "Examples:\n  \
             tubepost tail\n  \
             tubepost tail '#.git.receive' 'org.example.#'\n  \
             tubepost tail --json -n 1 | jq .body\n\n\
             Shows every format that events travel in, and messages that are none with the reason;\n\
             with --keys also who signed each.",
        );
    cli::with_options(command, Verb::Tail)
}

/// The patterns of a subscription.
pub(crate) fn patterns() -> Arg {
    Arg::new("patterns")
        .value_name("PATTERN")
        .num_args(0..)
        .value_parser(|text: &str| text.parse::<Pattern>().map_err(|error| error.to_string()))
}

/// What stands for [`patterns`] in the arguments.
pub(crate) fn patterns_of(matches: &ArgMatches) -> Vec<Pattern> {
    matches.get_many::<Pattern>("patterns").unwrap_or_default().cloned().collect()
}

/// The patterns for a message.
pub(crate) fn named(patterns: &[Pattern]) -> String {
    match patterns {
        [] => "#".to_owned(),
        patterns => patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" "),
    }
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let config = cli::config(matches)?;
    logging::begin_warnings();
    let bus: BusUrl = config.bus_url.parse()?;
    let trust = config.signing.trust()?;
    let patterns = patterns_of(matches);
    let count = matches.get_one::<u64>("count").copied();
    block_on(async {
        let mut stop = StopSignals::take()?;
        let printer = Printer {
            registry: schemas::followed(&config.schemas).await?,
            zone: TimeZone::system(),
            json: matches.get_flag("json"),
        };
        let announcement = format!("listening to {} on {bus}", named(&patterns));
        let subscription = Subscription { queue: Queue::Temporary, patterns, prefetch: PREFETCH };
        let mut subscriber = tokio::select! {
            subscriber = Subscriber::connect(&bus, "tubepost tail", subscription) => subscriber?,
            () = stop.next() => return Ok(()),
        };
        subscriber = subscriber.trusting(trust.clone());
        // Programs that start us wait for this line: from here on nothing is missed.
        remark(&announcement);
        let mut left = count;
        while left != Some(0) {
            let delivery = tokio::select! {
                delivery = subscriber.next() => delivery,
                () = stop.next() => break,
            };
            if printer.print(&delivery)? {
                left = left.map(|left| left - 1);
            }
            // When this fails the bus is away; the subscriber comes back by itself.
            _ = delivery.ack().await;
        }
        subscriber.close().await;
        if let Some(counts) = trust.map(|trust| trust.counts()).filter(|it| it.refused > 0) {
            remark(&format!(
                "{} events were refused: {} unsigned, {} signed by nobody who is trusted",
                counts.refused, counts.unsigned, counts.invalid
            ));
        }
        Ok(())
    })
}

struct Printer {
    registry: Registry,
    zone: TimeZone,
    json: bool,
}

impl Printer {
    /// Whether it was an event.
    fn print(&self, delivery: &Delivery) -> Result<bool, Failure> {
        match &delivery.event {
            Ok(event) => {
                let told = self.registry.describe(event);
                let notes =
                    Notes { skew: event.skew(Timestamp::now()), verdict: delivery.verdict.clone() };
                print_line(&match self.json {
                    true => event_line::for_programs(event, &told, &notes),
                    false => event_line::for_people(event, &told, &notes, &self.zone),
                })?;
                Ok(true)
            }
            Err(undecodable) => {
                complain(&shown(&undecodable.to_string()));
                Ok(false)
            }
        }
    }
}

const PREFETCH: u16 = 100;
