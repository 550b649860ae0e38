//! `tubepost agent`: takes events over from the services of this machine, and delivers them.

use clap::{Arg, ArgAction, ArgMatches, Command};
use client::{Agent, BusUrl, Reception, Spool};
use event::Registry;

use crate::{
    cli,
    config::{Config, Verb},
    failure::Failure,
    schemas,
    serve::logging,
    stop::StopSignals,
    verb::block_on,
};

pub(crate) fn command() -> Command {
    let command = Command::new("agent")
        .about("Take events over from the services of this machine, and deliver them to the bus")
        .arg(
            Arg::new("until-empty")
                .long("until-empty")
                .action(ArgAction::SetTrue)
                .help("End when all is delivered; at once when another agent does it already"),
        )
        .arg(
            // What a git hook starts: a session of its own, so that no hangup of the push ends it.
            Arg::new("detached").long("detached").action(ArgAction::SetTrue).hide(true),
        )
        .after_help(
            "Examples:\n  \
             tubepost agent\n  \
             tubepost agent --agent /run/tubepost/agent.sock --bus amqps://ada:s3cret@mq.example.org\n  \
             tubepost agent --until-empty --spool /var/spool/tubepost\n\n\
             A line of JSON on its socket is an event: {\"topic\": \"org.example.hello\", \"body\": {}}. It is\n\
             answered when it is on disk, and delivered across any outage of the bus.\n\
             tubepost serve has an agent of its own; this one is for machines without it.",
        );
    cli::with_options(command, Verb::Agent)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    if matches.get_flag("detached") {
        // Fails only for the leader of a group, which then is on its own already.
        _ = rustix::process::setsid();
    }
    let config = cli::config(matches)?;
    logging::begin(&config)?;
    let bus: BusUrl = config.bus_url.parse()?;
    let spool = Spool::open(&config.spool_directory, config.spool_size_max)?;
    let until_empty = matches.get_flag("until-empty");
    block_on(async {
        let mut stop = StopSignals::take()?;
        let key = config.agent.sign_key.as_deref().map(client::signing_key).transpose()?;
        let mut agent = Agent::new(spool, bus, "tubepost agent").signing(key);
        if !until_empty {
            agent = agent.receiving(reception(&config, schemas::followed(&config.schemas).await?));
        }
        let work = async {
            match until_empty {
                true => agent.run_until_empty().await,
                false => agent.run().await,
            }
        };
        tokio::select! {
            ended = work => Ok(ended?),
            // What was not confirmed stays in the spool.
            () = stop.next() => Ok(()),
        }
    })
}

/// How this agent takes events over, and by which schemas it completes them.
pub(crate) fn reception(config: &Config, registry: Registry) -> Reception {
    Reception {
        socket: config.agent.socket.clone(),
        is_named: config.agent.named,
        mode: config.agent.mode,
        sync: config.agent.sync,
        registry,
    }
}
