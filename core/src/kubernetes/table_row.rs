//! The row of a table: an object, with functions that format its fields as cells.

use std::cell::OnceCell;

use super::age;
use super::node_path::{at, int, text};
use super::object_tree::Node;
use super::pod_facts::PodFacts;
use super::pod_state::PodState;
use super::special_types::parse_rfc3339;

/// The object of a row of which only [`PodFacts`] are known.
static NOTHING: Node<'static> = Node::Null;

/// The input of a cell.
#[derive(Debug, Clone)]
pub struct Row<'r> {
    /// The object.
    pub object: &'r Node<'r>,
    /// The time up to which ages are counted, in seconds since 1970; `None` if unknown.
    pub now: Option<i64>,
    /// Whether it is the default StorageClass.
    pub is_default: bool,
    /// The Pod, cached when a column needs it.
    pod: OnceCell<PodRow<'r>>,
}

/// The input of the columns of Pods.
#[derive(Debug, Clone)]
pub(super) struct PodRow<'r> {
    /// Its facts.
    pub facts: PodFacts<'r>,
    /// The state that its statuses add up to.
    pub state: PodState,
}

impl<'r> PodRow<'r> {
    fn of(facts: PodFacts<'r>) -> Self {
        Self { state: PodState::of(&facts), facts }
    }
}

/// A column of a built-in type.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its title, as kubectl prints it.
    pub title: &'static str,
    /// Whether only `-o wide` shows it.
    pub wide: bool,
    /// Formats a cell.
    pub cell: fn(&Row<'_>) -> String,
}

/// Creates a column that is always shown.
pub(super) const fn column(title: &'static str, cell: fn(&Row<'_>) -> String) -> Column {
    Column { title, wide: false, cell }
}

/// Creates a column of `-o wide`.
pub(super) const fn wide(title: &'static str, cell: fn(&Row<'_>) -> String) -> Column {
    Column { title, wide: true, cell }
}

pub(super) const NAME: Column = column("NAME", |row| row.text("metadata.name"));
pub(super) const AGE: Column = column("AGE", |row| row.since("metadata.creationTimestamp"));
pub(super) const CREATED_AT: Column = column("CREATED AT", |row| row.text("metadata.creationTimestamp"));

impl<'r> Row<'r> {
    /// Creates the row of an object.
    #[must_use]
    pub fn new(object: &'r Node<'r>, now: Option<i64>, is_default: bool) -> Self {
        Self { object, now, is_default, pod: OnceCell::new() }
    }

    /// Creates the row of a Pod of which only the facts were read.
    #[must_use]
    pub fn of_pod(facts: PodFacts<'r>, now: Option<i64>) -> Self {
        Self { object: &NOTHING, now, is_default: false, pod: OnceCell::from(PodRow::of(facts)) }
    }

    /// Returns the Pod.
    pub(super) fn pod(&self) -> &PodRow<'r> {
        self.pod.get_or_init(|| PodRow::of(PodFacts::of_tree(self.object)))
    }

    /// Returns the value at a path of names, separated by dots.
    pub(super) fn at(&self, path: &str) -> Option<&'r Node<'r>> {
        at(self.object, path)
    }

    /// Returns the text at a path; empty if there is none.
    pub(super) fn text(&self, path: &str) -> String {
        text(self.object, path).to_owned()
    }

    /// Returns the text at a path, or `other` if there is none or it is empty.
    pub(super) fn text_or(&self, path: &str, other: &str) -> String {
        non_empty_or(text(self.object, path), other)
    }

    /// Returns the number or text at a path, or `other` if there is neither.
    pub(super) fn scalar_or(&self, path: &str, other: &str) -> String {
        self.at(path).and_then(scalar).unwrap_or_else(|| other.to_owned())
    }

    /// Returns the integer at a path; 0 if there is none.
    pub(super) fn int(&self, path: &str) -> i64 {
        int(self.object, path)
    }

    /// Formats the integer at a path.
    pub(super) fn number(&self, path: &str) -> String {
        self.int(path).to_string()
    }

    /// Returns the elements of the list at a path.
    pub(super) fn items(&self, path: &str) -> &'r [Node<'r>] {
        self.at(path).map(Node::items).unwrap_or_default()
    }

    /// Whether the boolean at a path is true.
    pub(super) fn is(&self, path: &str) -> bool {
        matches!(self.at(path), Some(Node::Bool(true)))
    }

    /// Formats the boolean at a path.
    pub(super) fn yes(&self, path: &str) -> String {
        self.is(path).to_string()
    }

    /// Formats the age of the time at a path.
    pub(super) fn since(&self, path: &str) -> String {
        self.since_time(text(self.object, path))
    }

    /// Formats the age of a time.
    pub(super) fn since_time(&self, time: &str) -> String {
        self.since_seconds(parse_rfc3339(time))
    }

    /// Formats the age of a time in seconds since 1970.
    pub(super) fn since_seconds(&self, time: Option<i64>) -> String {
        let ago = time.zip(self.now).map(|(time, now)| now.saturating_sub(time));
        ago.map_or_else(|| "<unknown>".to_owned(), age::human)
    }

    /// Counts the members or elements at a path.
    pub(super) fn count(&self, path: &str) -> usize {
        match self.at(path) {
            Some(Node::Object(members)) => members.len(),
            Some(Node::Array(items)) => items.len(),
            _ => 0,
        }
    }

    /// Joins the texts of the list at a path with commas.
    pub(super) fn joined(&self, path: &str) -> String {
        self.items(path).iter().filter_map(Node::text).collect::<Vec<_>>().join(",")
    }

    /// Whether the object is being deleted.
    pub(super) fn is_deleting(&self) -> bool {
        !text(self.object, "metadata.deletionTimestamp").is_empty()
    }
}

/// Returns a text, or `other` if it is empty.
pub(super) fn non_empty_or(text: &str, other: &str) -> String {
    if text.is_empty() { other.to_owned() } else { text.to_owned() }
}

/// Formats a number or a text; `None` for anything else.
pub(super) fn scalar(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Int(value) => Some(value.to_string()),
        Node::Text(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}

/// Joins the first `most` texts, and adds the number of further ones.
pub(super) fn few(all: &[String], most: usize) -> String {
    let first = all.get(..most.min(all.len())).unwrap_or_default().join(",");
    let more = all.len().saturating_sub(most);
    if more > 0 { format!("{first} + {more} more...") } else { first }
}
