//! Kubernetes' objects: what the values under `/registry` say.
//!
//! A value is taken through these steps: [`envelope`] tells how it is stored, [`decode`] walks it with the table of [`schema`] into a [`Sink`](sink::Sink), and
//! the sinks are JSON as the API prints it ([`json`]) and a [`tree`], which prints as kubectl prints JSON ([`pretty`]) and YAML ([`yaml`]). [`object`] is the way through all of them.

pub mod age;
pub mod apply_order;
mod autoscaler_text;
pub mod columns;
mod columns_cluster;
mod columns_network;
mod columns_policy;
mod columns_storage;
mod columns_workloads;
pub mod conceal;
pub mod decode;
pub mod definition;
pub mod encryption;
pub mod envelope;
pub mod event_facts;
pub mod field_changes;
pub mod field_manager;
mod filled_in;
pub mod go_numbers;
pub mod helm_release;
pub mod json;
pub mod json_path;
pub mod label_query;
pub mod label_text;
pub mod manifest;
pub mod manifest_fields;
mod manifest_kinds;
pub mod manifest_selection;
pub mod names;
pub mod natural_order;
pub mod object;
pub mod object_trouble;
pub mod pod_state;
pub mod pretty;
pub mod printer_columns;
pub mod raw_json;
pub mod resources;
pub mod schema;
pub mod sink;
pub mod special;
pub mod stored;
mod struct_order;
pub mod table_row;
pub mod time_line;
pub mod time_marks;
pub mod time_text;
pub mod tree;
pub mod unknown;
pub mod usage_below;
pub mod value_changes;
pub mod yaml;
mod yaml_plain;
