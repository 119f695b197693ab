//! Commands that speak of Kubernetes' objects.

mod changed_fields;
mod folded;
pub mod kube_check;
pub mod kube_diff;
pub mod kube_encryption;
pub mod kube_events;
pub mod kube_find;
pub mod kube_get;
pub mod kube_helm;
pub mod kube_history;
pub mod kube_kinds;
pub mod kube_manifests;
mod manifest_writer;
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
