//! The connection below HTTP: the data directory's socket, or TCP or TLS.

use tokio::{net::UnixStream, time::timeout};

use super::{Address, Error};
use crate::http_transport::{self, PATIENCE, Stream};

/// Connects.
///
/// # Errors
/// Nobody is there, may be reached, or shows a certificate that is trusted.
pub(super) async fn connect(address: &Address) -> Result<Box<dyn Stream>, Error> {
    let connecting = async {
        match address {
            Address::Socket(path) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
                Err(source) => Err(Error::Socket { path: path.clone(), source }),
            },
            Address::Url(url) => {
                let unreachable = |why| Error::Unreachable { at: address.to_string(), why };
                http_transport::connect(url.url(), "it may be on port 15672 there")
                    .await
                    .map_err(unreachable)
            }
        }
    };
    let late = |_| Error::Late { at: address.to_string(), seconds: PATIENCE.as_secs() };
    timeout(PATIENCE, connecting).await.map_err(late)?
}
