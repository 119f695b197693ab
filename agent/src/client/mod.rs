//! Talking to etcd servers: endpoints, certificates, tokens, and the calls that a snapshot takes.

mod algorithms;
mod auth;
mod certificate_path;
mod certificate_text;
mod config;
mod connect;
mod dial;
mod discovery;
mod endpoint;
mod error;
mod handshake_facts;
mod http_proxy;
mod member;
mod own_certificate;
mod pem_files;
mod record;
mod server_verifier;
mod small_rsa;
mod tls;
mod tls_words;

pub use config::{Auth, ClientConfig, Discovery, ProxySettings, Tls};
pub use connect::Client;
pub use error::ClientError;
pub use member::{ListedMember, Member, StoreHash};

pub(crate) use discovery::endpoints;
pub(crate) use member::rank;
