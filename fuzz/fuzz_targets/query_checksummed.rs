//! Does the same for bytes whose meta page checksums are repaired first.
#![no_main]
etcdsnap_fuzz::snapshots!(etcdsnap_tests::all_queries::query_checksummed);
