//! What the columns of tables are made of: an object, and ways to say something of it.

use std::cell::OnceCell;

use super::age;
use super::node_path::{at, int, text};
use super::object_tree::Node;
use super::pod_facts::PodFacts;
use super::pod_state::PodState;
use super::special_types::parse_rfc3339;

/// The object of a row of which only facts are known.
static NOTHING: Node<'static> = Node::Null;

/// What a cell is made of.
#[derive(Debug, Clone)]
pub struct Row<'r> {
    /// The object.
    pub object: &'r Node<'r>,
    /// The time to which ages count, in seconds since 1970; none when nobody knows it.
    pub now: Option<i64>,
    /// Whether it is the class that claims without one get.
    pub is_default: bool,
    /// The Pod, once a column asked for it.
    pod: OnceCell<PodRow<'r>>,
}

/// What the columns of Pods are made of.
#[derive(Debug, Clone)]
pub(super) struct PodRow<'r> {
    /// Its facts.
    pub facts: PodFacts<'r>,
    /// What its statuses come to.
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
    /// Whether it is only there with `-o wide`.
    pub wide: bool,
    /// Makes a cell.
    pub cell: fn(&Row<'_>) -> String,
}

/// A column that is always there.
pub(super) const fn column(title: &'static str, cell: fn(&Row<'_>) -> String) -> Column {
    Column { title, wide: false, cell }
}

/// A column of `-o wide`.
pub(super) const fn wide(title: &'static str, cell: fn(&Row<'_>) -> String) -> Column {
    Column { title, wide: true, cell }
}

pub(super) const NAME: Column = column("NAME", |row| row.text("metadata.name"));
pub(super) const AGE: Column = column("AGE", |row| row.since("metadata.creationTimestamp"));
pub(super) const CREATED_AT: Column = column("CREATED AT", |row| row.text("metadata.creationTimestamp"));

impl<'r> Row<'r> {
    /// The row of an object.
    #[must_use]
    pub fn new(object: &'r Node<'r>, now: Option<i64>, is_default: bool) -> Self {
        Self { object, now, is_default, pod: OnceCell::new() }
    }

    /// The row of a Pod of which only the facts were read.
    #[must_use]
    pub fn of_pod(facts: PodFacts<'r>, now: Option<i64>) -> Self {
        Self { object: &NOTHING, now, is_default: false, pod: OnceCell::from(PodRow::of(facts)) }
    }

    /// The Pod.
    pub(super) fn pod(&self) -> &PodRow<'r> {
        self.pod.get_or_init(|| PodRow::of(PodFacts::of_tree(self.object)))
    }

    /// The value at a path of names with points between.
    pub(super) fn at(&self, path: &str) -> Option<&'r Node<'r>> {
        at(self.object, path)
    }

    /// The text there; empty when there is none.
    pub(super) fn text(&self, path: &str) -> String {
        text(self.object, path).to_owned()
    }

    /// The text there, or something else when there is none or it is empty.
    pub(super) fn text_or(&self, path: &str, other: &str) -> String {
        match text(self.object, path) {
            "" => other.to_owned(),
            text => text.to_owned(),
        }
    }

    /// The integer there; 0 when there is none.
    pub(super) fn int(&self, path: &str) -> i64 {
        int(self.object, path)
    }

    /// The number there as a cell.
    pub(super) fn number(&self, path: &str) -> String {
        self.int(path).to_string()
    }

    /// The elements of the list there.
    pub(super) fn items(&self, path: &str) -> &'r [Node<'r>] {
        self.at(path).map(Node::items).unwrap_or_default()
    }

    /// Whether the boolean there is true.
    pub(super) fn is(&self, path: &str) -> bool {
        matches!(self.at(path), Some(Node::Bool(true)))
    }

    /// The boolean there as a cell.
    pub(super) fn yes(&self, path: &str) -> String {
        self.is(path).to_string()
    }

    /// How long the time there is ago.
    pub(super) fn since(&self, path: &str) -> String {
        self.since_time(text(self.object, path))
    }

    /// How long a time is ago.
    pub(super) fn since_time(&self, time: &str) -> String {
        self.since_seconds(parse_rfc3339(time))
    }

    /// How long a time in seconds since 1970 is ago.
    pub(super) fn since_seconds(&self, time: Option<i64>) -> String {
        let ago = time.zip(self.now).map(|(time, now)| now.saturating_sub(time));
        ago.map_or_else(|| "<unknown>".to_owned(), age::human)
    }

    /// How many members or elements are there.
    pub(super) fn count(&self, path: &str) -> usize {
        match self.at(path) {
            Some(Node::Object(members)) => members.len(),
            Some(Node::Array(items)) => items.len(),
            _ => 0,
        }
    }

    /// The texts of the list there, with commas between.
    pub(super) fn joined(&self, path: &str) -> String {
        self.items(path).iter().filter_map(Node::text).collect::<Vec<_>>().join(",")
    }

    /// Whether it is about to be deleted.
    pub(super) fn is_deleting(&self) -> bool {
        !text(self.object, "metadata.deletionTimestamp").is_empty()
    }
}

/// A number or a text as a cell; none for anything else.
pub(super) fn scalar(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Int(value) => Some(value.to_string()),
        Node::Text(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}

/// A few of many: the first three, and how many more there are.
pub(super) fn few(all: &[String], most: usize) -> String {
    let first = all.get(..most.min(all.len())).unwrap_or_default().join(",");
    let more = all.len().saturating_sub(most);
    if more > 0 { format!("{first} + {more} more...") } else { first }
}
