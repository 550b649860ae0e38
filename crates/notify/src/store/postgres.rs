//! The store in PostgreSQL, for several notifiers on several machines. The client is asynchronous
//! and the store is not, so this has a runtime of its own, for one thread at a time.

mod tls;

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    net::IpAddr,
    time::Duration,
};

use tokio::{runtime::Runtime, sync::mpsc, time::timeout};
use tokio_postgres::{
    AsyncMessage, Client, Config, Statement,
    config::{Host, SslMode},
    types::ToSql,
};

use super::{
    Error,
    database::{Database, Dialect, Session},
};

#[derive(Debug)]
pub(super) struct Postgres {
    config: Config,
    connection: Option<Connection>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
    /// A word for each notification.
    told: mpsc::Receiver<()>,
}

impl Postgres {
    /// By its URL, `postgres://user:password@host/database`.
    pub(super) fn open(url: &str) -> Result<Postgres, Error> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            // Its words never have the password; the URL would.
            Error::Refused(format!(
                "the URL of the store is wrong: {}; write postgres://user:password@host/database",
                said(&error)
            ))
        })?;
        config.application_name("tubepost notify").connect_timeout(PATIENCE);
        if config.get_hosts().iter().any(|host| !is_here(host)) {
            // A password and people's addresses do not leave this machine in the clear.
            config.ssl_mode(SslMode::Require);
        } else if config.get_ssl_mode() == SslMode::Prefer {
            // Nobody said so; a Unix socket has no name that a certificate could be of.
            config.ssl_mode(SslMode::Disable);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Database(format!("no runtime for PostgreSQL: {error}")))?;
        let mut postgres = Postgres { config, connection: None, runtime: Some(runtime) };
        // What is wrong with the address or the login is said now.
        postgres.with(|_, _| Ok(()))?;
        Ok(postgres)
    }

    /// Works with the connection, which is made anew when it is gone.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Runtime, &mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::Database("PostgreSQL: is closed".to_owned()));
        };
        if self.connection.as_ref().is_none_or(|connection| connection.client.is_closed()) {
            self.connection = Some(wait_for(runtime, connect(&self.config))??);
        }
        match &mut self.connection {
            Some(connection) => work(runtime, connection),
            None => Err(Error::Database("PostgreSQL: there is no connection".to_owned())),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.connection = None;
        // Dropped in a task it must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connect(config: &Config) -> Result<Connection, Error> {
    let fault = |error: tokio_postgres::Error| {
        Error::Database(format!("PostgreSQL cannot be reached: {}", said(&error)))
    };
    let (client, mut connection) = config.connect(tls::Connector::new()?).await.map_err(fault)?;
    let (tell, told) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                // One word not yet heard says enough.
                Ok(AsyncMessage::Notification(_)) => drop(tell.try_send(())),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("the connection to PostgreSQL ended: {}", said(&error));
                    break;
                }
            }
        }
    });
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await.map_err(fault)?;
    Ok(Connection { client, statements: HashMap::new(), told })
}

impl Database for Postgres {
    fn transact(
        &mut self,
        writes: bool,
        work: &mut dyn FnMut(&mut dyn Session) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut is_clean = true;
        let result = self.with(|runtime, connection| {
            // Numbers of changes are read in order only if they are written in order.
            let begin = match writes {
                true => format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})"),
                false => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
            };
            is_clean = false;
            run(runtime, connection, &begin)?;
            let worked = work(&mut InTransaction { runtime, connection });
            if worked.is_err() {
                is_clean = run(runtime, connection, "ROLLBACK").is_ok();
                return worked;
            }
            let end = match writes {
                true => format!("NOTIFY {CHANNEL}; COMMIT"),
                false => "COMMIT".to_owned(),
            };
            run(runtime, connection, &end)?;
            is_clean = true;
            Ok(())
        });
        if !is_clean {
            // Nobody knows what it is in the middle of.
            self.connection = None;
        }
        result
    }

    fn wait(&mut self, patience: Duration) -> Result<(), Error> {
        self.with(|runtime, connection| {
            // Whoever was told nothing looks all the same.
            let told = runtime.block_on(async { timeout(patience, connection.told.recv()).await });
            match told {
                Ok(None) => Err(Error::Database("the connection to PostgreSQL ended".to_owned())),
                Ok(Some(())) | Err(_) => Ok(()),
            }
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect { counter: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }
    }
}

struct InTransaction<'a> {
    runtime: &'a Runtime,
    connection: &'a mut Connection,
}

impl InTransaction<'_> {
    fn statement(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.connection.statements.get(sql) {
            return Ok(statement.clone());
        }
        let prepared = wait_for(self.runtime, self.connection.client.prepare(sql))?;
        let statement = prepared.map_err(|error| fault(&error))?;
        if self.connection.statements.len() >= STATEMENTS_MAX {
            self.connection.statements.clear();
        }
        self.connection.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Session for InTransaction<'_> {
    fn run(&mut self, sql: &str, parameters: &[&str]) -> Result<u64, Error> {
        let statement = self.statement(sql)?;
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
        let executed = self.connection.client.execute(&statement, &parameters);
        wait_for(self.runtime, executed)?.map_err(|error| fault(&error))
    }

    fn rows(&mut self, sql: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Error> {
        let statement = self.statement(sql)?;
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
        let rows = self.connection.client.query(&statement, &parameters);
        let rows = wait_for(self.runtime, rows)?.map_err(|error| fault(&error))?;
        rows.iter()
            .map(|row| {
                let text = |column| row.try_get::<_, String>(column).map_err(|e| fault(&e));
                (0..row.len()).map(text).collect()
            })
            .collect()
    }
}

fn run(runtime: &Runtime, connection: &Connection, sql: &str) -> Result<(), Error> {
    wait_for(runtime, connection.client.batch_execute(sql))?.map_err(|error| fault(&error))
}

/// A server that hangs must not hang a command.
fn wait_for<T>(runtime: &Runtime, work: impl Future<Output = T>) -> Result<T, Error> {
    runtime.block_on(async { timeout(PATIENCE, work).await }).map_err(|_| {
        Error::Database(format!("PostgreSQL: no answer within {} s", PATIENCE.as_secs()))
    })
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

fn fault(error: &tokio_postgres::Error) -> Error {
    Error::Database(format!("PostgreSQL: {}", said(error)))
}

/// The server's words, which the client's own hide.
fn said(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(server), _) => server.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

const CHANNEL: &str = "tubepost_rules";
/// Of no meaning, but the same in all releases: "tubepost" in ASCII, shortened.
const LOCK: i64 = 0x7475_6265;
const PATIENCE: Duration = Duration::from_secs(30);
const STATEMENTS_MAX: usize = 64;
