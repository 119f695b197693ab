//! Keys and values chosen to have the same hash: anyone who may write to etcd can store them, and etcd does not care.
//!
//! These two have the same XXH3-128, which etcdsnap once used to distinguish keys and values: two puts of them made every sound snapshot of a cluster "damaged", one of the keys was missing from every list, and
//! a difference between such values went unnoticed.

use etcdsnap_tests::build::puts::{Put, snapshot};
use etcdsnap_tests::cli;

/// Returns bytes in which the product of each XXH3 block with the secret is zero, so that the other half of the block has no effect on the hash.
fn colliding(number: u8) -> &'static [u8] {
    let words: [u64; 8] = [
        0xbe4b_a423_396c_feb8,
        u64::from(number),
        0x78e5_c0cc_4ee6_79cb,
        0x4565_e356_ea86_84ed + u64::from(number),
        0x8e24_43f7_7446_08b8,
        0x4d73_4c8c_7527_cc26,
        0xdb97_9083_e96d_d4de,
        0,
    ];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.leak()
}

fn file(puts: &[Put]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), snapshot(puts)).unwrap();
    file
}

#[test]
fn two_keys_with_the_same_hash_stay_distinct() {
    let file = file(&[(colliding(1), Some(b"one"), 0), (colliding(2), Some(b"two"), 0)]);
    let verified = cli::run(&["verify".as_ref(), file.path()]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    for command in ["keys", "export"] {
        let printed = cli::run(&[command.as_ref(), file.path()]);
        assert_eq!(printed.stdout.iter().filter(|byte| **byte == b'\n').count(), 2, "{command}");
    }
}

#[test]
fn two_values_with_the_same_hash_differ() {
    let [one, two] = [1, 2].map(|number| file(&[(b"/key", Some(colliding(number)), 0)]));
    let printed = cli::run(&["diff".as_ref(), one.path(), two.path()]);
    assert_eq!(printed.status.code(), Some(1), "{}", String::from_utf8_lossy(&printed.stdout));
    assert!(String::from_utf8_lossy(&printed.stdout).contains("/key"));
}
