//! The client for etcd servers: endpoints, certificates, tokens, and the calls that a save needs.

mod algorithms;
mod certificate_path;
mod certificate_text;
mod client_certificate;
mod client_config;
mod client_error;
mod connect;
mod discovery;
mod endpoint;
mod first_error;
mod handshake_facts;
mod http_proxy;
mod member;
mod pem_files;
mod percent_escapes;
mod server_verifier;
mod small_rsa;
mod tls;
mod tls_messages;
mod token;
mod transport;

pub use client_config::{Auth, ClientConfig, Discovery, ProxySettings, Tls};
pub use client_error::ClientError;
pub use connect::Client;
pub use member::{ListedMember, Member, StoreHash};

pub(crate) use discovery::endpoints;
pub(crate) use member::rank;
