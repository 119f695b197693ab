//! The columns and cells of `kubectl get`, as an API server of 1.37 prints them for each type.
//!
//! Cells are those of `k8s.io/kubernetes/pkg/printers/internalversion` and, of custom resources, of `apiextensions-apiserver`'s `tableconvertor`; a test compares them with recorded
//! output of both. An API server always sends the columns of `-o wide`; kubectl leaves them out if they are not asked for.

use super::columns_cluster as cluster;
use super::columns_network as network;
use super::columns_policy as policy;
use super::columns_storage as storage;
use super::columns_workloads as workloads;
use super::decode::Skip;
use super::pod_message;
use super::printer_columns::PrinterColumn;
use super::resources::Resource;
use super::table_row::{AGE, CREATED_AT, Column, NAME, Row};

/// The columns of types for which the server has none of their own.
const NAME_AND_TIME: &[Column] = &[NAME, CREATED_AT];
/// The columns that the server prints for DeviceClasses and others, and this program for types that the server does not know.
const NAME_AND_AGE: &[Column] = &[NAME, AGE];

/// The columns of a type.
#[derive(Debug, Clone)]
pub enum Columns {
    /// The columns of a type that the server knows.
    BuiltIn(&'static [Column]),
    /// The columns of a CustomResourceDefinition.
    Custom(Vec<PrinterColumn>),
}

impl Columns {
    /// Returns the columns of a type; `printed` are those of its definition, if it has one.
    #[must_use]
    pub fn of(resource: &Resource, printed: Option<&[PrinterColumn]>) -> Self {
        if resource.custom {
            return match printed {
                Some(columns) => Self::Custom(columns.to_vec()),
                None => Self::BuiltIn(NAME_AND_AGE),
            };
        }
        Self::BuiltIn(built_in(&resource.plural))
    }

    /// Returns the titles; `all` includes those of `-o wide`.
    #[must_use]
    pub fn titles(&self, all: bool) -> Vec<String> {
        match self {
            Self::BuiltIn(columns) => {
                columns.iter().filter(|column| all || !column.wide).map(|column| column.title.to_owned()).collect()
            }
            Self::Custom(columns) => {
                let others = columns.iter().filter(|column| all || column.priority == 0);
                std::iter::once("NAME".to_owned()).chain(others.map(|column| column.name.to_uppercase())).collect()
            }
        }
    }

    /// Returns the cells of an object under [`titles`](Self::titles).
    #[must_use]
    pub fn cells(&self, row: &Row<'_>, all: bool) -> Vec<String> {
        match self {
            Self::BuiltIn(columns) => {
                columns.iter().filter(|column| all || !column.wide).map(|column| (column.cell)(row)).collect()
            }
            Self::Custom(columns) => {
                let others = columns.iter().filter(|column| all || column.priority == 0);
                let cells = others.map(|column| column.cell(row.object, row.now));
                std::iter::once(row.text("metadata.name")).chain(cells).collect()
            }
        }
    }
}

impl Columns {
    /// Returns the fields that rows of a type do not need, unless they show labels.
    #[must_use]
    pub fn skipped(resource: &Resource) -> Skip {
        if resource.plural != "pods" || resource.custom {
            return Skip::ManagedFields;
        }
        Skip::AllBut(pod_message::fields())
    }
}

/// Returns the columns of a built-in type.
fn built_in(plural: &str) -> &'static [Column] {
    match plural {
        "roles" | "clusterroles" | "limitranges" | "csistoragecapacities" => NAME_AND_TIME,
        _ => workloads::columns(plural)
            .or_else(|| network::columns(plural))
            .or_else(|| storage::columns(plural))
            .or_else(|| policy::columns(plural))
            .or_else(|| cluster::columns(plural))
            .unwrap_or(NAME_AND_AGE),
    }
}
