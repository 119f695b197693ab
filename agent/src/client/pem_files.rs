//! Reads certificates and keys from PEM files. Every error names the flag and the file.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};

use super::certificate_text;
use super::client_error::ClientError;
use super::small_rsa::SmallKey;
use crate::small_file::{MAX_PEM_FILE, read_small_file};

/// The marks of an encrypted key: the label of PKCS#8, and the header of OpenSSL's older format.
const ENCRYPTED_KEY_MARKS: [&str; 2] = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// Reads all certificates of a file, at least one.
///
/// # Errors
/// When the file cannot be read or has no certificate.
pub(super) fn certificates(flag: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let bytes = read(flag, path)?;
    match CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => Err(wrong(flag, path, "there is no certificate in it (PEM)")),
        Ok(found) => Ok(found),
        Err(cause) => Err(wrong(flag, path, &plain(&cause))),
    }
}

/// Reads a certificate with its chain, and its key, which may be in the same file.
///
/// # Errors
/// When a file cannot be read or used, the key is encrypted, or it does not belong to the certificate.
pub(super) fn certified_key(cert: &Path, key: Option<&Path>) -> Result<CertifiedKey, ClientError> {
    let chain = certificates("--cert", cert)?;
    let path = key.unwrap_or(cert);
    let key = signing_key(path)?;
    let own = chain.first().and_then(certificate_text::public_key);
    let Some(own) = own else { return Err(wrong("--cert", cert, "its first certificate is not an X.509 certificate")) };
    // The certificate may be of any version: only the server judges it.
    if key.public_key().is_some_and(|public| public != own) {
        return Err(wrong("--key", path, "it is not the key of the certificate in --cert"));
    }
    Ok(CertifiedKey::new(chain, key))
}

fn signing_key(path: &Path) -> Result<Arc<dyn SigningKey>, ClientError> {
    let bytes = read("--key", path)?;
    let text = String::from_utf8_lossy(&bytes);
    if ENCRYPTED_KEY_MARKS.iter().any(|mark| text.contains(mark)) {
        return Err(ClientError::EncryptedKey { path: path.to_owned() });
    }
    let der = PrivateKeyDer::from_pem_slice(&bytes).map_err(|cause| wrong("--key", path, &plain(&cause)))?;
    if let Some(key) = SmallKey::read(&der) {
        return Ok(Arc::new(key));
    }
    any_supported_type(&der).map_err(|_| {
        let reason =
            "its kind of key is not supported; supported are RSA from 1024 bits, ECDSA on P-256, P-384 or P-521, or Ed25519";
        wrong("--key", path, reason)
    })
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, ClientError> {
    read_small_file(path, MAX_PEM_FILE).map_err(|cause| wrong(flag, path, &crate::error::plain(&cause)))
}

fn plain(cause: &PemError) -> String {
    match cause {
        PemError::Io(cause) => crate::error::plain(cause),
        PemError::NoItemsFound => "there is no key in it (PEM: PKCS#8, PKCS#1 or SEC1)".into(),
        cause => format!("it is not a PEM file: {cause}"),
    }
}

/// The error about a file that a flag names.
pub(super) fn wrong(flag: &'static str, path: &Path, reason: &str) -> ClientError {
    ClientError::File { flag, path: path.to_owned(), reason: reason.to_owned() }
}
