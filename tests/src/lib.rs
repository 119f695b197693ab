//! What the tests of etcdsnap are made of: a builder and a reader of bolt files of their own, named damage, and the harness
//! that runs library, command line and reference programs over the same inputs.

// Tests state what must hold by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::cast_possible_truncation, missing_docs)]

pub mod all_queries;
pub mod at_once;
pub mod build;
#[cfg(feature = "harness")]
pub mod case;
#[cfg(feature = "harness")]
pub mod cli;
#[cfg(feature = "harness")]
pub mod connect_proxy;
pub mod core_verdict;
pub mod crc;
pub mod damage;
#[cfg(feature = "harness")]
pub mod etcd_verdict;
#[cfg(feature = "harness")]
pub mod failure_injection;
#[cfg(feature = "harness")]
pub mod fake_etcd;
pub mod folder_names;
pub mod forged;
#[cfg(feature = "harness")]
pub mod free_port;
#[cfg(feature = "harness")]
pub mod http_server;
pub mod lost_page_writes;
pub mod mutants;
#[cfg(feature = "harness")]
pub mod name_server;
#[cfg(feature = "harness")]
pub mod origin_mark;
#[cfg(feature = "harness")]
pub mod other_user;
pub mod programs;
#[cfg(feature = "harness")]
pub mod proxy;
pub mod read;
#[cfg(feature = "harness")]
pub mod recorded;
#[cfg(feature = "harness")]
pub mod scarce_resources;
#[cfg(feature = "harness")]
pub mod sealed_values;
pub mod seeded_random;
#[cfg(feature = "harness")]
pub mod server;
#[cfg(feature = "harness")]
pub mod shared_server;
pub mod sparse_files;
#[cfg(feature = "harness")]
pub mod terminal;
#[cfg(feature = "harness")]
pub mod tls;
#[cfg(feature = "harness")]
pub mod tls_etcd;
pub mod unpacking;
