//! Verifies any bytes in all ways, with the same result.
#![no_main]
etcdsnap_fuzz::snapshots!(etcdsnap_tests::core_verdict::verify_any);
