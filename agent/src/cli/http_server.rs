//! A small HTTP server for the page and for the metrics: GET and HEAD, one request per connection, and no request bodies.
//!
//! Everything that a client can consume is bounded: the head of a request, the time for head and answer, and the number of connections. When all connections are in
//! use, a new one replaces an old one, so that idle clients do not block others.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

/// Open connections at most: a browser opens six, and each Prometheus server one.
const MAX_CONNECTIONS: usize = 64;
/// File descriptors that the process must have for each connection; snapshots need the others.
const DESCRIPTORS_PER_CONNECTION: u64 = 4;
/// Bytes of a request's head at most. A browser sends the cookies of all servers on this host, whatever their ports.
const MAX_HEAD_LEN: usize = 32 << 10;
/// Lines of a request's head at most; browsers send about twenty.
const MAX_HEAD_LINES: usize = 100;
/// Time limit for a client to send the head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the answer, in addition to the time that its bytes take at [`MIN_BYTES_PER_SECOND`].
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The speed of the slowest client that is served, in bytes per second: a terminal session over a poor line.
const MIN_BYTES_PER_SECOND: u64 = 16 << 10;
/// How long bytes from the client are read and discarded after the answer: closing a connection with unread bytes may destroy the answer.
const DISCARD_TIME: Duration = Duration::from_millis(500);
/// Bytes read during that time at most.
const MAX_DISCARDED_BYTES: usize = 256 << 10;
/// The pause after the system refused a connection, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time limit for answers in progress when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// An answer whose body is in memory.
pub type HttpAnswer = Response<Full<Bytes>>;

/// Answers a GET or HEAD request that has no body and at most one `Host`.
pub type RespondFn = Box<dyn Fn(&Request<Incoming>) -> HttpAnswer + Send + Sync>;

/// Makes the answers of a server.
pub struct Responder {
    /// Makes the answer to a request.
    pub answer: RespondFn,
    /// Bytes of the longest answer, by which its time limit is computed.
    pub longest_answer: u64,
}

/// A server that is bound to its addresses.
pub struct Server {
    listeners: Vec<TcpListener>,
}

impl Server {
    /// Listens on those of `addresses` that are available. If ports are 0, all get the port that the system chooses for the first.
    ///
    /// # Errors
    /// When no address is available, with the reason for the first; when `addresses` is empty.
    pub fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut failed = None;
        for address in addresses {
            let chosen = listeners.first().and_then(|first| first.local_addr().ok()).map(|first| first.port());
            let port = if address.port() == 0 { chosen.unwrap_or(0) } else { address.port() };
            let listener = TcpListener::bind(SocketAddr::new(address.ip(), port));
            match listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener)) {
                Ok(listener) => listeners.push(listener),
                Err(cause) => failed = failed.or(Some(cause)),
            }
        }
        if listeners.is_empty() {
            return Err(failed.unwrap_or_else(|| io::Error::other("the name has no address")));
        }
        Ok(Self { listeners })
    }

    /// Returns the addresses it listens on.
    ///
    /// # Errors
    /// An error of the system.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Answers requests on this thread until `stop` completes; answers in progress then have a second.
    ///
    /// # Errors
    /// When the system cannot wait for connections.
    pub fn run(&self, responder: Arc<Responder>, stop: impl Future<Output = ()>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let copies = self.listeners.iter().map(TcpListener::try_clone);
            let listeners = copies.map(|copy| copy.and_then(tokio::net::TcpListener::from_std));
            let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
            accept_all(&listeners, &responder, stop).await;
            Ok(())
        })
    }
}

/// Returns a short plain-text answer.
pub fn text(status: StatusCode, words: &'static str) -> HttpAnswer {
    let mut answer = Response::new(Full::new(Bytes::from_static(words.as_bytes())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

async fn accept_all(listeners: &[tokio::net::TcpListener], responder: &Arc<Responder>, stop: impl Future<Output = ()>) {
    let mut connections = OpenConnections::new();
    let mut refused = false;
    let mut turn = 0_usize;
    tokio::pin!(stop);
    loop {
        turn = turn.wrapping_add(1);
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = connections.tasks.join_next_with_id() => connections.remove_ended(ended),
            accepted = accept(listeners, turn) => match accepted {
                Ok((stream, peer)) => {
                    refused = false;
                    connections.add(peer.ip(), serve(stream, Arc::clone(responder)));
                    // The new connection is served before the next is accepted: otherwise clients could make the server accept and drop it unanswered.
                    tokio::task::yield_now().await;
                }
                // The client went away before it was accepted.
                Err(cause) if is_client_error(&cause) => tokio::task::yield_now().await,
                Err(cause) => {
                    // Logged once until a connection is accepted again: the condition may last.
                    if !refused {
                        tracing::warn!("No connection can be accepted: {cause}. Trying again.");
                    }
                    refused = true;
                    connections.close_oldest();
                    tokio::select! {
                        () = &mut stop => break,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            },
        }
    }
    let rest = async { while connections.tasks.join_next().await.is_some() {} };
    let _ = timeout(STOP_TIMEOUT, rest).await;
}

/// Accepts the next connection of any listener; `turn` is the listener to poll first, so that each gets its turn.
async fn accept(listeners: &[tokio::net::TcpListener], turn: usize) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|context| {
        let first = turn.checked_rem(listeners.len()).unwrap_or_default();
        let order = listeners.iter().cycle().skip(first).take(listeners.len());
        let mut ready = order.map(|listener| listener.poll_accept(context)).filter(Poll::is_ready);
        ready.next().unwrap_or(Poll::Pending)
    })
    .await
}

fn is_client_error(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(cause.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// The open connections, oldest first.
struct OpenConnections {
    tasks: JoinSet<()>,
    open: VecDeque<(Id, IpAddr, AbortHandle)>,
    limit: usize,
}

impl OpenConnections {
    fn new() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let share = usize::try_from(descriptors / DESCRIPTORS_PER_CONNECTION).unwrap_or(usize::MAX);
        Self { tasks: JoinSet::new(), open: VecDeque::new(), limit: MAX_CONNECTIONS.min(share).max(1) }
    }

    fn add(&mut self, peer: IpAddr, serving: impl Future<Output = ()> + Send + 'static) {
        while self.open.len() >= self.limit {
            self.close_oldest();
        }
        let task = self.tasks.spawn(serving);
        self.open.push_back((task.id(), peer, task));
    }

    /// Closes the oldest connection of the address with the most connections.
    fn close_oldest(&mut self) {
        let count = |peer: &IpAddr| self.open.iter().filter(|(_, other, _)| other == peer).count();
        // `max_by_key` takes the last of equal items, so the oldest must come last.
        let worst = self.open.iter().enumerate().rev().max_by_key(|(_, (_, peer, _))| count(peer));
        if let Some((_, _, task)) = worst.map(|(at, _)| at).and_then(|at| self.open.remove(at)) {
            task.abort();
        }
    }

    fn remove_ended(&mut self, outcome: Result<(Id, ()), JoinError>) {
        let id = match outcome {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(
                        "A request could not be answered because of a defect in etcdsnap itself. Please report it."
                    );
                }
                error.id()
            }
        };
        self.open.retain(|(other, _, _)| *other != id);
    }
}

/// Answers one request and closes the connection.
async fn serve(stream: TcpStream, responder: Arc<Responder>) {
    let reading = Duration::from_secs(responder.longest_answer / MIN_BYTES_PER_SECOND);
    let limit = HEAD_TIMEOUT.saturating_add(ANSWER_TIMEOUT).saturating_add(reading);
    // A client that is too slow or disconnects is not logged: it could fill the log.
    let _ = timeout(limit, serve_without_limit(stream, &responder)).await;
}

async fn serve_without_limit(stream: TcpStream, responder: &Responder) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| ready(Ok::<_, Infallible>(answer(responder, &request))));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEAD_LINES)
        .max_header_size(MAX_HEAD_LEN)
        .max_buf_size(MAX_HEAD_LEN)
        .half_close(true)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let outcome = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if outcome.is_err_and(|error| error.is_timeout()) {
        return;
    }
    let mut stream = connection.into_parts().io.into_inner();
    if stream.shutdown().await.is_ok() {
        let _ = timeout(DISCARD_TIME, discard(&mut stream)).await;
    }
}

/// Reads and discards bytes from the client, up to [`MAX_DISCARDED_BYTES`].
async fn discard(stream: &mut TcpStream) {
    let mut block = [0; 4096];
    let mut left = MAX_DISCARDED_BYTES;
    while left > 0 {
        match stream.read(&mut block).await {
            Ok(0) | Err(_) => return,
            Ok(count) => left = left.saturating_sub(count),
        }
    }
}

/// Refuses requests that ordinary clients do not send; passes the others to the responder.
fn answer(responder: &Responder, request: &Request<Incoming>) -> HttpAnswer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let headers = request.headers();
    let has_body = headers.get_all(CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0");
    if has_body || headers.contains_key(TRANSFER_ENCODING) {
        return text(StatusCode::BAD_REQUEST, "A request with a body is not answered here.\n");
    }
    // RFC 9112, 3.2: HTTP/1.1 requires exactly one Host.
    match headers.get_all(HOST).iter().count() {
        0 if request.version() == Version::HTTP_11 => text(StatusCode::BAD_REQUEST, "The request has no Host.\n"),
        0 | 1 => (responder.answer)(request),
        _ => text(StatusCode::BAD_REQUEST, "The request has several Hosts.\n"),
    }
}

#[cfg(test)]
#[path = "http_server_tests.rs"]
mod tests;
