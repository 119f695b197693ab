//! Commands that speak of Kubernetes' objects.

pub mod get;
mod object_writer;
mod selection;
mod value_reader;
