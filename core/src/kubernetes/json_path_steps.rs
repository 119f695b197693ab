//! The parsed steps of a JSONPath, and the parsed parts of a template with such paths.

use super::object_tree::Node;

/// A step from the values that were found so far to the next ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PathStep {
    /// The member of an object.
    Member(String),
    /// A member whose name is in quotes. kubectl parses such a name as a path; so if there is no member with this name, the path is followed.
    Quoted(String, Vec<PathStep>),
    /// An element of a list; a negative index counts from the end.
    Element(i64),
    /// A slice of a list: start, end and step, as in `[1:5:2]`.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    /// All elements of a list: `[*]`.
    All,
    /// All members of an object, or all elements of a list: `.*`.
    Members,
    /// A value itself and all values below it: `..`.
    Descend,
    /// The results of several paths, one after the other: `[0,2]`, `['a','b']`.
    Union(Vec<Vec<PathStep>>),
    /// The elements of a list for which a condition holds: `[?(@.type=="Ready")]`.
    Where(FilterCondition),
    /// A number, a text, `true` or `false`, which replaces the current value.
    Literal(Node<'static>),
}

/// A condition for the elements of a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FilterCondition {
    /// The path to the value that is compared; it must exist.
    pub left: Vec<PathStep>,
    /// The operator, and the path or literal on the right side; `None` if the value only has to exist.
    pub compared: Option<(Compare, Vec<PathStep>)>,
}

/// An operator that compares two values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// Text outside of braces.
    Text(Node<'static>),
    /// The results of a path.
    Path(Vec<PathStep>),
    /// A part that is repeated for each result of a path.
    Range(Vec<PathStep>, Vec<Part>),
}
