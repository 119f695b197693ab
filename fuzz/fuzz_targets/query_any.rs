//! Runs every query on any bytes, and checks that the answers agree.
#![no_main]
etcdsnap_fuzz::snapshots!(etcdsnap_tests::all_queries::query_any);
