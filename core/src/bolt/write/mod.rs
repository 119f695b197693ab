//! Writes a new bbolt file from sorted entries.

pub mod file_builder;
mod page_builder;
mod tree_builder;
