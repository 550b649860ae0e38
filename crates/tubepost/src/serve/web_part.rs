//! The pages of the server.

use std::{fmt, future::Future, net::TcpListener, pin::Pin, sync::Arc};

use auth::{Peer, Secret, Users};
use client::{BusUrl, Trust};
use event::Registry;
use web::{Feed, Login, Options};

use crate::{
    failure::Failure,
    serve::part::{Part, Stopping},
};

/// Starts them, one part for each listener, all on one feed, as `options` say; beyond loopback they
/// ask for a login.
///
/// # Errors
/// A listener is not a socket any more.
pub(crate) fn start(
    listeners: Vec<TcpListener>,
    users: &Arc<Users>,
    registry: Arc<Registry>,
    bus: BusUrl,
    trust: Option<Trust>,
    options: &Options,
    stopping: &Stopping,
) -> Result<Vec<Part>, Failure> {
    let feed = Feed::default();
    let follow = feed.clone().follow_trusting(bus, registry, "tubepost web".to_owned(), trust);
    let until = stopping.clone();
    let mut parts = vec![Part::start("web feed", async move {
        tokio::select! {
            () = follow => Ok(()),
            () = until.wait() => Ok(()),
        }
    })];
    for listener in listeners {
        let broken = |error| Failure::failed(format!("the pages' listener is broken: {error}"));
        let beyond_loopback = !listener.local_addr().map_err(broken)?.ip().is_loopback();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(broken)?;
        let login: Option<Arc<dyn Login>> = match beyond_loopback {
            true => Some(Arc::new(UserLogin(Arc::clone(users)))),
            false => None,
        };
        let mut options = Options { login, ..options.clone() };
        if beyond_loopback {
            // Nobody knows all the names of a machine: there, any will do.
            options.hosts.clear();
        }
        let (feed, until) = (feed.clone(), stopping.clone());
        parts.push(Part::start("web", async move {
            web::serve(listener, feed, options, until.wait())
                .await
                .map_err(|error| Failure::failed(error.to_string()))
        }));
    }
    Ok(parts)
}

/// Users as the pages ask for them, which are shown beyond loopback to users only.
struct UserLogin(Arc<Users>);

impl fmt::Debug for UserLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserLogin")
    }
}

impl Login for UserLogin {
    fn verify<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            let password = Secret::new(password);
            if let Some(verdict) = self.0.verify_at_once(user, &password, Peer::Remote) {
                return verdict.is_ok();
            }
            let (users, user) = (Arc::clone(&self.0), user.to_owned());
            let verify = move || users.verify(&user, &password, Peer::Remote);
            match tokio::task::spawn_blocking(verify).await {
                Ok(Err(refused)) => {
                    tracing::warn!(%refused, "the pages");
                    false
                }
                Ok(Ok(_)) => true,
                Err(_) => false,
            }
        })
    }
}
