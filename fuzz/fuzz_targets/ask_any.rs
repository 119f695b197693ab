//! Any bytes are looked into, and answers that must agree do.
#![no_main]
etcdsnap_fuzz::snapshots!(etcdsnap_tests::all_queries::ask_any);
