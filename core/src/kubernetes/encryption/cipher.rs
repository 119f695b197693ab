//! Decrypts values. The caller supplies the key; nothing here stores one.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, aead::consts::U12};
use cbc::Decryptor;
use crypto_secretbox::XSalsa20Poly1305;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::kubernetes::envelope::{Envelope, envelope};
use crate::kubernetes::raw_json::is_json;

/// Why a value cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherError {
    /// It is too short, or not a whole number of blocks.
    Malformed(&'static str),
    /// Another key encrypted it, or it was changed.
    WrongKey,
    /// The decrypted bytes begin like an object but are not one: another key encrypted it, or it was changed.
    NoObject,
}

/// Whether a key of AES can have this length.
#[must_use]
pub fn is_aes_key(key: &[u8]) -> bool {
    matches!(key.len(), 16 | 24 | 32)
}

/// Whether a key of secretbox can have this length.
#[must_use]
pub fn is_secretbox_key(key: &[u8]) -> bool {
    key.len() == 32
}

/// Decrypts `IV 16, AES-CBC with PKCS#7`. There is no authentication, and with a wrong key the padding fits once in 256 times, so the result must look like an object.
///
/// # Errors
/// When it cannot be decrypted.
pub fn open_aes_cbc(key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
    let (iv, blocks) = sealed.split_at_checked(16).ok_or(CipherError::Malformed("it is shorter than its IV"))?;
    if blocks.is_empty() || !blocks.len().is_multiple_of(16) {
        return Err(CipherError::Malformed("its length is not a whole number of blocks"));
    }
    let opened = match key.len() {
        16 => cbc::<Decryptor<Aes128>>(key, iv, blocks),
        24 => cbc::<Decryptor<Aes192>>(key, iv, blocks),
        _ => cbc::<Decryptor<Aes256>>(key, iv, blocks),
    };
    let plain = opened.ok_or(CipherError::WrongKey)?;
    match looks(&plain) {
        Looks::Object => Ok(plain),
        Looks::Damaged => Err(CipherError::NoObject),
        Looks::Chance => Err(CipherError::WrongKey),
    }
}

/// The apparent content of decrypted bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// An object as API servers write it: a whole protobuf envelope, JSON, or CBOR by its first bytes.
    Object,
    /// The bytes begin like protobuf or JSON, but do not continue like it.
    Damaged,
    /// Random bytes, as a wrong key produces.
    Chance,
}

fn cbc<D: KeyIvInit + BlockModeDecrypt>(key: &[u8], iv: &[u8], blocks: &[u8]) -> Option<Vec<u8>> {
    let mut plain = blocks.to_vec();
    let len = D::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut plain).ok()?.len();
    plain.truncate(len);
    Some(plain)
}

fn looks(plain: &[u8]) -> Looks {
    let whole = |is_whole: bool| if is_whole { Looks::Object } else { Looks::Damaged };
    match envelope(plain) {
        Envelope::Protobuf(message) => {
            whole(!message.cut && !message.kind.is_empty() && message.content_encoding.is_empty())
        }
        Envelope::Json(json) if is_json(json) => Looks::Object,
        // A single brace does not prove that this was JSON.
        Envelope::Json(_) if plain.starts_with(b"{\"") => Looks::Damaged,
        Envelope::Cbor(_) => Looks::Object,
        Envelope::Json(_) | Envelope::Encrypted(_) | Envelope::Other(_) => Looks::Chance,
    }
}

/// Decrypts `nonce 12, ciphertext, tag 16`; `associated` is the key in etcd.
///
/// # Errors
/// When it cannot be decrypted.
pub fn open_aes_gcm(key: &[u8], sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, CipherError> {
    if sealed.len() < 28 {
        return Err(CipherError::Malformed("it is shorter than its nonce and tag"));
    }
    let opened = match key.len() {
        16 => gcm::<Aes128Gcm>(key, sealed, associated),
        24 => gcm::<AesGcm<Aes192, U12>>(key, sealed, associated),
        _ => gcm::<Aes256Gcm>(key, sealed, associated),
    };
    opened.ok_or(CipherError::WrongKey)
}

fn gcm<C: KeyInit + Aead>(key: &[u8], sealed: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = sealed.split_at_checked(12)?;
    C::new_from_slice(key).ok()?.decrypt(nonce.try_into().ok()?, Payload { msg, aad }).ok()
}

/// Decrypts `nonce 24, tag 16, ciphertext`.
///
/// # Errors
/// When it cannot be decrypted.
pub fn open_secretbox(key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
    let (nonce, boxed) = sealed
        .split_at_checked(24)
        .filter(|(_, boxed)| boxed.len() >= 16)
        .ok_or(CipherError::Malformed("it is shorter than its nonce and tag"))?;
    let cipher = XSalsa20Poly1305::new_from_slice(key).map_err(|_| CipherError::WrongKey)?;
    cipher.decrypt(nonce.into(), boxed).map_err(|_| CipherError::WrongKey)
}

/// Decrypts `info 32`, then as AES-GCM, with the key that HKDF expands from a seed and the info.
///
/// # Errors
/// When it cannot be decrypted.
pub fn open_extended_gcm(seed: &[u8], sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, CipherError> {
    let (info, rest) = sealed.split_at_checked(32).ok_or(CipherError::Malformed("it is shorter than its info"))?;
    let mut key = Zeroizing::new([0; 32]);
    let expander = Hkdf::<Sha256>::from_prk(seed).map_err(|_| CipherError::WrongKey)?;
    expander.expand(info, key.as_mut_slice()).map_err(|_| CipherError::WrongKey)?;
    open_aes_gcm(key.as_slice(), rest, associated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_short_values_are_malformed() {
        for len in 0..60 {
            let sealed = vec![7; len];
            assert!(open_aes_cbc(&[1; 32], &sealed).is_err());
            assert!(open_aes_gcm(&[1; 32], &sealed, b"").is_err());
            assert!(open_secretbox(&[1; 32], &sealed).is_err());
            assert!(open_extended_gcm(&[1; 32], &sealed, b"").is_err());
        }
        assert_eq!(
            open_aes_cbc(&[1; 32], &[0; 16]),
            Err(CipherError::Malformed("its length is not a whole number of blocks"))
        );
        assert_eq!(open_extended_gcm(&[1; 5], &[0; 64], b""), Err(CipherError::WrongKey));
    }

    #[test]
    fn objects_are_distinguished_from_random_bytes() {
        let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x0a\x00\x1a\x00\x22\x00";
        for plain in [&pod[..], b"{\"kind\":\"Widget\"}\n", b"\xd9\xd9\xf7\xa0", b"{}"] {
            assert_eq!(looks(plain), Looks::Object, "{plain:?}");
        }
        for damaged in [&pod[..pod.len() - 1], b"k8s\0\x0a", b"k8s\0", b"{\"kind\"", b"{\"kind\":\"\xff\"}"] {
            assert_eq!(looks(damaged), Looks::Damaged, "{damaged:?}");
        }
        for chance in [&b""[..], b"{", b"{\xff}", b"k8s", b"\xd9\xd9", b"}{"] {
            assert_eq!(looks(chance), Looks::Chance, "{chance:?}");
        }
    }
}
