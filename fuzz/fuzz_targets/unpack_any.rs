//! Any bytes are unpacked, in large and small pieces alike.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etcdsnap_tests::unpacking::unpack_any(bytes));
