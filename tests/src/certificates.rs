//! Creates certificates for a test: of authorities, servers and clients, with keys of every type and encoding.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SignatureAlgorithm, SigningKey, date_time_ymd,
};
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::pkcs8::{EncodePrivateKey, LineEnding, ObjectIdentifier, PrivateKeyInfoRef};
use rsa::signature::{SignatureEncoding, Signer};
use sec1::der::{Decode, Encode, pem};

/// The type of a key, and its encoding in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// ECDSA on P-256 in PKCS#8.
    EcPkcs8,
    /// ECDSA on P-256 in SEC1.
    EcSec1,
    /// ECDSA on P-384 in PKCS#8.
    P384,
    /// ECDSA on P-521 in PKCS#8.
    P521,
    /// ECDSA on P-521 in SEC1.
    P521Sec1,
    /// Ed25519 in PKCS#8.
    Ed25519,
    /// RSA of 2048 bits in PKCS#8.
    RsaPkcs8,
    /// RSA of 2048 bits in PKCS#1.
    RsaPkcs1,
    /// RSA of 1024 bits in PKCS#8.
    SmallRsa,
    /// RSA of 1024 bits in PKCS#1.
    SmallRsaPkcs1,
}

/// The use of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateUse<'n> {
    /// A server with these names and addresses.
    Server(&'n [&'n str]),
    /// A server, expired.
    Expired(&'n [&'n str]),
    /// A server, but also marked as an authority (`CA:TRUE`).
    ServerAndAuthority(&'n [&'n str]),
    /// A client with these names, by its extended key usage.
    NotForServers(&'n [&'n str]),
    /// An authority that may sign others, with this common name.
    Authority(&'n str),
    /// A client with this common name.
    Client(&'n str),
    /// A client with this common name, in X.509 version 1.
    ClientV1(&'n str),
}

/// The files of a certificate and its key.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// An authority that signs certificates in a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, TestKey>,
    /// Its own certificate.
    pub cert: PathBuf,
}

impl Authority {
    /// Creates an authority with a P-256 key.
    ///
    /// # Panics
    /// Panics if it cannot be created.
    #[must_use]
    pub fn new(folder: &Path, name: &str) -> Self {
        Self::with_key(folder, name, Key::EcPkcs8)
    }

    /// Creates an authority with another type of key.
    ///
    /// # Panics
    /// Panics if it cannot be made.
    #[must_use]
    pub fn with_key(folder: &Path, name: &str, kind: Key) -> Self {
        let (params, (key, _)) = (params(CertificateUse::Authority(name)), generate_key(kind));
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let cert = folder.join(format!("{name}.pem"));
        fs::write(&cert, issuer.pem()).expect("a file");
        Self { folder: folder.to_owned(), issuer, cert }
    }

    /// Creates an intermediate authority signed by this one.
    ///
    /// # Panics
    /// Panics if it cannot be made.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let (params, (key, _)) = (params(CertificateUse::Authority(name)), generate_key(Key::EcPkcs8));
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer).expect("a certificate");
        let cert = self.folder.join(format!("{name}.pem"));
        fs::write(&cert, issuer.pem()).expect("a file");
        Self { folder: self.folder.clone(), issuer, cert }
    }

    /// Signs a certificate.
    ///
    /// # Panics
    /// Panics if it cannot be made.
    #[must_use]
    pub fn sign(&self, file: &str, whose: CertificateUse<'_>, kind: Key) -> CertificateFiles {
        let (key, written) = generate_key(kind);
        let signed = params(whose).signed_by(&key, &self.issuer).expect("a certificate");
        let cert = match whose {
            CertificateUse::ClientV1(_) => in_pem("CERTIFICATE", &as_version_1(signed.der(), self.issuer.key())),
            _ => signed.pem(),
        };
        write_pair(&self.folder, file, &cert, &written)
    }
}

/// Creates a self-signed certificate.
///
/// # Panics
/// Panics if it cannot be made.
#[must_use]
pub fn self_signed(folder: &Path, file: &str, whose: CertificateUse<'_>, kind: Key) -> CertificateFiles {
    let (key, written) = generate_key(kind);
    let signed = params(whose).self_signed(&key).expect("a certificate");
    write_pair(folder, file, &signed.pem(), &written)
}

fn write_pair(folder: &Path, file: &str, cert: &str, key: &str) -> CertificateFiles {
    let pair = CertificateFiles { cert: folder.join(format!("{file}.crt")), key: folder.join(format!("{file}.key")) };
    fs::write(&pair.cert, cert).expect("a file");
    fs::write(&pair.key, key).expect("a file");
    pair
}

fn params(whose: CertificateUse<'_>) -> CertificateParams {
    let (names, name) = match whose {
        CertificateUse::Server(names)
        | CertificateUse::Expired(names)
        | CertificateUse::ServerAndAuthority(names)
        | CertificateUse::NotForServers(names) => (names, "server"),
        CertificateUse::Authority(name) | CertificateUse::Client(name) | CertificateUse::ClientV1(name) => {
            (&[][..], name)
        }
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(if matches!(whose, CertificateUse::Expired(_)) { 2021 } else { 2120 }, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    // etcd's gateway uses the server's certificate as a client.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    match whose {
        CertificateUse::Authority(_) => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params.extended_key_usages.clear();
        }
        CertificateUse::ServerAndAuthority(_) => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }
        CertificateUse::NotForServers(_) => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        _ => {}
    }
    params
}

/// Generates a key, and its text in PEM.
fn generate_key(kind: Key) -> (TestKey, String) {
    let algorithm = match kind {
        Key::EcPkcs8 | Key::EcSec1 => &PKCS_ECDSA_P256_SHA256,
        Key::P384 => &PKCS_ECDSA_P384_SHA384,
        Key::P521 | Key::P521Sec1 => &PKCS_ECDSA_P521_SHA512,
        Key::Ed25519 => &PKCS_ED25519,
        Key::RsaPkcs8 | Key::RsaPkcs1 => {
            let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
            let pkcs8 = key.serialize_der();
            let pkcs1 = PrivateKeyInfoRef::from_der(&pkcs8).expect("PKCS#8").private_key.as_bytes();
            let written =
                if kind == Key::RsaPkcs1 { in_pem("RSA PRIVATE KEY", pkcs1) } else { in_pem("PRIVATE KEY", &pkcs8) };
            return (TestKey::Usual(key), written);
        }
        Key::SmallRsa | Key::SmallRsaPkcs1 => {
            let key = rsa::PrivateKey::new(&mut rand::rng(), 1024).expect("a key");
            let public = key.to_public_key().to_pkcs1_der().expect("DER").into_vec();
            let written = match kind {
                Key::SmallRsa => key.to_pkcs8_pem(LineEnding::LF).expect("PEM"),
                _ => key.to_pkcs1_pem(LineEnding::LF).expect("PEM"),
            };
            let written = written.to_string();
            return (TestKey::SmallRsa { key: Box::new(rsa::pkcs1v15::SigningKey::new(key)), public }, written);
        }
    };
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let written = match kind {
        Key::EcSec1 => sec1(&key, "1.2.840.10045.3.1.7"),
        Key::P521Sec1 => sec1(&key, "1.3.132.0.35"),
        _ => key.serialize_pem(),
    };
    (TestKey::Usual(key), written)
}

/// Encodes a key in SEC1 with the curve's name, as OpenSSL writes it and Go expects it.
fn sec1(key: &KeyPair, curve: &str) -> String {
    let pkcs8 = key.serialize_der();
    let inner = PrivateKeyInfoRef::from_der(&pkcs8).expect("PKCS#8").private_key.as_bytes();
    let mut inner = sec1::EcPrivateKey::from_der(inner).expect("SEC1");
    inner.parameters = Some(sec1::EcParameters::NamedCurve(ObjectIdentifier::new(curve).expect("an OID")));
    in_pem("EC PRIVATE KEY", &inner.to_der().expect("DER"))
}

fn in_pem(label: &str, der: &[u8]) -> String {
    pem::encode_string(label, LineEnding::LF, der).expect("PEM")
}

/// A key that rcgen generates, or a small RSA key, which rcgen does not support.
enum TestKey {
    Usual(KeyPair),
    SmallRsa { key: Box<rsa::pkcs1v15::SigningKey<rsa::sha2::Sha256>>, public: Vec<u8> },
}

impl PublicKeyData for TestKey {
    fn der_bytes(&self) -> &[u8] {
        match self {
            Self::Usual(key) => key.der_bytes(),
            Self::SmallRsa { public, .. } => public,
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            Self::Usual(key) => key.algorithm(),
            Self::SmallRsa { .. } => &PKCS_RSA_SHA256,
        }
    }
}

impl SigningKey for TestKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Usual(key) => key.sign(message),
            Self::SmallRsa { key, .. } => Ok(key.sign(message).to_vec()),
        }
    }
}

/// Removes the version and the extensions from a certificate, which version 1 does not have, and signs it again (RFC 5280, 4.1).
fn as_version_1(der: &[u8], issuer: &impl SigningKey) -> Vec<u8> {
    let (whole, _) = element(der);
    let (signed, rest) = element(whole.1);
    let (algorithm, _) = element(rest);
    let mut fields = Vec::new();
    let mut left = signed.1;
    while !left.is_empty() {
        let (field, rest) = element(left);
        // [0] is the version, [3] are the extensions.
        if ![0xa0, 0xa3].contains(&field.0) {
            fields.extend(encoded(field.0, field.1));
        }
        left = rest;
    }
    let signed = encoded(0x30, &fields);
    let signature = [vec![0], issuer.sign(&signed).expect("a signature")].concat();
    encoded(0x30, &[signed, encoded(algorithm.0, algorithm.1), encoded(0x03, &signature)].concat())
}

/// Splits DER into the tag and contents of its first element, and the rest.
fn element(der: &[u8]) -> ((u8, &[u8]), &[u8]) {
    let (length, header) = match der[1] {
        short @ 0..=0x7f => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7f);
            (der[2..2 + bytes].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), 2 + bytes)
        }
    };
    let (contents, rest) = der[header..].split_at(length);
    ((der[0], contents), rest)
}

fn encoded(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let header = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [header, contents.to_vec()].concat()
}
