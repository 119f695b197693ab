//! Support for the tests of etcdsnap: an independent builder and reader of bolt files, named damage, and a harness
//! that runs library, command line and reference programs over the same inputs.

// Tests assert by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::cast_possible_truncation, missing_docs)]

pub mod all_queries;
pub mod archives;
pub mod build;
#[cfg(feature = "harness")]
pub mod case;
#[cfg(feature = "harness")]
pub mod certificates;
#[cfg(feature = "harness")]
pub mod cli;
#[cfg(feature = "harness")]
pub mod connect_proxy;
pub mod core_verdict;
pub mod crc;
pub mod damage;
#[cfg(feature = "harness")]
pub mod data_directories;
#[cfg(feature = "harness")]
pub mod etcd_verdict;
#[cfg(feature = "harness")]
pub mod failure_injection;
#[cfg(feature = "harness")]
pub mod fake_etcd;
#[cfg(feature = "harness")]
pub mod faulty_proxy;
pub mod folder_names;
pub mod forged;
#[cfg(feature = "harness")]
pub mod free_port;
#[cfg(feature = "harness")]
pub mod http_server;
#[cfg(feature = "harness")]
pub mod leftover_stages;
#[cfg(feature = "harness")]
pub mod limited_resources;
pub mod lost_page_writes;
#[cfg(feature = "harness")]
pub mod member_config;
pub mod mutants;
#[cfg(feature = "harness")]
pub mod name_server;
#[cfg(feature = "harness")]
pub mod origin_mark;
#[cfg(feature = "harness")]
pub mod other_user;
pub mod parallel;
pub mod programs;
pub mod read;
#[cfg(feature = "harness")]
pub mod recorded;
pub mod salvaged;
#[cfg(feature = "harness")]
pub mod secret_texts;
pub mod seeded_random;
#[cfg(feature = "harness")]
pub mod server;
#[cfg(feature = "harness")]
pub mod shared_server;
#[cfg(feature = "harness")]
pub mod shell_blocks;
#[cfg(feature = "harness")]
pub mod small_snapshot;
pub mod sorted_index;
pub mod sparse_files;
#[cfg(feature = "harness")]
pub mod terminal;
#[cfg(feature = "harness")]
pub mod test_vectors;
#[cfg(feature = "harness")]
pub mod tls_etcd;
pub mod unpacking;
