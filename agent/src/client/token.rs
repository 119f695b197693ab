//! Authentication tokens.

use etcdsnap_proto::etcdserverpb::AuthenticateRequest;
use etcdsnap_proto::etcdserverpb::auth_client::AuthClient;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use super::client_error::ClientError;

/// The header in which etcd expects a token (`TokenFieldNameGRPC` in its api/v3rpc/rpctypes).
pub(super) const HEADER: &str = "token";

/// Requests a token from the server.
///
/// # Errors
/// When the server refuses the user, has authentication disabled, or the connection breaks.
pub(super) async fn token(channel: &Channel, name: &str, password: &str) -> Result<String, Status> {
    let request = AuthenticateRequest { name: name.to_owned(), password: password.to_owned() };
    Ok(AuthClient::new(channel.clone()).authenticate(request).await?.into_inner().token)
}

/// Converts a token to a header value.
///
/// # Errors
/// When it contains bytes that are not allowed in a header.
pub(super) fn header(token: &str) -> Result<MetadataValue<Ascii>, ClientError> {
    token.parse().map_err(|_| ClientError::Token)
}
