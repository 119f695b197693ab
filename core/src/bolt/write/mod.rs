//! A bolt file written anew from entries in order.

pub mod file_builder;
mod page_builder;
mod tree_builder;
