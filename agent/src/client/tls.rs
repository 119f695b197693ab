//! Sets up TLS for one connection: the authorities to trust, and the client certificate.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use super::algorithms::provider;
use super::client_certificate::ClientCertificate;
use super::client_config::Tls;
use super::client_error::ClientError;
use super::endpoint::Endpoint;
use super::handshake_facts::HandshakeFacts;
use super::pem_files::{certificates, certified_key, wrong};
use super::server_verifier::ServerVerifier;

/// The ALPN name of gRPC's protocol.
const ALPN: &[u8] = b"h2";

/// Reads the certificates again for each connection, because they may have been renewed. Records facts about the handshake in `facts`.
///
/// # Errors
/// When a file cannot be read or used; the error names the flag.
pub(super) fn client_config(
    tls: &Tls,
    endpoint: &Endpoint,
    facts: &HandshakeFacts,
) -> Result<ClientConfig, ClientError> {
    let verifier = if tls.insecure_skip_verify {
        ServerVerifier::anyone(facts.clone())
    } else {
        let other_name = endpoint.other_name.as_deref().map(|name| endpoint.certificate_name(name)).transpose()?;
        authorities(tls.cacert.as_deref(), other_name, facts)?
    };
    let key = match (&tls.cert, &tls.key) {
        (None, None) => None,
        (None, Some(key)) => return Err(wrong("--key", key, "it is given without --cert")),
        (Some(cert), key) => Some(Arc::new(certified_key(cert, key.as_deref())?)),
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| ClientError::Tls(cause.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(ClientCertificate { key, facts: facts.clone() }));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn authorities(
    cacert: Option<&Path>,
    other_name: Option<ServerName<'static>>,
    facts: &HandshakeFacts,
) -> Result<ServerVerifier, ClientError> {
    let given: Vec<CertificateDer<'static>> = match cacert {
        Some(path) => certificates("--cacert", path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    ServerVerifier::of(given, other_name, facts.clone()).map_err(|_| match cacert {
        Some(path) => wrong("--cacert", path, "it has no certificate that can be used as an authority"),
        None => ClientError::Tls("This system has no certificates of authorities: give one with --cacert.".into()),
    })
}
