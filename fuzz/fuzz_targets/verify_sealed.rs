//! The same for bytes whose meta pages and SHA-256 are made right first, so that the fuzzer gets past them.
#![no_main]
etcdsnap_fuzz::snapshots!(etcdsnap_tests::core_verdict::verify_sealed);
