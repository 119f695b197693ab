//! Tables of objects as `kubectl get` prints them, and those of its custom columns.

use etcdsnap::core::kubernetes::columns::Columns;
use etcdsnap::core::kubernetes::decode::Skip;
use etcdsnap::core::kubernetes::json_path::{self, JsonPath};
use etcdsnap::core::kubernetes::label_text;
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::core::kubernetes::pod_facts::PodFacts;
use etcdsnap::core::kubernetes::resources::Resource;
use etcdsnap::core::kubernetes::table_objects::one_line;
use etcdsnap::core::kubernetes::table_row::Row;
use etcdsnap::printable;

use super::object_filter::path;
use super::table_text::lay_out;
use crate::cli::failure::Failure;

/// A table of objects of one type.
pub struct ObjectTable<'t> {
    resource: &'t Resource,
    columns: Columns,
    /// Whether it has the columns of `-o wide`.
    pub all: bool,
    /// Whether the first column is the namespace.
    pub with_namespace: bool,
    /// Whether names are written as TYPE/NAME.
    pub with_type: bool,
    /// The default StorageClass.
    pub default_class: Option<String>,
    /// Labels with a column each.
    pub label_columns: &'t [String],
    /// Whether one column lists all labels.
    pub show_labels: bool,
    rows: Vec<JoinedRow>,
}

/// The cells of a row, separated by line breaks, which no cell contains. One text per row saves memory: tables can have millions of rows.
pub type JoinedRow = String;

impl<'t> ObjectTable<'t> {
    /// Creates a table without rows.
    pub fn new(resource: &'t Resource, columns: Columns) -> Self {
        Self {
            resource,
            columns,
            all: false,
            with_namespace: false,
            with_type: false,
            default_class: None,
            label_columns: &[],
            show_labels: false,
            rows: Vec::new(),
        }
    }

    /// The fields that its rows do not need.
    pub fn skipped(&self) -> Skip {
        let has_labels = self.show_labels || !self.label_columns.is_empty();
        if has_labels { Skip::ManagedFields } else { Columns::skipped(self.resource) }
    }

    /// Whether [`PodFacts`] are enough for its rows.
    pub fn is_of_pods(&self) -> bool {
        matches!(self.skipped(), Skip::AllBut(_))
    }

    /// Formats the row of a Pod; ages are counted up to `now`.
    pub fn pod_row(&self, pod: PodFacts<'_>, now: Option<i64>) -> JoinedRow {
        let namespace = pod.namespace;
        joined(self.cells(&Row::of_pod(pod, now), namespace))
    }

    /// Returns the cells of a row without those of labels.
    fn cells(&self, row: &Row<'_>, namespace: &str) -> Vec<String> {
        let mut cells = self.columns.cells(row, self.all);
        if self.with_type
            && let Some(first) = self.name_column().and_then(|at| cells.get_mut(at))
        {
            *first = self.resource.full_name(first);
        }
        if self.with_namespace {
            cells.insert(0, namespace.to_owned());
        }
        cells
    }

    /// Formats the row of an object; ages are counted up to `now`.
    pub fn row(&self, object: &Node<'_>, now: Option<i64>) -> JoinedRow {
        let text = |path: &[&str]| object.at(path).and_then(Node::text).unwrap_or_default();
        let name = text(&["metadata", "name"]);
        let is_default = self.default_class.as_deref().is_some_and(|class| class == name);
        let mut cells = self.cells(&Row::new(object, now, is_default), text(&["metadata", "namespace"]));
        let labels = object.at(&["metadata", "labels"]);
        let label = |name: &String| labels.and_then(|labels| labels.get(name)).and_then(Node::text).unwrap_or_default();
        cells.extend(self.label_columns.iter().map(|name| label(name).to_owned()));
        cells.extend(self.show_labels.then(|| label_text::labels(labels)));
        joined(cells)
    }

    /// Adds a row.
    pub fn add(&mut self, row: JoinedRow) {
        self.rows.push(row);
    }

    /// Adds the row of an object of which only the key is known.
    pub fn add_unreadable(&mut self, namespace: &str, name: &str) {
        let mut cells = vec!["<unknown>".to_owned(); self.columns.titles(self.all).len()];
        if let Some(cell) = self.name_column().and_then(|at| cells.get_mut(at)) {
            *cell = if self.with_type { self.resource.full_name(name) } else { name.to_owned() };
        }
        if self.with_namespace {
            cells.insert(0, namespace.to_owned());
        }
        let labels = self.label_columns.len().saturating_add(usize::from(self.show_labels));
        cells.extend(std::iter::repeat_n("<unknown>".to_owned(), labels));
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect::<Vec<_>>().join("\n"));
    }

    /// Returns the column of the name. In tables of Events it is the last one, or missing.
    fn name_column(&self) -> Option<usize> {
        self.columns.titles(self.all).iter().position(|title| title == "NAME")
    }

    /// Returns the lines of the table.
    pub fn text(&self, with_titles: bool) -> String {
        let mut titles = if with_titles { self.columns.titles(self.all) } else { Vec::new() };
        if with_titles && self.with_namespace {
            titles.insert(0, "NAMESPACE".to_owned());
        }
        if with_titles {
            let last = |name: &String| name.rsplit('/').next().unwrap_or_default().to_uppercase();
            titles.extend(self.label_columns.iter().map(last));
            titles.extend(self.show_labels.then(|| "LABELS".to_owned()));
        }
        let titles: Vec<String> = titles.iter().map(|title| printable(title)).collect();
        lay_out(&titles, self.rows.iter().map(|row| row.split('\n')))
    }
}

/// Joins the cells of a row.
fn joined(cells: Vec<String>) -> JoinedRow {
    let mut row = String::with_capacity(cells.iter().map(|cell| cell.len().saturating_add(1)).sum());
    for (number, cell) in cells.into_iter().enumerate() {
        if number > 0 {
            row.push('\n');
        }
        row.push_str(&shown(cell));
    }
    row
}

/// Puts a cell on one line, and escapes characters that would control a terminal.
fn shown(cell: String) -> String {
    let is_plain = cell.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain { cell } else { printable(&one_line(&cell)) }
}

/// The columns of `-o custom-columns=TITLE:PATH,TITLE:PATH`.
pub struct CustomColumns {
    titles: Vec<String>,
    paths: Vec<JsonPath>,
    rows: Vec<Vec<String>>,
}

impl CustomColumns {
    /// Parses them.
    ///
    /// # Errors
    /// When a column has no path, or its path cannot be parsed.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (mut titles, mut paths) = (Vec::new(), Vec::new());
        for part in text.split(',') {
            let Some((title, text)) =
                part.split_once(':').filter(|(title, path)| !title.is_empty() && !path.is_empty())
            else {
                let what = format!("custom-columns: {} is not TITLE:PATH", printable(part));
                return Err(Failure::new(what, "Write such as NAME:.metadata.name,IMAGE:.spec.containers[*].image."));
            };
            titles.push(printable(title));
            paths.push(path("custom-columns", text)?);
        }
        Ok(Self { titles, paths, rows: Vec::new() })
    }

    /// Adds the row of an object.
    pub fn add(&mut self, object: &Node<'_>) {
        let cell = |path: &JsonPath| {
            let found = path.find(object);
            if found.is_empty() {
                return "<none>".to_owned();
            }
            let texts: Vec<String> = found.into_iter().map(json_path::go_text).collect();
            printable(&texts.join(","))
        };
        self.rows.push(self.paths.iter().map(cell).collect());
    }

    /// Returns the lines of the table.
    pub fn text(&self, with_titles: bool) -> String {
        let titles = if with_titles { &self.titles[..] } else { &[] };
        lay_out(titles, self.rows.iter().map(|row| row.iter().map(String::as_str)))
    }
}
