//! Commands that speak of Kubernetes' objects.

pub mod encryption;
pub mod find;
pub mod get;
pub mod kinds;
mod manifest_report;
mod manifest_writer;
pub mod manifests;
mod object_filter;
mod object_states;
mod object_tables;
mod object_writer;
mod selection;
mod table_text;
mod value_reader;
