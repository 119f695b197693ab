//! Certificates made for a test: an authority, a server's and clients', with keys of every form.

use std::fs;
use std::path::{Path, PathBuf};

use p256::elliptic_curve::rand_core::OsRng;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::{AssociatedOid, EncodePrivateKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rsa::pkcs1::EncodeRsaPrivateKey;
use sec1::der::Encode;

/// Keys and how they stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// ECDSA in PKCS#8.
    EcPkcs8,
    /// ECDSA in SEC1.
    EcSec1,
    /// RSA in PKCS#8.
    RsaPkcs8,
    /// RSA in PKCS#1.
    RsaPkcs1,
}

/// Whose certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'n> {
    /// A server's, for these names and addresses.
    Server(&'n [&'n str]),
    /// A server's that has expired.
    Expired(&'n [&'n str]),
    /// A client's, with this common name.
    Client(&'n str),
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// An authority that signs certificates, in a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its own certificate.
    pub cert: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let cert = folder.join(format!("{name}.pem"));
        fs::write(&cert, issuer.pem()).expect("a file");
        Self { folder: folder.to_owned(), issuer, cert }
    }

    /// Signs a certificate.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn sign(&self, file: &str, whose: Whose<'_>, kind: Key) -> Pair {
        let (names, name) = match whose {
            Whose::Server(names) | Whose::Expired(names) => (names, "server"),
            Whose::Client(name) => (&[][..], name),
        };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        // etcd's gateway makes a client of the server's certificate.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(if matches!(whose, Whose::Expired(_)) { 2021 } else { 2120 }, 1, 1);
        let (pkcs8, written) = made(kind);
        let key = KeyPair::from_pem(&pkcs8).expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let pair = Pair { cert: self.folder.join(format!("{file}.crt")), key: self.folder.join(format!("{file}.key")) };
        fs::write(&pair.cert, signed.pem()).expect("a file");
        fs::write(&pair.key, written).expect("a file");
        pair
    }
}

/// A key in PKCS#8, and as it is to be written.
fn made(kind: Key) -> (String, String) {
    match kind {
        Key::EcPkcs8 | Key::EcSec1 => {
            let key = p256::SecretKey::random(&mut OsRng);
            let pkcs8 = key.to_pkcs8_pem(Default::default()).expect("PEM").to_string();
            // With the curve's name, as OpenSSL writes it and Go wants it.
            let secret = key.to_bytes();
            let public = key.public_key().to_encoded_point(false);
            let parameters = Some(sec1::EcParameters::NamedCurve(p256::NistP256::OID));
            let sec1 = sec1::EcPrivateKey { private_key: &secret, parameters, public_key: Some(public.as_bytes()) };
            let sec1 =
                sec1::der::pem::encode_string("EC PRIVATE KEY", Default::default(), &sec1.to_der().expect("DER"));
            (pkcs8.clone(), if kind == Key::EcSec1 { sec1.expect("PEM") } else { pkcs8 })
        }
        Key::RsaPkcs8 | Key::RsaPkcs1 => {
            let key = rsa::RsaPrivateKey::new(&mut OsRng, 2048).expect("a key");
            let pkcs8 = key.to_pkcs8_pem(Default::default()).expect("PEM").to_string();
            let pkcs1 = key.to_pkcs1_pem(Default::default()).expect("PEM").to_string();
            (pkcs8.clone(), if kind == Key::RsaPkcs1 { pkcs1 } else { pkcs8 })
        }
    }
}
