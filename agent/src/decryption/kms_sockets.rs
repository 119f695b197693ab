//! Calls KMS plugins, second interface, through their unix sockets.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use etcdsnap_core::kubernetes::encryption::keyring::{Plugins, Unopened};
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

/// How long a plugin may take for an answer. API servers give it 3 s unless the configuration says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pauses before a plugin that says that it is unavailable is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1000)];

/// How often it is asked whether the work was stopped while a plugin is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Characters of what a plugin says that are told.
const LONGEST_TEXT: usize = 200;

/// Bytes of an answer: a key has 32.
const LARGEST_ANSWER: usize = 64 << 10;

/// Answers that are kept. A cluster has a few sources at a time; older API servers had one a value.
const MAX_KEPT: usize = 10_000;

type Answer = Result<Zeroizing<Vec<u8>>, Unopened>;

/// The plugins that can be asked. Each source is asked for once.
pub(super) struct KmsSockets {
    names: Vec<String>,
    /// Whether the work was stopped, so that no plugin is waited for any more.
    is_stopped: fn() -> bool,
    state: Mutex<State>,
}

struct State {
    runtime: Runtime,
    plugins: HashMap<String, Connection>,
    answers: HashMap<[u8; 32], Answer>,
    /// Requests so far, by which each has a name in a plugin's log.
    requests: u64,
}

/// Sources in a row about which a plugin says nothing, as for want of rights: it is then not asked for others. A damaged value may be the cause of one such answer.
const MOST_SILENT: u32 = 3;

/// A plugin. One that cannot be reached, or does not answer in time, is not asked again: there may be thousands of values.
enum Connection {
    New(PathBuf),
    /// With how many sources in a row it said nothing about.
    Open(Channel, u32),
    Lost(String),
}

/// Names only: answers are keys.
impl fmt::Debug for KmsSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsSockets").field("names", &self.names).finish_non_exhaustive()
    }
}

impl KmsSockets {
    /// Takes names with their sockets; of a name that stands there twice the last one counts.
    ///
    /// # Errors
    /// When no runtime can be started.
    pub fn new(sockets: &[(String, PathBuf)], is_stopped: fn() -> bool) -> Result<Self, DecryptionError> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().map_err(DecryptionError::Runtime)?;
        let plugins: HashMap<_, _> =
            sockets.iter().map(|(name, path)| (name.clone(), Connection::New(path.clone()))).collect();
        let names = plugins.keys().cloned().collect();
        let state = State { runtime, plugins, answers: HashMap::new(), requests: 0 };
        Ok(Self { names, is_stopped, state: Mutex::new(state) })
    }
}

impl Plugins for KmsSockets {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn open(&self, plugin: &str, sealed: &Sealed<'_>) -> Answer {
        // One after the other, so that two threads with the same source ask once.
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let asked = digest(plugin, sealed);
        if let Some(answer) = state.answers.get(&asked) {
            return answer.clone();
        }
        let answer = state.ask(plugin, sealed, self.is_stopped);
        if state.answers.len() >= MAX_KEPT {
            state.answers.clear();
        }
        state.answers.insert(asked, answer.clone());
        answer
    }
}

impl State {
    fn ask(&mut self, plugin: &str, sealed: &Sealed<'_>, is_stopped: fn() -> bool) -> Answer {
        let Self { runtime, plugins, requests, .. } = self;
        let connection = plugins.get_mut(plugin).ok_or_else(|| Unopened::Unasked("there is no such plugin".into()))?;
        *requests = requests.saturating_add(1);
        let request = DecryptRequest {
            ciphertext: sealed.source.to_vec(),
            uid: format!("etcdsnap-{}-{requests}", std::process::id()),
            key_id: sealed.key_id.to_owned(),
            annotations: sealed.annotations.iter().map(|(name, text)| ((*name).to_owned(), text.to_vec())).collect(),
        };
        let stop = async {
            while !is_stopped() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let answer = runtime.block_on(async {
            let answer = async {
                timeout(PATIENCE, call(connection, request)).await.unwrap_or_else(|_| {
                    let why =
                        format!("it did not answer within {} seconds, and is not asked again", PATIENCE.as_secs());
                    Err(Lost(why).into())
                })
            };
            tokio::select! {
                answer = answer => answer,
                () = stop => Err(Lost("the work was stopped".into()).into()),
            }
        });
        if let (Connection::Open(_, silent), false) = (&mut *connection, matches!(answer, Err(Failure::Silent(_)))) {
            *silent = 0;
        }
        answer.map_err(|failure| match failure {
            Failure::Lost(Lost(why)) => {
                *connection = Connection::Lost(why.clone());
                Unopened::Unasked(why)
            }
            Failure::Silent(why) => {
                if let Connection::Open(_, silent) = connection {
                    *silent = silent.saturating_add(1);
                    if *silent >= MOST_SILENT {
                        *connection = Connection::Lost(format!("{why}, and is not asked again"));
                    }
                }
                Unopened::Unasked(why)
            }
            Failure::Refused(why) => Unopened::Refused(why),
        })
    }
}

struct Lost(String);

enum Failure {
    /// The plugin cannot be asked.
    Lost(Lost),
    /// It answers, and nothing about the source.
    Silent(String),
    /// It does not open the source.
    Refused(String),
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

async fn call(connection: &mut Connection, request: DecryptRequest) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let channel = match connection {
        Connection::Lost(why) => return Err(Lost(why.clone()).into()),
        Connection::Open(channel, _) => channel.clone(),
        Connection::New(path) => {
            let channel = connect(path.clone()).await?;
            *connection = Connection::Open(channel.clone(), 0);
            channel
        }
    };
    let mut client = KeyManagementServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER);
    let mut pauses = PAUSES.iter();
    loop {
        let status = match client.decrypt(request.clone()).await {
            Ok(answer) => return Ok(Zeroizing::new(answer.into_inner().plaintext)),
            Err(status) => status,
        };
        let text: String = status.message().chars().take(LONGEST_TEXT).collect();
        // What is behind the transport's own errors is no word of the plugin.
        let is_broken = std::error::Error::source(&status).is_some();
        return Err(match status.code() {
            _ if is_broken => Lost(format!("the connection broke, or it does not speak gRPC ({text})")).into(),
            tonic::Code::Unavailable => match pauses.next() {
                // A plugin whose own server restarts says so for a moment.
                Some(pause) => {
                    tokio::time::sleep(*pause).await;
                    continue;
                }
                None => Lost(format!("it says that it is unavailable: {text}")).into(),
            },
            tonic::Code::Unimplemented => Lost("it does not know the second interface of KMS".into()).into(),
            code @ (tonic::Code::DeadlineExceeded
            | tonic::Code::ResourceExhausted
            | tonic::Code::PermissionDenied
            | tonic::Code::Unauthenticated) => Failure::Silent(format!("it says: {text} ({code:?})")),
            code => Failure::Refused(format!("it says: {text} ({code:?})")),
        });
    }
}

async fn connect(path: PathBuf) -> Result<Channel, Lost> {
    let shown = crate::printable_path(&path);
    let unreachable =
        |cause: &io::Error| Lost(format!("its socket {shown} cannot be reached: {}", crate::error::plain(cause)));
    let stream = UnixStream::connect(&path).await.map_err(|cause| unreachable(&cause))?;
    // Used once: a connection that breaks is told.
    let stream = Mutex::new(Some(TokioIo::new(stream)));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector(connector).await;
    channel.map_err(|cause| Lost(format!("its socket {shown} does not speak gRPC: {cause}")))
}

/// What a request is known by.
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
