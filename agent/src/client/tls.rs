//! Certificates: whom we trust, and who we are.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::config::Tls;
use super::error::ClientError;

/// gRPC's protocol, as it is named while the connection is agreed on.
const ALPN: &[u8] = b"h2";

/// Reads the certificates, anew for each connection: they may have been renewed since.
///
/// # Errors
/// When a file cannot be read or used; it names the flag.
pub(super) fn client_config(tls: &Tls) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| ClientError::Tls(cause.to_string()))?;
    let builder = if tls.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        builder.with_root_certificates(roots(tls.cacert.as_deref())?)
    };
    let mut config = match (&tls.cert, &tls.key) {
        (None, None) => builder.with_no_client_auth(),
        (None, Some(key)) => return Err(file("--key", key, "it is given without --cert")),
        (Some(cert), key) => {
            let chain = certificates("--cert", cert)?;
            let path = key.as_deref().unwrap_or(cert);
            let key = PrivateKeyDer::from_pem_file(path).map_err(|cause| file("--key", path, &plain(&cause)))?;
            builder.with_client_auth_cert(chain, key).map_err(|cause| match cause {
                rustls::Error::InconsistentKeys(_) => {
                    file("--key", path, "it is not the key of the certificate in --cert")
                }
                cause => file("--cert", cert, &cause.to_string()),
            })?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn roots(cacert: Option<&Path>) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    match cacert {
        Some(path) => {
            for certificate in certificates("--cacert", path)? {
                roots.add(certificate).map_err(|cause| file("--cacert", path, &cause.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(ClientError::Tls("this system has no certificates of authorities: give --cacert".into()));
            }
        }
    }
    Ok(roots)
}

fn certificates(flag: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(file(flag, path, "there is no certificate in it (PEM)")),
        Ok(found) => Ok(found),
        Err(cause) => Err(file(flag, path, &plain(&cause))),
    }
}

fn plain(cause: &rustls::pki_types::pem::Error) -> String {
    match cause {
        rustls::pki_types::pem::Error::Io(cause) => crate::error::plain(cause),
        rustls::pki_types::pem::Error::NoItemsFound => "there is no key in it (PEM: PKCS#8, PKCS#1 or SEC1)".into(),
        cause => cause.to_string(),
    }
}

fn file(flag: &'static str, path: &Path, reason: &str) -> ClientError {
    ClientError::File { flag, path: path.to_owned(), reason: reason.to_owned() }
}

/// Takes any certificate; the signatures of the handshake are still checked.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
