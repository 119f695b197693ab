//! Fingerprints: 128-bit hashes of keys and values, so that millions of them can be compared without keeping their
//! bytes.
//!
//! The hash has a secret key. Without one, a client of the cluster could choose two keys with the same hash, so that a
//! sound file seems damaged or a difference is missed, or thousands of keys that fall into the same slot of a hash
//! table. The hash is SipHash-1-3 with 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
//! 2012), which Rust's own hash tables use, with another key in each process. Two of ten million keys collide with a
//! probability of about 10^-25.
//!
//! No output depends on the value of a fingerprint.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use siphasher::sip128::SipHasher13;

static HASHER: OnceLock<SipHasher13> = OnceLock::new();

/// Sets the secret key of all fingerprints: 16 random bytes. Without this call Rust's standard library chooses the key,
/// at random except in WebAssembly. Returns false, and keeps the old key, if a key was set or chosen before.
pub fn set_key(key: &[u8; 16]) -> bool {
    HASHER.set(SipHasher13::new_with_key(key)).is_ok()
}

fn hasher() -> &'static SipHasher13 {
    HASHER.get_or_init(|| {
        let random = RandomState::new();
        SipHasher13::new_with_keys(random.hash_one(0_u8), random.hash_one(1_u8))
    })
}

/// Computes the fingerprint of `bytes`. It is only valid within this process.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u128 {
    hasher().hash(bytes).as_u128()
}

/// Computes the fingerprint of a number and some bytes together.
#[must_use]
pub(crate) fn fingerprint_with_number(number: i64, bytes: &[u8]) -> u128 {
    // Hashed in one piece, the bytes take half of the time. Most numbers are 0: keys without a lease.
    let of_bytes = fingerprint(bytes);
    if number == 0 { of_bytes } else { of_bytes ^ fingerprint_of_number(number) }
}

/// Computes the fingerprint of a number, under another key than that of bytes: so it differs from that of every value.
#[inline(never)]
fn fingerprint_of_number(number: i64) -> u128 {
    let key = fingerprint(b"the key of numbers").to_le_bytes();
    SipHasher13::new_with_key(&key).hash(&number.to_le_bytes()).as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_bytes_have_equal_fingerprints() {
        assert_eq!(fingerprint(b"/registry/pods/a"), fingerprint(b"/registry/pods/a"));
        assert_ne!(fingerprint(b"/registry/pods/a"), fingerprint(b"/registry/pods/b"));
        assert_ne!(fingerprint(b""), fingerprint(&[0]));
        assert_ne!(fingerprint_with_number(1, b"value"), fingerprint_with_number(2, b"value"));
        assert_ne!(fingerprint_with_number(0, b"value"), fingerprint_with_number(2, b"value"));
        assert_ne!(fingerprint_with_number(0, b"value"), fingerprint_with_number(0, b"other"));
        assert_ne!(fingerprint_with_number(7, b""), fingerprint(&7_i64.to_le_bytes()));
    }

    #[test]
    fn a_second_key_is_rejected() {
        let before = fingerprint(b"a key");
        assert!(!set_key(&[7; 16]));
        assert_eq!(fingerprint(b"a key"), before);
    }
}
