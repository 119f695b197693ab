//! Any bytes are looked into, and answers that must agree do.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etcdsnap_tests::questions::ask_any(bytes));
