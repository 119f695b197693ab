//! A connection to a server, with TLS where it is asked for.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::rustls::pki_types::ServerName;

use super::config::ClientConfig;
use super::endpoint::{Address, Endpoint};
use super::error::ClientError;
use super::record::{Record, Recorded, Stream};
use super::tls;

/// A server that takes us says so within a round trip, with its first ticket; one that gives no tickets costs this once.
const PATIENCE: Duration = Duration::from_millis(500);

/// Connects. Later errors of the connection go into `broken`.
pub(super) async fn dial(
    endpoint: &Endpoint,
    config: &ClientConfig,
    broken: &Record,
) -> Result<TokioIo<Recorded>, ClientError> {
    // Files are read first: what is wrong with them is wrong for every server.
    let tls = endpoint.tls.then(|| tls::client_config(&config.tls)).transpose()?;
    let unreachable = |cause: io::Error| ClientError::unreachable(&endpoint.text, &cause);
    let plain: Pin<Box<dyn Stream>> = match &endpoint.address {
        Address::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            Box::pin(stream)
        }
        Address::Unix(path) => Box::pin(UnixStream::connect(path).await.map_err(unreachable)?),
    };
    let Some(tls) = tls else { return Ok(TokioIo::new(Recorded::new(plain, Vec::new(), broken))) };
    let name = ServerName::try_from(endpoint.server_name.clone()).map_err(|_| ClientError::Endpoint {
        endpoint: endpoint.text.clone(),
        reason: format!("{:?} is no name that a certificate can have", endpoint.server_name),
    })?;
    let failed = |cause: io::Error| ClientError::handshake(&endpoint.text, &cause);
    let mut secured = TlsConnector::from(Arc::new(tls)).connect(name, plain).await.map_err(failed)?;
    let early = first_words(&mut secured).await.map_err(failed)?;
    Ok(TokioIo::new(Recorded::new(Box::pin(secured), early, broken)))
}

/// With TLS 1.3 our side of the handshake is over before the server has looked at our certificate. What it thinks of it must be
/// read before anything is written: a connection that is closed over unread data may lose the server's words.
async fn first_words(secured: &mut TlsStream<Pin<Box<dyn Stream>>>) -> io::Result<Vec<u8>> {
    if secured.get_ref().1.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Ok(Vec::new());
    }
    let words = poll_fn(|context| {
        let mut room = [0; 4096];
        let mut room = ReadBuf::new(&mut room);
        match Pin::new(&mut *secured).poll_read(context, &mut room) {
            Poll::Ready(read) => Poll::Ready(read.map(|()| room.filled().to_vec())),
            Poll::Pending if secured.get_ref().1.tls13_tickets_received() > 0 => Poll::Ready(Ok(Vec::new())),
            Poll::Pending => Poll::Pending,
        }
    });
    timeout(PATIENCE, words).await.unwrap_or_else(|_| Ok(Vec::new()))
}
