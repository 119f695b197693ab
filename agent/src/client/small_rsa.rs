//! RSA keys of 1024 to 2047 bits, which Go's TLS accepts and aws-lc-rs does not: verifies signatures of servers and authorities, and signs with our own key.
//!
//! Keys of other sizes and kinds are left to aws-lc-rs.

use std::fmt;

use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Verifier};
use rsa::traits::PublicKeyParts;
use rsa::{PrivateKey, PublicKey, pkcs1v15, pss};
use tokio_rustls::rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
};
use tokio_rustls::rustls::sign::{Signer, SigningKey};
use tokio_rustls::rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// Bits of the smallest modulus that aws-lc-rs accepts.
const AWS_LC_MIN_BITS: u32 = 2048;

/// An RSA signature algorithm for keys from 1024 bits; aws-lc-rs verifies the sizes that it supports.
pub(super) struct RsaOfAnySize {
    /// The algorithm of aws-lc-rs with the same identifiers.
    pub large: &'static dyn SignatureVerificationAlgorithm,
    /// Verifies a signature of a small key.
    pub small: fn(PublicKey, &[u8], &[u8]) -> Option<()>,
}

impl fmt::Debug for RsaOfAnySize {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RsaOfAnySize").finish_non_exhaustive()
    }
}

impl SignatureVerificationAlgorithm for RsaOfAnySize {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.large.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.large.signature_alg_id()
    }

    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        match PublicKey::from_pkcs1_der(public_key) {
            Ok(key) if is_small(&key) => (self.small)(key, message, signature).ok_or(InvalidSignature),
            _ => self.large.verify_signature(public_key, message, signature),
        }
    }
}

fn is_small(key: &impl PublicKeyParts) -> bool {
    key.n().bit_width_vartime() < AWS_LC_MIN_BITS
}

macro_rules! verifiers {
    ($($name:ident: $padding:ident, $hash:ty;)*) => {$(
        #[doc = concat!("Verifies ", stringify!($padding), " with ", stringify!($hash), ".")]
        pub(super) fn $name(key: PublicKey, message: &[u8], signature: &[u8]) -> Option<()> {
            let signature = $padding::Signature::try_from(signature).ok()?;
            $padding::VerifyingKey::<$hash>::new(key).verify(message, &signature).ok()
        }
    )*};
}

verifiers! {
    pkcs1_sha256: pkcs1v15, Sha256;
    pkcs1_sha384: pkcs1v15, Sha384;
    pkcs1_sha512: pkcs1v15, Sha512;
    pss_sha256: pss, Sha256;
    pss_sha384: pss, Sha384;
    pss_sha512: pss, Sha512;
}

/// A small RSA key for the client certificate.
pub(super) struct SmallKey {
    key: PrivateKey,
    public: SubjectPublicKeyInfoDer<'static>,
}

impl SmallKey {
    /// Parses PKCS#8 or PKCS#1; `None` for other kinds of keys, and for RSA keys that aws-lc-rs accepts.
    pub fn read(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let key = match der {
            PrivateKeyDer::Pkcs8(der) => PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).ok()?,
            PrivateKeyDer::Pkcs1(der) => PrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok()?,
            _ => return None,
        };
        let public = key.to_public_key().to_public_key_der().ok()?.into_vec();
        is_small(&key).then(|| Self { key, public: SubjectPublicKeyInfoDer::from(public) })
    }
}

impl fmt::Debug for SmallKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SmallKey").finish_non_exhaustive()
    }
}

impl SigningKey for SmallKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        // PSS with SHA-512 does not fit into 1024 bits: hash, salt and two bytes are 130 bytes.
        let schemes = [
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
        ];
        let scheme = schemes.into_iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(SmallSigner { key: self.key.clone(), scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.public.clone())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

struct SmallSigner {
    key: PrivateKey,
    scheme: SignatureScheme,
}

impl fmt::Debug for SmallSigner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SmallSigner").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Signer for SmallSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.key.clone();
        match self.scheme {
            SignatureScheme::RSA_PSS_SHA256 => signed(&pss::SigningKey::<Sha256>::new(key), message),
            SignatureScheme::RSA_PSS_SHA384 => signed(&pss::SigningKey::<Sha384>::new(key), message),
            SignatureScheme::RSA_PKCS1_SHA256 => signed(&pkcs1v15::SigningKey::<Sha256>::new(key), message),
            SignatureScheme::RSA_PKCS1_SHA384 => signed(&pkcs1v15::SigningKey::<Sha384>::new(key), message),
            _ => signed(&pkcs1v15::SigningKey::<Sha512>::new(key), message),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// Signs with blinding, so that the duration reveals nothing about the key.
fn signed<S: SignatureEncoding>(key: &impl RandomizedSigner<S>, message: &[u8]) -> Result<Vec<u8>, Error> {
    let signature = key.try_sign_with_rng(&mut rand::rng(), message);
    signature.map(|signature| signature.to_vec()).map_err(|cause| Error::General(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rsa::pkcs1::EncodeRsaPublicKey;
    use rsa::pkcs8::EncodePrivateKey;

    use super::super::algorithms::ALGORITHMS;
    use super::*;

    fn key(bits: usize) -> PrivateKeyDer<'static> {
        let key = PrivateKey::new(&mut rand::rng(), bits).unwrap();
        PrivateKeyDer::Pkcs8(key.to_pkcs8_der().unwrap().as_bytes().to_vec().into())
    }

    #[test]
    fn signatures_of_small_keys_are_verified() {
        let der = key(1024);
        let small = Arc::new(SmallKey::read(&der).unwrap());
        let public = small.key.to_public_key().to_pkcs1_der().unwrap();
        for scheme in ALGORITHMS.supported_schemes() {
            let Some(signer) = small.choose_scheme(&[scheme]) else { continue };
            let signature = signer.sign(b"message").unwrap();
            let (_, algorithms) = ALGORITHMS.mapping.iter().find(|(offered, _)| *offered == scheme).unwrap();
            let verify = |message: &[u8]| algorithms[0].verify_signature(public.as_bytes(), message, &signature);
            assert!(verify(b"message").is_ok(), "{scheme:?}");
            assert!(verify(b"another").is_err(), "{scheme:?}");
        }
    }

    #[test]
    fn keys_that_aws_lc_supports_are_left_to_it() {
        assert!(SmallKey::read(&key(2048)).is_none());
        assert!(SmallKey::read(&PrivateKeyDer::Pkcs8(vec![1, 2, 3].into())).is_none());
    }
}
