//! A connection to one server, and the calls on it.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcdsnap_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcdsnap_proto::etcdserverpb::{SnapshotRequest, SnapshotResponse};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use super::client_config::{Auth, ClientConfig};
use super::client_error::ClientError;
use super::endpoint::Endpoint;
use super::first_error::{ConnectionRecord, RecordedConnection};
use super::token;
use super::transport::dial;

/// Servers close a connection that is pinged more often than every 5 s; Go's clients never ping more often than this, even if the flag is shorter.
const MIN_KEEPALIVE_TIME: Duration = Duration::from_secs(10);
/// Time limit at least for a request that a healthy server answers at once; a longer `--dial-timeout` applies instead.
const MIN_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The HTTP/2 flow-control window in bytes. With the default of 64 KiB the server would often wait for the client.
const FLOW_CONTROL_WINDOW: u32 = 4 << 20;
/// The largest message accepted. A message of a snapshot has 32 KiB (`snapshotSendBufferSize`, in etcd 3.3 to 3.7); a program that is not etcd could send more.
const MAX_MESSAGE_LEN: usize = 4 << 20;

type Connected = TokioIo<RecordedConnection>;

/// A connection to one server.
pub struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) channel: Channel,
    /// The user for whom tokens are fetched, with the password.
    user: Option<(String, String)>,
    token: Option<MetadataValue<Ascii>>,
    /// Records the first error of the connection, which is more precise than the error of a call.
    broken: ConnectionRecord,
    /// Time limit for a request that a healthy server answers at once.
    pub(super) request_timeout: Duration,
    /// How long the server may be silent before a ping, and the time limit for the answer.
    keepalive: (Duration, Duration),
}

impl Client {
    /// Connects to one endpoint and authenticates.
    ///
    /// # Errors
    /// When the endpoint or a file of the configuration is invalid, no connection is established, or the user is refused.
    pub async fn connect(endpoint: &str, config: &ClientConfig) -> Result<Self, ClientError> {
        let endpoint = Endpoint::parse(endpoint, config)?;
        let broken = ConnectionRecord::default();
        let limit = config.dial_timeout;
        let keepalive = (config.keepalive_time.max(MIN_KEEPALIVE_TIME), config.keepalive_timeout);
        let deadline = Instant::now() + limit;
        let stream = timeout_at(deadline, dial(&endpoint, config, &broken))
            .await
            .unwrap_or_else(|_| Err(ClientError::connect_timeout(&endpoint.text, limit)))?;
        // A healthy server sends its settings at once, even under load; one that hangs accepts the connection and sends nothing.
        let channel = timeout_at(deadline, async {
            let channel = channel(&endpoint, keepalive, stream).await?;
            broken.wait_for_first_byte().await;
            Ok(channel)
        });
        let channel = channel.await.unwrap_or_else(|_| Err(ClientError::no_answer(&endpoint.text, limit)))?;
        let (user, token) = match &config.auth {
            None => (None, None),
            Some(Auth::User { name, password }) => (Some((name.clone(), password.clone())), None),
            Some(Auth::Token(token)) => (None, Some(token::header(token)?)),
        };
        let mut client =
            Self { endpoint, channel, user, token, broken, request_timeout: limit.max(MIN_REQUEST_TIMEOUT), keepalive };
        client.authenticate().await?;
        Ok(client)
    }

    /// Returns the endpoint as the caller wrote it.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint.text
    }

    /// Whether the connection uses TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.endpoint.tls
    }

    /// Whether a new token may solve the error.
    pub(super) fn can_renew_token(&self, error: &ClientError) -> bool {
        self.user.is_some() && error.needs_new_token()
    }

    /// Fetches a token if there is a user and authentication is enabled on the server.
    pub(super) async fn authenticate(&mut self) -> Result<(), ClientError> {
        let Some((name, password)) = &self.user else { return Ok(()) };
        let call = async { token::token(&self.channel, name, password).await.map_err(|status| self.failed(&status)) };
        let fetched = self.within_request_timeout("the question for a token", call).await;
        match fetched.and_then(|token| token::header(&token)) {
            Ok(token) => self.token = Some(token),
            Err(error) if error.is_auth_disabled() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Awaits the answer to a request, within a time limit.
    pub(super) async fn within_request_timeout<T>(
        &self,
        request: &'static str,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let unanswered =
            || ClientError::Unanswered { endpoint: self.endpoint.text.clone(), request, limit: self.request_timeout };
        timeout(self.request_timeout, call).await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Adds the token to a request.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert(token::HEADER, token.clone());
        }
        request
    }

    /// Requests a snapshot. Returns the first message and the stream of the others. Renews an expired token.
    ///
    /// # Errors
    /// When the server refuses, or the connection breaks.
    pub(crate) async fn snapshot(
        &mut self,
    ) -> Result<(Option<SnapshotResponse>, Streaming<SnapshotResponse>), ClientError> {
        match self.begin().await {
            Err(error) if self.can_renew_token(&error) => {
                self.authenticate().await?;
                self.begin().await
            }
            outcome => outcome,
        }
    }

    async fn begin(&self) -> Result<(Option<SnapshotResponse>, Streaming<SnapshotResponse>), ClientError> {
        let mut server = MaintenanceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_LEN);
        let stream = server.snapshot(self.request(SnapshotRequest {})).await;
        let mut stream = stream.map_err(|status| self.failed(&status))?.into_inner();
        // A refusal may come instead of the first message.
        let first = stream.message().await.map_err(|status| self.failed(&status))?;
        Ok((first, stream))
    }

    /// Converts the status of a stream after `received` bytes.
    pub(crate) fn failed_after(&self, status: &tonic::Status, received: u64) -> ClientError {
        match self.failed(status) {
            ClientError::Broken { endpoint, reason, .. } => ClientError::Broken { endpoint, reason, received },
            other => other,
        }
    }

    /// Converts the status of a call.
    pub(crate) fn failed(&self, status: &tonic::Status) -> ClientError {
        let endpoint = &self.endpoint.text;
        let (silence, limit) = self.keepalive;
        // Without an answer to a ping, hyper closes the connection but does not tell the stream why. Nothing else closes it after such a silence without an error of
        // the connection itself.
        let unanswered = self.broken.silence().is_some_and(|since| since >= silence.saturating_add(limit));
        match self.broken.first() {
            Some(cause) => ClientError::broken(endpoint, &cause, &self.broken.facts.get()),
            None if unanswered && status.source().is_some() => {
                ClientError::Keepalive { endpoint: endpoint.clone(), silence, limit }
            }
            None => ClientError::of_status(endpoint, status),
        }
    }
}

/// Creates a gRPC channel over an existing connection. It cannot reconnect: a broken connection is reported to the caller.
async fn channel(
    endpoint: &Endpoint,
    keepalive: (Duration, Duration),
    stream: Connected,
) -> Result<Channel, ClientError> {
    let stream = Arc::new(Mutex::new(Some(stream)));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        async move { stream.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the server closed it")) }
    });
    let settings = Channel::builder(endpoint.uri())
        .initial_stream_window_size(FLOW_CONTROL_WINDOW)
        .initial_connection_window_size(FLOW_CONTROL_WINDOW)
        .http2_keep_alive_interval(keepalive.0)
        .keep_alive_timeout(keepalive.1);
    settings.connect_with_connector(connector).await.map_err(|cause| ClientError::Broken {
        endpoint: endpoint.text.clone(),
        reason: cause.to_string(),
        received: 0,
    })
}
