//! Reads any bytes as an encrypted value, and as an EncryptionConfiguration.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| etcdsnap_tests::mutants::decrypting::decrypt_any(bytes));
