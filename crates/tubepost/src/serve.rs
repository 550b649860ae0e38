//! `tubepost serve`: broker, agent, notifier and pages in one process, from start to drained end.
//! The services reach the bus only through [`client`], as they would another machine's.

mod accounts;
pub(crate) mod agent_part;
pub(crate) mod broker_part;
pub(crate) mod data_directory;
mod farewell;
mod feeds;
mod greeting;
mod listeners;
pub(crate) mod logging;
mod management_part;
mod metrics;
mod notify_part;
mod part;
mod schemas_part;
mod web_part;
mod websockets;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use auth::Users;
use clap::{ArgMatches, Command};
use client::{BusUrl, Trust};
use futures_util::FutureExt;
use server::{Listener, tls::Tls};
use web::Oidc;

use crate::{
    cli,
    config::{self, Config, PartName, Verb},
    failure::{Failure, remark},
    schemas::{
        self,
        live::{Live, Notice},
    },
    stop::{StopSignals, TOLD_TWICE},
};
use broker_part::BrokerPart;
use data_directory::DataDirectory;
use farewell::Farewells;
use greeting::Ports;
use listeners::Listeners;
use metrics::Metrics;
use part::{Part, Stopping};

pub(crate) fn command() -> Command {
    let command = Command::new("serve")
        .about("Run the broker, its pages and the notifier in one process, or some of them")
        .after_help(
            "Examples:\n  \
             tubepost serve\n  \
             tubepost serve --data-dir /var/lib/tubepost --config /etc/tubepost/tubepost.toml\n  \
             tubepost serve --amqp 0.0.0.0:5672 --http 127.0.0.1:8080\n  \
             tubepost serve --parts broker\n  \
             tubepost serve --parts agent,notify,web --bus amqp://ada:s3cret@mq.example.org\n  \
             tubepost serve --amqp-tls 0.0.0.0:5671 --amqp-tls-certificate mq.crt --amqp-tls-key mq.key\n\n\
             On this machine guest with password guest works. Other addresses need a user first:\n\
             tubepost user add NAME. SIGINT or SIGTERM ends it in order, a second one at once.",
        );
    cli::with_options(command, Verb::Serve)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = cli::settings(matches)?;
    let config = Config::check(&settings)?;
    if !config.parts.has(PartName::Broker) && !config.bus_named {
        return Err(Failure::called_wrongly(format!(
            "serve.parts: {} without the broker need a bus; name it with --bus amqp://USER:PASSWORD@HOST, \
             or add broker to --parts",
            config.parts
        )));
    }
    // The pages say how people can be told, also when a notifier elsewhere tells them.
    let ways = match config.parts.has(PartName::Notify) || config.parts.has(PartName::Web) {
        true => config::notifier(&settings)?,
        false => None,
    };
    let oidc = match config.parts.has(PartName::Web) {
        true => config::oidc(&settings)?,
        false => None,
    };
    let trust = config.signing.trust()?;
    let (schemas, notices) = Live::begin(&config.schemas)?;
    logging::begin(&config)?;
    notices.into_iter().for_each(Notice::log);
    let tls = load_tls(&config)?;
    let data = DataDirectory::prepare(&config.data_dir)?;
    let _lock = data.lock()?;
    data.upgrade()?;
    let users = Arc::new(Users::open(data.users_file())?.with_options(config.auth.clone()));
    users.settle_scram()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .event_interval(server::TURNS_BETWEEN_LOOKS)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?;
    // Before anybody can connect: who is told to stop then stops in order.
    let signals = runtime.block_on(async { StopSignals::take() })?;
    let listeners = Listeners::bind(&config, &users)?;
    let start = Start { config, ways, oidc, trust, schemas, data, users, tls, listeners };
    let outcome = runtime.block_on(start.serve(signals));
    // A thread that still hashes a password must not hold up the end.
    runtime.shutdown_background();
    outcome
}

struct Start {
    config: Config,
    ways: Option<notify::Config>,
    oidc: Option<Oidc>,
    trust: Option<Trust>,
    schemas: Live,
    data: DataDirectory,
    users: Arc<Users>,
    tls: Option<Arc<Tls>>,
    listeners: Listeners,
}

impl Start {
    async fn serve(self, mut signals: StopSignals) -> Result<(), Failure> {
        let ports = Ports {
            amqp: addresses(&self.listeners.amqp)?,
            amqp_tls: addresses(&self.listeners.amqp_tls)?,
            http: addresses(&self.listeners.http)?,
            management: addresses(&self.listeners.management)?,
        };
        let bus = self.bus(&ports.amqp)?;
        let runs = |part| self.config.parts.has(part);
        let (runs_broker, runs_agent) = (runs(PartName::Broker), runs(PartName::Agent));
        let runs_web = runs(PartName::Web);
        let Start { config, ways, oidc, trust, mut schemas, data, users, tls, listeners } = self;
        let notifier = ways.clone().filter(|_| config.parts.has(PartName::Notify));
        let asked = schemas::refresh_at_start(&mut schemas).await;
        asked.into_iter().for_each(Notice::log);
        let subscriptions = notifier.as_ref().map_or(0, |notifier| notifier.subscriptions.len());

        let (stop, stopping) = Stopping::channel();
        let registry = schemas.registry().clone();
        let mut parts = vec![schemas_part::start(schemas, stopping.clone())];
        let (mut broker, mut management, mut notices) = (None, None, None);
        let mut pages = web::Options { schemas: registry.clone(), ..web::Options::default() };
        if runs_broker {
            let mut amqp: Vec<Listener> = listeners.amqp.into_iter().map(Listener::Plain).collect();
            if let Some(tls) = tls {
                let with_tls = |listener| Listener::Tls(listener, Arc::clone(&tls));
                amqp.extend(listeners.amqp_tls.into_iter().map(with_tls));
            }
            let started = broker_part::start(&config, &data, Arc::clone(&users), amqp)?;
            let websockets = websockets::prepare(&config, started.websockets());
            let over_http = websockets.as_ref();
            let api = management_part::prepare(&config, &data, &users, &started, &ports, over_http);
            parts.extend(management_part::start(&api, listeners.management, &data, &stopping)?);
            pages.notice = broker_part::sync_notice(config.journal_sync);
            management = Some(api);
            pages.websockets = websockets;
            broker = Some(started);
        }
        if runs_web {
            let page_url = ways.as_ref().and_then(|ways| ways.mail.page_url.clone());
            pages.hosts.extend(page_url.as_deref().and_then(host_of));
            let rules = (config.notify_store.clone(), config.feed_url.clone());
            pages.people = Some(accounts::people(Arc::clone(&users), rules, ways, oidc));
        }
        let mut ready = async {}.boxed();
        if let Some(mut notifier) = notifier {
            let page_url = notifier.mail.page_url.clone();
            if let Some(unsubscriber) = farewell::unsubscriber(page_url.as_deref(), &data)? {
                let farewells = Farewells::new(unsubscriber.clone(), config.notify_store.clone());
                pages.unsubscribing = Some(Arc::new(farewells));
                // An address that nobody answers is worse than none.
                notifier.mail.unsubscriber = runs_web.then_some(unsubscriber);
            }
            let rules = notify_part::Rules {
                store: config.notify_store.clone(),
                named: config.notify_store_named,
            };
            let (part, listening) = notify_part::start(
                notifier,
                rules,
                registry.clone(),
                bus.clone(),
                trust.clone(),
                Arc::clone(notices.insert(Arc::default())),
                stopping.clone(),
            )?;
            parts.push(part);
            ready = listening.boxed();
        }
        if management.is_some() || notices.is_some() {
            pages.metrics =
                Some(Arc::new(Metrics { api: management, trust: trust.clone(), notices }));
        }
        pages.publishing = Some(bus.clone());
        pages.feeds = Some(feeds::prepare(&config));
        let ready = ready.shared();
        if runs_agent {
            parts.push(agent_part::start(
                &config,
                registry.clone(),
                bus.clone(),
                ready.clone(),
                stopping.clone(),
            )?);
        }
        if runs_web {
            parts.extend(web_part::start(
                listeners.http,
                &users,
                Arc::new(registry),
                bus,
                trust,
                &pages,
                &stopping,
            )?);
        }
        // Who reads the greeting and publishes expects mail of it.
        drop(tokio::time::timeout(READY_PATIENCE, ready).await);
        greeting::greet(&config, &ports, subscriptions)?;

        let mut patience = None;
        let failure = tokio::select! {
            () = signals.next() => None,
            failure = broker_failed(&mut broker) => {
                // Nothing can be finished any more, and who still waits has to learn that it is so.
                patience = Some(FAILED_PATIENCE);
                Some(failure)
            }
            failure = first_failed(&mut parts) => Some(failure),
        };
        stop.send_replace(true);
        let drained = async {
            match patience {
                None => drain(parts, broker).await,
                Some(patience) => {
                    drop(tokio::time::timeout(patience, drain(parts, broker)).await);
                }
            }
        };
        tokio::select! {
            () = drained => failure.map_or(Ok(()), Err),
            () = signals.next() => Err(Failure::Said(TOLD_TWICE)),
        }
    }

    // The bus of the services inside: the named one, or our own with an account that is this
    // process's, which works whatever an operator does with guest.
    fn bus(&self, amqp: &[SocketAddr]) -> Result<BusUrl, Failure> {
        if self.config.bus_named {
            return Ok(self.config.bus_url.parse()?);
        }
        let Some(address) = amqp.first() else {
            return Err(Failure::failed("amqp.listen: no address to listen on"));
        };
        let (name, password) = self.users.service_login();
        let address = config::local(*address);
        Ok(format!("amqp://{name}:{}@{address}", password.expose()).parse()?)
    }
}

/// Reads the certificates; `None` when there are none.
///
/// # Errors
/// One of the files is no good.
pub(crate) fn load_tls(config: &Config) -> Result<Option<Arc<Tls>>, Failure> {
    let Some(tls) = &config.amqp_tls else { return Ok(None) };
    match Tls::load(tls.options.clone()) {
        Ok(tls) => Ok(Some(Arc::new(tls))),
        Err(error) => Err(Failure::called_wrongly(error.to_string())),
    }
}

/// The host of a web address, as browsers say it.
fn host_of(address: &str) -> Option<String> {
    url::Url::parse(address).ok()?.host_str().map(str::to_owned)
}

fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, Failure> {
    listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::failed(format!("a listener has no address: {error}")))
}

async fn broker_failed(broker: &mut Option<BrokerPart>) -> Failure {
    match broker {
        Some(broker) => broker.failed().await,
        None => std::future::pending().await,
    }
}

async fn first_failed(parts: &mut [Part]) -> Failure {
    let failed = parts.iter_mut().map(|part| Box::pin(part.failed()));
    futures_util::future::select_all(failed).await.0
}

// The services first: they finish what they have in hand while the broker still takes their
// acknowledgements.
async fn drain(parts: Vec<Part>, broker: Option<BrokerPart>) {
    remark("stopping; again to end at once");
    for part in parts {
        part.ended().await;
    }
    if let Some(broker) = broker {
        broker.drain().await;
    }
}

/// How long clients and services have to take their leave of a broker that has failed: it ends
/// within a second, whoever does not answer.
const FAILED_PATIENCE: Duration = Duration::from_millis(500);

/// How long the greeting waits for the notifier's queue; a bus on another machine may be away.
const READY_PATIENCE: Duration = Duration::from_secs(2);
