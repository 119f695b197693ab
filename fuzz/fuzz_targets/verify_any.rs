//! Any bytes are answered, by walk and by sweep alike.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etcdsnap_tests::judge::verify_any(bytes));
