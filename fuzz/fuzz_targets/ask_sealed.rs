//! The same for bytes whose meta pages are made right first.
#![no_main]
etcdsnap_fuzz::snapshots!(etcdsnap_tests::all_queries::ask_sealed);
