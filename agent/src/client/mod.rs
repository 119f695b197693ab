//! Talking to etcd servers: endpoints, certificates, tokens, and the calls that a snapshot takes.

mod auth;
mod config;
mod connect;
mod dial;
mod discovery;
mod endpoint;
mod error;
mod member;
mod record;
mod tls;

pub use config::{Auth, ClientConfig, Discovery, Tls};
pub use connect::Client;
pub use error::ClientError;
pub use member::{ListedMember, Member};

pub(crate) use discovery::endpoints;
pub(crate) use member::rank;
