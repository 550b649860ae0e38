//! A server with a broker in memory, on a port of its own. Dropped, it stops.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use broker::{Broker, Disks, Options};
use journal::FileDisk;
use server::{Config, Limits, Server, WebSocketEntrance};
use tokio::runtime::{EnterGuard, Runtime};

pub(crate) struct TestServer {
    runtime: Runtime,
    pub(crate) address: SocketAddr,
    pub(crate) broker: Arc<Broker>,
    server: Server,
    directory: tempfile::TempDir,
}

impl TestServer {
    pub(crate) fn start() -> TestServer {
        TestServer::with(Limits::default(), &Options::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> TestServer {
        TestServer::with(limits, &Options::default())
    }

    pub(crate) fn with(limits: Limits, options: &Options) -> TestServer {
        TestServer::of(limits, |_| Broker::in_memory(options))
    }

    /// With a data directory of its own.
    pub(crate) fn on_disk() -> TestServer {
        TestServer::of(Limits::default(), |path| {
            let disk = |name| Arc::new(FileDisk::open(path.join(name)).unwrap());
            let disks =
                Disks { ledger: disk("ledger"), messages: disk("messages"), index: disk("index") };
            Broker::open(&disks, &Options::default()).unwrap().0
        })
    }

    /// The names of the files of its messages' journal.
    pub(crate) fn message_files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join("messages")).unwrap();
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn of(limits: Limits, broker: impl FnOnce(&Path) -> Broker) -> TestServer {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let users = Arc::new(auth::Users::open(directory.path().join("users.json")).unwrap());
        let broker = Arc::new(broker(directory.path()));
        let config = Config { limits, cluster_name: "test".to_owned() };
        let server = {
            let _inside = runtime.enter();
            Server::start(config, broker.clone(), users, vec![server::Listener::Plain(listener)])
                .unwrap()
        };
        TestServer { runtime, address, broker, server, directory }
    }

    /// Where WebSockets come in.
    pub(crate) fn websockets(&self) -> &WebSocketEntrance {
        self.server.websockets()
    }

    /// For what has to be done within the runtime.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Waits until the connections of the clients that are gone are gone as well.
    pub(crate) fn wait_until_idle(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        // The one that accepts stays, and the one that watches over rights.
        while self.runtime.metrics().num_alive_tasks() > 2 {
            assert!(Instant::now() < until, "connections are left behind");
            thread::yield_now();
        }
    }
}
