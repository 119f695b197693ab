//! The columns and selectable fields that a snapshot's CustomResourceDefinitions define.

use std::collections::HashMap;

use super::columns::Columns;
use super::field_query::selectable;
use super::object_tree::Node;
use super::printer_columns::{self, PrinterColumn};
use super::resources::Resource;

/// Values by plural name and group.
type ByType<T> = HashMap<(String, String), T>;

/// Columns and selectable fields of custom types.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    printed: ByType<Vec<PrinterColumn>>,
    selectable: ByType<Vec<String>>,
}

impl Definitions {
    /// Adds a CustomResourceDefinition.
    pub fn add(&mut self, definition: &Node<'_>) {
        let text = |path: &[&str]| definition.at(path).and_then(Node::text).unwrap_or_default().to_owned();
        let name = (text(&["spec", "names", "plural"]), text(&["spec", "group"]));
        self.selectable.insert(name.clone(), printer_columns::selectable_fields(definition));
        self.printed.insert(name, printer_columns::of_definition(definition));
    }

    /// Returns the columns of a built-in or custom type.
    #[must_use]
    pub fn columns(&self, resource: &Resource) -> Columns {
        let printed = self.printed.get(&(resource.plural.clone(), resource.group.clone()));
        Columns::of(resource, printed.map(Vec::as_slice))
    }

    /// Returns the fields by which objects of a type can be selected.
    #[must_use]
    pub fn selectable_fields(&self, resource: &Resource) -> Vec<&str> {
        let defined = self.selectable.get(&(resource.plural.clone(), resource.group.clone()));
        selectable(resource, defined.map(Vec::as_slice).unwrap_or_default())
    }
}
