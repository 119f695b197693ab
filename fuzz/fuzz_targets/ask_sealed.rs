//! The same for bytes whose meta pages are made right first.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etcdsnap_tests::questions::ask_sealed(bytes));
