//! What the tests of etcdsnap are made of: a builder and a reader of bolt files of their own, named damage, and the harness
//! that runs library, command line and reference programs over the same inputs.

// Tests state what must hold by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::cast_possible_truncation, missing_docs)]

pub mod build;
pub mod case;
pub mod cli;
pub mod connect_proxy;
pub mod crc;
pub mod damage;
pub mod dice;
pub mod failure_injection;
pub mod fake_etcd;
pub mod folder_names;
pub mod forged;
pub mod http_server;
pub mod judge;
pub mod name_server;
pub mod origin_mark;
pub mod other_user;
pub mod programs;
pub mod proxy;
pub mod questions;
pub mod read;
pub mod scarce;
pub mod secured;
pub mod server;
pub mod shared_server;
pub mod sparse;
pub mod stale;
pub mod starts;
pub mod terminal;
pub mod tls;
