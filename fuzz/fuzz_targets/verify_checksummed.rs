//! Does the same for bytes whose meta page checksums and SHA-256 are repaired first, so that the fuzzer gets past them.
#![no_main]
etcdsnap_fuzz::snapshots!(etcdsnap_tests::core_verdict::verify_checksummed);
