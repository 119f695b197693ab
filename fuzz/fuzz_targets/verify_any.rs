//! Any bytes are answered, by walk and by sweep alike.
#![no_main]
etcdsnap_fuzz::snapshots!(etcdsnap_tests::core_verdict::verify_any);
