//! The build service as it is polled: one build and its state, on HTTP/1.1 with connections that
//! stay open and `ETag`, so that who knows the state is answered without it. Polling at its best.

use std::{
    convert::Infallible,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// Serves until it is killed; says first on which port.
pub(crate) fn serve() -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        std::io::stdout().flush()?;
        let version = Arc::new(AtomicU64::new(1));
        loop {
            let (socket, _) = listener.accept().await?;
            let version = Arc::clone(&version);
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let version = Arc::clone(&version);
                    async move { Ok::<_, Infallible>(answer(&request, &version)) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                // A watcher that goes away is none of the service's business.
                let _ = http.serve_connection(TokioIo::new(socket), answer).await;
            });
        }
    })
}

fn answer(request: &Request<Incoming>, version: &AtomicU64) -> Response<Full<Bytes>> {
    if request.method() == Method::POST {
        version.fetch_add(1, SeqCst);
        return plain(StatusCode::NO_CONTENT, "");
    }
    let version = version.load(SeqCst);
    let tag = format!("\"{version}\"");
    if request.headers().get(IF_NONE_MATCH).is_some_and(|it| it.as_bytes() == tag.as_bytes()) {
        return plain(StatusCode::NOT_MODIFIED, &tag);
    }
    let mut response = plain(StatusCode::OK, &tag);
    *response.body_mut() = Full::new(build(version).to_string().into());
    response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().expect("it is a value"));
    response
}

fn plain(status: StatusCode, tag: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    if let Ok(tag) = tag.parse() {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The build, as both ways tell it.
pub(crate) fn build(version: u64) -> serde_json::Value {
    let state = ["free", "open", "closed"][(version % 3) as usize];
    json!({
        "build_id": 1478312, "name": "chromium", "version": "80.0.3987.132", "release": "1.fc33",
        "owner": "ada", "task_id": 42561864, "state": state, "number": version,
        "url": "https://koji.example.org/koji/buildinfo?buildID=1478312",
    })
}
