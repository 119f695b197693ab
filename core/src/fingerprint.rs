//! 128 bits that stand for a key or a value, so that millions of them can be told apart without keeping their bytes.
//!
//! A hash that everybody can compute is not enough: whoever writes into the cluster could choose two keys with the same one, and a sound file would then seem damaged, or a difference
//! not be seen; or thousands whose hashes fall into the same slot of a table. So the hash has a secret key, another one in each process, and is one that was made for this: SipHash-1-3
//! (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012), which the tables of Rust's own library use, with 128 bits. Two of ten million keys collide with a probability of about
//! 10^-25.
//!
//! Nothing that is printed depends on a fingerprint.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use siphasher::sip128::{Hasher128, SipHasher13};

static HASHER: OnceLock<SipHasher13> = OnceLock::new();

/// Sets the secret key of all fingerprints: 16 random bytes. Without this call Rust's library chooses one, which is random but in WebAssembly. The first key stays; false when there is
/// one already.
pub fn set_key(key: &[u8; 16]) -> bool {
    HASHER.set(SipHasher13::new_with_key(key)).is_ok()
}

fn hasher() -> &'static SipHasher13 {
    HASHER.get_or_init(|| {
        let random = RandomState::new();
        SipHasher13::new_with_keys(random.hash_one(0_u8), random.hash_one(1_u8))
    })
}

/// The fingerprint of some bytes. It is the same within a process, and only there.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u128 {
    hasher().hash(bytes).as_u128()
}

/// The fingerprint of a number and some bytes.
#[must_use]
pub(crate) fn fingerprint_of_both(number: i64, bytes: &[u8]) -> u128 {
    let mut hasher = *hasher();
    hasher.write(&number.to_le_bytes());
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_alone_have_equal_fingerprints() {
        assert_eq!(fingerprint(b"/registry/pods/a"), fingerprint(b"/registry/pods/a"));
        assert_ne!(fingerprint(b"/registry/pods/a"), fingerprint(b"/registry/pods/b"));
        assert_ne!(fingerprint(b""), fingerprint(&[0]));
        assert_ne!(fingerprint_of_both(1, b"value"), fingerprint_of_both(2, b"value"));
    }

    #[test]
    fn the_first_key_stays() {
        let before = fingerprint(b"a key");
        assert!(!set_key(&[7; 16]));
        assert_eq!(fingerprint(b"a key"), before);
    }
}
