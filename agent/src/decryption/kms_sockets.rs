//! Calls KMS v2 plugins through their unix sockets.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use etcdsnap_core::kubernetes::encryption::keyring::{PluginError, Plugins};
use etcdsnap_core::kubernetes::encryption::kms_v2::Sealed;
use etcdsnap_proto::kms_v2::DecryptRequest;
use etcdsnap_proto::kms_v2::key_management_service_client::KeyManagementServiceClient;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use zeroize::Zeroizing;

use super::decryption_error::DecryptionError;

/// Time limit for an answer of a plugin. API servers use 3 s unless the configuration says otherwise.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Pauses between calls of a plugin that reports that it is unavailable.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1000)];

/// How often to check for cancellation while waiting for a plugin.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum number of characters that are quoted from a message of a plugin.
const MAX_QUOTED_CHARS: usize = 200;

/// The largest answer accepted, in bytes: a key has 32.
const MAX_ANSWER_LEN: usize = 64 << 10;

/// Maximum number of cached answers. A cluster uses a few encrypted keys at a time; older API servers had one per value.
const MAX_CACHED_ANSWERS: usize = 10_000;

type PluginAnswer = Result<Zeroizing<Vec<u8>>, PluginError>;

/// The plugins. Each encrypted key is sent only once.
pub(super) struct KmsSockets {
    names: Vec<String>,
    /// Returns whether the work was cancelled, which ends the wait for a plugin.
    is_stopped: fn() -> bool,
    state: Mutex<SocketState>,
}

struct SocketState {
    runtime: Runtime,
    plugins: HashMap<String, Connection>,
    answers: HashMap<[u8; 32], PluginAnswer>,
    /// Number of requests so far, used as request ID in a plugin's log.
    requests: u64,
}

/// After this many encrypted keys in a row without a decision, for example for lack of permission, a plugin is not called again. A single such answer may be due to a damaged value.
const MAX_UNDECIDED: u32 = 3;

/// The connection to a plugin. After a connection error or a time-out it is not called again: there may be thousands of values.
enum Connection {
    New(PathBuf),
    /// With the number of encrypted keys in a row that it did not decide about.
    Open(Channel, u32),
    Abandoned(String),
}

/// Prints only the names: the answers are keys.
impl fmt::Debug for KmsSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsSockets").field("names", &self.names).finish_non_exhaustive()
    }
}

impl KmsSockets {
    /// Takes plugin names with their sockets; if a name occurs twice, the last one counts.
    ///
    /// # Errors
    /// When the runtime cannot be started.
    pub fn new(sockets: &[(String, PathBuf)], is_stopped: fn() -> bool) -> Result<Self, DecryptionError> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().map_err(DecryptionError::Runtime)?;
        let plugins: HashMap<_, _> =
            sockets.iter().map(|(name, path)| (name.clone(), Connection::New(path.clone()))).collect();
        let names = plugins.keys().cloned().collect();
        let state = SocketState { runtime, plugins, answers: HashMap::new(), requests: 0 };
        Ok(Self { names, is_stopped, state: Mutex::new(state) })
    }
}

impl Plugins for KmsSockets {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn open(&self, plugin: &str, sealed: &Sealed<'_>) -> PluginAnswer {
        // Requests run one after the other, so that two threads with the same encrypted key ask once.
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let request = digest(plugin, sealed);
        if let Some(answer) = state.answers.get(&request) {
            return answer.clone();
        }
        let answer = state.ask(plugin, sealed, self.is_stopped);
        if state.answers.len() >= MAX_CACHED_ANSWERS {
            state.answers.clear();
        }
        state.answers.insert(request, answer.clone());
        answer
    }
}

impl SocketState {
    fn ask(&mut self, plugin: &str, sealed: &Sealed<'_>, is_stopped: fn() -> bool) -> PluginAnswer {
        let Self { runtime, plugins, requests, .. } = self;
        let connection =
            plugins.get_mut(plugin).ok_or_else(|| PluginError::Unreachable("there is no such plugin".into()))?;
        *requests = requests.saturating_add(1);
        let request = DecryptRequest {
            ciphertext: sealed.source.to_vec(),
            uid: format!("etcdsnap-{}-{requests}", std::process::id()),
            key_id: sealed.key_id.to_owned(),
            annotations: sealed.annotations.iter().map(|(name, text)| ((*name).to_owned(), text.to_vec())).collect(),
        };
        let stop = async {
            while !is_stopped() {
                tokio::time::sleep(CANCEL_CHECK_INTERVAL).await;
            }
        };
        let answer = runtime.block_on(async {
            let answer = async {
                timeout(ANSWER_TIMEOUT, call(connection, request)).await.unwrap_or_else(|_| {
                    let why = format!(
                        "it did not answer within {} seconds, and is not called again",
                        ANSWER_TIMEOUT.as_secs()
                    );
                    Err(Unreachable(why).into())
                })
            };
            tokio::select! {
                answer = answer => answer,
                () = stop => Err(Unreachable("the work was stopped".into()).into()),
            }
        });
        if let (Connection::Open(_, undecided), false) =
            (&mut *connection, matches!(answer, Err(CallFailure::Undecided(_))))
        {
            *undecided = 0;
        }
        answer.map_err(|failure| match failure {
            CallFailure::Unreachable(Unreachable(why)) => {
                *connection = Connection::Abandoned(why.clone());
                PluginError::Unreachable(why)
            }
            CallFailure::Undecided(why) => {
                if let Connection::Open(_, undecided) = connection {
                    *undecided = undecided.saturating_add(1);
                    if *undecided >= MAX_UNDECIDED {
                        *connection = Connection::Abandoned(format!("{why}, and is not called again"));
                    }
                }
                PluginError::Unreachable(why)
            }
            CallFailure::Refused(why) => PluginError::Refused(why),
        })
    }
}

struct Unreachable(String);

enum CallFailure {
    /// The plugin cannot be reached.
    Unreachable(Unreachable),
    /// The plugin answers without deciding about the encrypted key.
    Undecided(String),
    /// The plugin refuses to decrypt the key.
    Refused(String),
}

impl From<Unreachable> for CallFailure {
    fn from(cause: Unreachable) -> Self {
        Self::Unreachable(cause)
    }
}

async fn call(connection: &mut Connection, request: DecryptRequest) -> Result<Zeroizing<Vec<u8>>, CallFailure> {
    let channel = match connection {
        Connection::Abandoned(why) => return Err(Unreachable(why.clone()).into()),
        Connection::Open(channel, _) => channel.clone(),
        Connection::New(path) => {
            let channel = connect(path.clone()).await?;
            *connection = Connection::Open(channel.clone(), 0);
            channel
        }
    };
    let mut client = KeyManagementServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_LEN);
    let mut pauses = RETRY_PAUSES.iter();
    loop {
        let status = match client.decrypt(request.clone()).await {
            Ok(answer) => return Ok(Zeroizing::new(answer.into_inner().plaintext)),
            Err(status) => status,
        };
        let text: String = status.message().chars().take(MAX_QUOTED_CHARS).collect();
        // tonic wraps errors of the transport; those do not come from the plugin.
        let is_broken = std::error::Error::source(&status).is_some();
        return Err(match status.code() {
            _ if is_broken => Unreachable(format!("the connection broke, or it does not speak gRPC ({text})")).into(),
            tonic::Code::Unavailable => match pauses.next() {
                // A plugin whose own backend restarts is unavailable for a moment.
                Some(pause) => {
                    tokio::time::sleep(*pause).await;
                    continue;
                }
                None => Unreachable(format!("it reports that it is unavailable: {text}")).into(),
            },
            tonic::Code::Unimplemented => Unreachable("it does not support KMS v2".into()).into(),
            code @ (tonic::Code::DeadlineExceeded
            | tonic::Code::ResourceExhausted
            | tonic::Code::PermissionDenied
            | tonic::Code::Unauthenticated) => CallFailure::Undecided(format!("it says: {text} ({code:?})")),
            code => CallFailure::Refused(format!("it says: {text} ({code:?})")),
        });
    }
}

async fn connect(path: PathBuf) -> Result<Channel, Unreachable> {
    let shown = crate::printable_path(&path);
    let unreachable = |cause: &io::Error| {
        Unreachable(format!("its socket {shown} cannot be reached: {}", crate::error::plain(cause)))
    };
    let stream = UnixStream::connect(&path).await.map_err(|cause| unreachable(&cause))?;
    // Used once: a broken connection is reported, not reopened.
    let stream = Mutex::new(Some(TokioIo::new(stream)));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector(connector).await;
    channel.map_err(|cause| Unreachable(format!("its socket {shown} does not speak gRPC: {cause}")))
}

/// Returns the key of a request in the cache of answers.
fn digest(plugin: &str, sealed: &Sealed<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(plugin.as_bytes());
    part(sealed.key_id.as_bytes());
    part(sealed.source);
    for (name, text) in &sealed.annotations {
        part(name.as_bytes());
        part(text);
    }
    hash.finalize().into()
}
