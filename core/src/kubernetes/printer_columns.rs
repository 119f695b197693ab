//! Columns that a CustomResourceDefinition defines: `spec.versions[].additionalPrinterColumns`. Source: `apiextensions-apiserver/pkg/registry/customresource/tableconvertor`.

use super::age;
use super::json_path::{JsonPath, go_float, json_text, number};
use super::node_path::{int, text};
use super::object_tree::Node;
use super::special_types::parse_rfc3339;

/// A column of a definition.
#[derive(Debug, Clone, PartialEq)]
pub struct PrinterColumn {
    /// Its name, from which kubectl makes the title.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    /// Columns with a priority above 0 are shown only by `-o wide`.
    pub priority: i64,
    /// The path to its value; `None` if the path is not understood.
    path: Option<JsonPath>,
}

/// Returns the version of a definition in which objects are stored.
fn stored<'d>(definition: &'d Node<'d>) -> Option<&'d Node<'d>> {
    let versions = definition.at(&["spec", "versions"]).map(Node::items).unwrap_or_default();
    versions.iter().find(|version| matches!(version.get("storage"), Some(Node::Bool(true))))
}

/// Returns the fields by which objects of the stored version can be selected, such as `spec.color`.
#[must_use]
pub fn selectable_fields(definition: &Node<'_>) -> Vec<String> {
    let fields = stored(definition).and_then(|version| version.get("selectableFields")).map(Node::items);
    let path = |field: &Node<'_>| text(field, "jsonPath").trim_start_matches('.').to_owned();
    fields.unwrap_or_default().iter().map(path).filter(|path| !path.is_empty()).collect()
}

/// Returns the columns of a definition's stored version; only the age if it defines none.
#[must_use]
pub fn of_definition(definition: &Node<'_>) -> Vec<PrinterColumn> {
    let columns = stored(definition).and_then(|version| version.get("additionalPrinterColumns")).map(Node::items);
    let named: Vec<PrinterColumn> = columns
        .unwrap_or_default()
        .iter()
        .map(|column| PrinterColumn {
            name: text(column, "name").to_owned(),
            kind: text(column, "type").to_owned(),
            priority: int(column, "priority"),
            path: JsonPath::parse(text(column, "jsonPath")).ok(),
        })
        .collect();
    if named.is_empty() { vec![age_column()] } else { named }
}

/// Returns the column of a definition that defines none.
fn age_column() -> PrinterColumn {
    let path = JsonPath::parse(".metadata.creationTimestamp").ok();
    PrinterColumn { name: "Age".to_owned(), kind: "date".to_owned(), priority: 0, path }
}

impl PrinterColumn {
    /// Formats the cell of an object; empty if the value is missing or has another type. Ages are counted to `now`.
    #[must_use]
    pub fn cell(&self, object: &Node<'_>, now: Option<i64>) -> String {
        let found = self.path.as_ref().map(|path| path.find(object)).unwrap_or_default();
        let Some(value) = found.first() else { return String::new() };
        match (self.kind.as_str(), value) {
            ("string", Node::Text(text)) => text.clone().into_owned(),
            ("string", Node::Null) => String::new(),
            ("string", Node::Float(value)) => go_float(*value),
            ("string", other) => json_text(other),
            ("integer", Node::Int(value)) => value.to_string(),
            ("integer", Node::Float(value)) => format!("{value:.0}"),
            ("number", value) => number(value).map(go_float).unwrap_or_default(),
            ("boolean", Node::Bool(value)) => value.to_string(),
            ("date", Node::Text(time)) => match parse_rfc3339(time) {
                Some(time) => now.map_or_else(|| "<unknown>".to_owned(), |now| age::human(now.saturating_sub(time))),
                None => "<invalid>".to_owned(),
            },
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::object_tree::Builder;
    use super::super::raw_json;
    use super::*;

    #[test]
    fn a_definition_names_the_fields_that_can_be_selected() {
        let json = br#"{"spec":{"versions":[{"name":"v1alpha1","selectableFields":[{"jsonPath":".spec.old"}]},{"name":"v1","storage":true,"selectableFields":[{"jsonPath":".spec.color"},{"jsonPath":""},{}]}]}}"#;
        let mut builder = Builder::default();
        raw_json::read(json, &mut builder).unwrap();
        assert_eq!(selectable_fields(&builder.finish()), ["spec.color"]);
        let mut builder = Builder::default();
        raw_json::read(br#"{"spec":{"versions":"none"}}"#, &mut builder).unwrap();
        assert!(selectable_fields(&builder.finish()).is_empty());
    }
}
