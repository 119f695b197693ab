//! The same for bytes whose meta pages and SHA-256 are made right first, so that the fuzzer gets past them.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etcdsnap_tests::judge::verify_sealed(bytes));
