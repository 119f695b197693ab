//! The steps of a JSONPath, and the parts of a template with such paths, as they were read.

use super::object_tree::Node;

/// A step from the values that were found so far to the next ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// The member of an object.
    Member(String),
    /// The member that is named in quotes. kubectl takes such a name for a path, so where no member is called so, that is walked.
    Quoted(String, Vec<Step>),
    /// An element of a list; negative ones count from the end.
    Element(i64),
    /// The elements from one up to another, every so many: `[1:5:2]`.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    /// All elements of a list: `[*]`.
    All,
    /// All members of an object or elements of a list: `.*`.
    Members,
    /// The value itself and all that is below it: `..`.
    Descend,
    /// What several paths find, one after the other: `[0,2]`, `['a','b']`.
    Union(Vec<Vec<Step>>),
    /// The elements of a list for which a condition holds: `[?(@.type=="Ready")]`.
    Where(Condition),
    /// A number, a text, `true` or `false` in place of what was found.
    Literal(Node<'static>),
}

/// What an element must meet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    /// The path to what is compared; it must find something.
    pub left: Vec<Step>,
    /// How it compares with another path or a literal; none when it only has to be there.
    pub compared: Option<(Compare, Vec<Step>)>,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// Text outside of braces.
    Text(Node<'static>),
    /// What a path finds.
    Path(Vec<Step>),
    /// The same for each value that a path finds.
    Range(Vec<Step>, Vec<Part>),
}
