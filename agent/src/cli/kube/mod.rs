//! Commands that speak of Kubernetes' objects.

pub mod encryption;
pub mod find;
pub mod get;
pub mod kinds;
mod manifest_report;
mod manifest_writer;
pub mod manifests;
mod object_states;
mod object_writer;
mod selection;
mod value_reader;
