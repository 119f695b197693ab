//! The signature algorithms accepted from servers and authorities: those of aws-lc-rs, and RSA from 1024 bits.

use tokio_rustls::rustls::SignatureScheme;
use tokio_rustls::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use webpki::aws_lc_rs as aws;

use super::small_rsa::{RsaOfAnySize, pkcs1_sha256, pkcs1_sha384, pkcs1_sha512, pss_sha256, pss_sha384, pss_sha512};

static PKCS1_SHA256: RsaOfAnySize = RsaOfAnySize { large: aws::RSA_PKCS1_2048_8192_SHA256, small: pkcs1_sha256 };
static PKCS1_SHA384: RsaOfAnySize = RsaOfAnySize { large: aws::RSA_PKCS1_2048_8192_SHA384, small: pkcs1_sha384 };
static PKCS1_SHA512: RsaOfAnySize = RsaOfAnySize { large: aws::RSA_PKCS1_2048_8192_SHA512, small: pkcs1_sha512 };
static PSS_SHA256: RsaOfAnySize = RsaOfAnySize { large: aws::RSA_PSS_2048_8192_SHA256_LEGACY_KEY, small: pss_sha256 };
static PSS_SHA384: RsaOfAnySize = RsaOfAnySize { large: aws::RSA_PSS_2048_8192_SHA384_LEGACY_KEY, small: pss_sha384 };
static PSS_SHA512: RsaOfAnySize = RsaOfAnySize { large: aws::RSA_PSS_2048_8192_SHA512_LEGACY_KEY, small: pss_sha512 };

/// The algorithms offered to servers, best first. In TLS 1.3 a scheme fixes the curve, so only its first algorithm is used.
pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        aws::ECDSA_P256_SHA256,
        aws::ECDSA_P256_SHA384,
        aws::ECDSA_P256_SHA512,
        aws::ECDSA_P384_SHA256,
        aws::ECDSA_P384_SHA384,
        aws::ECDSA_P384_SHA512,
        aws::ECDSA_P521_SHA256,
        aws::ECDSA_P521_SHA384,
        aws::ECDSA_P521_SHA512,
        aws::ED25519,
        &PSS_SHA256,
        &PSS_SHA384,
        &PSS_SHA512,
        &PKCS1_SHA256,
        &PKCS1_SHA384,
        &PKCS1_SHA512,
        aws::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        aws::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        aws::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[aws::ECDSA_P384_SHA384, aws::ECDSA_P256_SHA384, aws::ECDSA_P521_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[aws::ECDSA_P256_SHA256, aws::ECDSA_P384_SHA256, aws::ECDSA_P521_SHA256],
        ),
        (
            SignatureScheme::ECDSA_NISTP521_SHA512,
            &[aws::ECDSA_P521_SHA512, aws::ECDSA_P384_SHA512, aws::ECDSA_P256_SHA512],
        ),
        (SignatureScheme::ED25519, &[aws::ED25519]),
        // SHA-256 first: the others do not fit into the smallest keys.
        (SignatureScheme::RSA_PSS_SHA256, &[&PSS_SHA256]),
        (SignatureScheme::RSA_PSS_SHA384, &[&PSS_SHA384]),
        (SignatureScheme::RSA_PSS_SHA512, &[&PSS_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[&PKCS1_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[&PKCS1_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[&PKCS1_SHA512]),
    ],
};

/// Returns the provider aws-lc-rs with these algorithms.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider { signature_verification_algorithms: ALGORITHMS, ..aws_lc_rs::default_provider() }
}
