//! Connects to a server, through a proxy if the environment names one, and with TLS if required.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ProtocolVersion;

use super::client_config::ClientConfig;
use super::client_error::ClientError;
use super::endpoint::{Address, Endpoint};
use super::first_error::{ByteStream, ConnectionRecord, RecordedConnection};
use super::http_proxy::Proxy;
use super::tls;

/// Time to wait for the server's first message after the handshake. A server that accepts us sends its first ticket within a round trip; one that sends no tickets costs this delay once.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_millis(500);

/// Delay before the next address of a name is tried, too, as in Go's clients (RFC 6555).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(300);

/// Connects. Later errors of the connection are recorded in `broken`.
pub(super) async fn dial(
    endpoint: &Endpoint,
    config: &ClientConfig,
    broken: &ConnectionRecord,
) -> Result<TokioIo<RecordedConnection>, ClientError> {
    // Files are read first: an error in them concerns every server.
    let tls = endpoint.tls.then(|| tls::client_config(&config.tls, endpoint, &broken.facts)).transpose()?;
    let unreachable = |cause: io::Error| ClientError::unreachable(&endpoint.text, &cause);
    let plain: Pin<Box<dyn ByteStream>> = match &endpoint.address {
        Address::Tcp(host, port) => match config.proxy.proxy_for(host, *port).map_err(ClientError::ProxySetting)? {
            Some(proxy) => Box::pin(connect_through(&proxy, endpoint, host, *port).await?),
            None => Box::pin(connect(host, *port).await.map_err(unreachable)?),
        },
        Address::Unix(path) => Box::pin(UnixStream::connect(path).await.map_err(unreachable)?),
    };
    let Some(tls) = tls else { return Ok(TokioIo::new(RecordedConnection::new(plain, Vec::new(), broken))) };
    let name = endpoint.certificate_name(&endpoint.server_name)?;
    let failed = |cause: io::Error| ClientError::handshake(&endpoint.text, &cause, &broken.facts.get());
    let mut secured = TlsConnector::from(Arc::new(tls)).connect(name, plain).await.map_err(failed)?;
    let early = read_first_bytes(&mut secured).await.map_err(failed)?;
    Ok(TokioIo::new(RecordedConnection::new(Box::pin(secured), early, broken)))
}

/// Connects through a proxy, which looks up the host itself.
async fn connect_through(proxy: &Proxy, endpoint: &Endpoint, host: &str, port: u16) -> Result<TcpStream, ClientError> {
    let failed = |cause: io::Error| ClientError::proxy(&endpoint.text, &proxy.text(), &cause);
    let mut stream = connect(&proxy.host, proxy.port).await.map_err(failed)?;
    proxy.connect(&mut stream, host, port).await.map_err(failed)?;
    Ok(stream)
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = match parse_with_zone(host, port)? {
        Some(address) => TcpStream::connect(address).await?,
        None => connect_to_first(lookup_host((host, port)).await?)
            .await
            .map_err(|cause| explain_missing_zone(cause, host))?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Explains a link-local address without a zone, for which the system only reports an invalid argument.
fn explain_missing_zone(cause: io::Error, host: &str) -> io::Error {
    match host.parse::<Ipv6Addr>() {
        Ok(address) if address.is_unicast_link_local() && cause.kind() == io::ErrorKind::InvalidInput => {
            let words = format!("a link-local address needs its network interface: [{address}%25INTERFACE]");
            io::Error::new(cause.kind(), words)
        }
        _ => cause,
    }
}

/// Parses an IPv6 address with a zone, the name or number of a network interface; `None` for anything else. The system's look-up accepts names only for link-local addresses.
fn parse_with_zone(host: &str, port: u16) -> io::Result<Option<SocketAddr>> {
    let Some((address, zone)) = host.split_once('%') else { return Ok(None) };
    let Ok(address) = address.parse::<Ipv6Addr>() else { return Ok(None) };
    let socket = rustix::net::socket(AddressFamily::INET6, SocketType::DGRAM, None)?;
    let scope = name_to_index(&socket, zone).ok().or_else(|| zone.parse().ok());
    let scope = scope.ok_or_else(|| io::Error::other(format!("there is no network interface {zone:?}")))?;
    Ok(Some(SocketAddrV6::new(address, port, 0, scope).into()))
}

/// Connects to the first address that answers. The addresses are tried in order; the next one starts when one fails or takes long, so that an unreachable IPv6 address does
/// not block the others until the time limit.
async fn connect_to_first(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.peekable();
    let mut tries = JoinSet::new();
    let mut first = None;
    loop {
        if let Some(address) = addresses.next() {
            tries.spawn(TcpStream::connect(address));
        }
        let patience = if addresses.peek().is_some() { NEXT_ADDRESS_DELAY } else { Duration::MAX };
        match timeout(patience, tries.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(cause)))) => first = first.or(Some(cause)),
            Ok(Some(Err(cause))) => first = first.or(Some(io::Error::other(cause))),
            Ok(None) => return Err(first.unwrap_or_else(|| io::Error::other("the name has no address"))),
            Err(_) => {}
        }
    }
}

/// Reads the server's first bytes. In TLS 1.3 the client completes the handshake before the server has checked the client certificate. A rejection must be
/// read before anything is written: if a connection is closed with unread data, the server's alert may be lost.
async fn read_first_bytes(secured: &mut TlsStream<Pin<Box<dyn ByteStream>>>) -> io::Result<Vec<u8>> {
    if secured.get_ref().1.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Ok(Vec::new());
    }
    let words = poll_fn(|context| {
        let mut bytes = [0; 4096];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut *secured).poll_read(context, &mut buffer) {
            Poll::Ready(read) => Poll::Ready(read.map(|()| buffer.filled().to_vec())),
            Poll::Pending if secured.get_ref().1.tls13_tickets_received() > 0 => Poll::Ready(Ok(Vec::new())),
            Poll::Pending => Poll::Pending,
        }
    });
    timeout(FIRST_BYTES_TIMEOUT, words).await.unwrap_or_else(|_| Ok(Vec::new()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answered(addresses: &[SocketAddr]) -> io::Result<SocketAddr> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answered = async { timeout(Duration::from_secs(20), connect_to_first(addresses.iter().copied())).await };
        let stream = runtime.block_on(answered);
        stream.expect("an outcome in time").and_then(|stream| stream.peer_addr())
    }

    #[test]
    fn an_unreachable_address_does_not_delay_the_next_one() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = there.local_addr().unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // Nobody accepts connections here, so once the queue is full a connection takes forever.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent_at = silent.local_addr().unwrap();
        let connect = || std::net::TcpStream::connect_timeout(&silent_at, Duration::from_millis(200)).ok();
        let waiting: Vec<_> = std::iter::repeat_with(connect).take(10_000).take_while(Option::is_some).collect();
        assert!(waiting.len() < 10_000);
        assert_eq!(answered(&[there]).unwrap(), there);
        assert_eq!(answered(&[gone, there]).unwrap(), there);
        assert_eq!(answered(&[silent_at, gone, silent_at, there]).unwrap(), there);
        assert_eq!(answered(&[gone, gone]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(answered(&[]).is_err());
    }
}
