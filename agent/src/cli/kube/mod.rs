//! Commands that speak of Kubernetes' objects.

mod changed_fields;
pub mod check;
pub mod diff;
pub mod encryption;
pub mod events;
pub mod find;
mod folded;
pub mod get;
pub mod helm;
pub mod history;
pub mod kinds;
mod manifest_writer;
pub mod manifests;
mod nearest;
mod not_found;
mod object_comparison;
mod object_filter;
mod object_name;
mod object_states;
mod object_tables;
mod object_template;
mod object_writer;
pub mod selection;
mod table_text;
mod two_clusters;
mod uncertain_states;
mod value_reader;
