//! Tokens: how a server knows a user.

use etcdsnap_proto::etcdserverpb::AuthenticateRequest;
use etcdsnap_proto::etcdserverpb::auth_client::AuthClient;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use super::client_error::ClientError;

/// The header in which etcd expects a token (`TokenFieldNameGRPC` in its api/v3rpc/rpctypes).
pub(super) const HEADER: &str = "token";

/// Asks the server for a token.
///
/// # Errors
/// When it refuses the user, knows no users, or the connection breaks.
pub(super) async fn token(channel: &Channel, name: &str, password: &str) -> Result<String, Status> {
    let request = AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
    Ok(AuthClient::new(channel.clone()).authenticate(request).await?.into_inner().token)
}

/// A token as it is sent.
///
/// # Errors
/// When it has bytes that no header can have.
pub(super) fn header(token: &str) -> Result<MetadataValue<Ascii>, ClientError> {
    token.parse().map_err(|_| ClientError::Token)
}
