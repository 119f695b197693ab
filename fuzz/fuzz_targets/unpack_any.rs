//! Unpacks any bytes, in large and in small pieces, with the same result.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etcdsnap_tests::unpacking::unpack_any(bytes));
